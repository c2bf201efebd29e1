/** A plain value has no entry of its own: its slot holds what an entry would. */
import type { ValueEntry } from "../crdt/entry.ts";
import type { Shard } from "./shard.ts";

/** A plain value's slot as the entry it stands for. */
export function plainEntry(shard: Shard, slot: number): ValueEntry {
  return {
    kind: "value",
    origin: shard.originAt(slot),
    seq: shard.seqAt(slot),
    stamp: shard.stampAt(slot),
    value: shard.valueAt(slot),
    deadline: shard.deadlineAt(slot),
    loaded: shard.loadedAt(slot),
  };
}
