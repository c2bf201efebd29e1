/** Ways to spoil what a host holds, past the one way in, as bugs and bad memory do. */
import { vi } from "vitest";
import { hashKey } from "../../../src/crdt/digest.ts";
import { Store } from "../../../src/store/store.ts";
import type { Tidemark } from "../../../src/tidemark.ts";

/** The store of a host: the one that a read of its reaches. */
export function storeOf(host: Tidemark): Store {
  const spy = vi.spyOn(Store.prototype, "read");
  try {
    host.get("whichever");
    return spy.mock.contexts[0] as Store;
  } finally {
    spy.mockRestore();
  }
}

/** A plain value changes in memory; its hash beside it and the digests stay as they were. */
export function flipValue(host: Tidemark, key: string, value: string): void {
  const store = storeOf(host);
  const shard = store.shards.of(key);
  const slot = shard.find(key, hashKey(key));
  const [origin, seq, stamp] = [shard.originAt(slot), shard.seqAt(slot), shard.stampAt(slot)];
  const [deadline, loaded, hash] = [shard.deadlineAt(slot), shard.loadedAt(slot), shard.contentHashAt(slot)];
  shard.setValue(slot, value, origin, seq, stamp, deadline, loaded, hash);
}

/** All of a key goes, with its digests, as an event applied on this host alone would have it. */
export function loseKey(host: Tidemark, key: string): void {
  const store = storeOf(host);
  store.change(key, (target) => {
    for (const { origin, seq } of [...target.state.entries()]) {
      const entry = target.state.remove(origin, seq);
      if (entry !== undefined) store.removed(target, entry);
    }
    store.counters.replace(target, []);
  });
}
