/** The store as the loader's memory. */
import type { HybridLogicalClock } from "./causality/hybrid-logical-clock.ts";
import { deleteKey, setValue } from "./crdt/operations.ts";
import { toValue } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import type { Held, Memory } from "./loader/memory.ts";
import { asValue } from "./store/changes.ts";
import { mayStandElsewhere } from "./store/evicted.ts";
import type { Store } from "./store/store.ts";
import { makeRoom, see, type WritePorts } from "./write-ports.ts";

const NEVER = Number.POSITIVE_INFINITY;

export function memoryOf(ports: WritePorts, clock: HybridLogicalClock): Memory {
  const find = (key: string): Held | undefined => heldOf(ports.store, key);
  return {
    find,
    canonical: (value) => toValue(value, ports.limits.maxValueBytes),
    putLoaded: (key, value, deadline) => {
      ports.writable();
      // What was let go here may stand on other hosts, and be newer than what the upstream has.
      if (mayStandElsewhere(ports.store, key)) return;
      makeRoom(ports, [key]);
      ports.write([setValue(see(ports, key), { kind: "value", value, deadline, loaded: true })]);
    },
    dropLoaded: (key) => {
      if (find(key)?.loaded === true) ports.write([deleteKey(see(ports, key))]);
    },
    observe: (stamp) => clock.observe(stamp),
  };
}

function heldOf(store: Store, key: string): Held | undefined {
  const shard = store.shards.of(key);
  const slot = shard.find(key);
  if (slot < 0) return undefined;
  if (store.bounds !== undefined) shard.touch(slot);
  if (!shard.isState(slot)) {
    const deadline = shard.deadlineAt(slot);
    // The clock is only read where there is a deadline: it costs more than all the rest.
    if (deadline !== NEVER && deadline <= store.now()) return undefined;
    return { value: shard.valueAt(slot), loaded: shard.loadedAt(slot), deadline };
  }
  const now = store.now();
  const state = shard.stateAt(slot);
  const view = state.view(now);
  if (view === undefined) return undefined;
  if (view.type !== "string") {
    throw new TidemarkError(
      "WRONG_TYPE",
      `"${key}" holds a ${view.type}, and an upstream holds strings; use another key`,
    );
  }
  const loaded = state.winner(now)?.loaded ?? false;
  return { value: asValue(view.value), loaded, deadline: view.deadline };
}
