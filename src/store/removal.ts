/**
 * Removal: of one key what an event names, and on many keys at once what a sweep or a clear names. Of those,
 * plain values go straight from their slots; everything else goes entry by entry.
 */
import type { VersionVector } from "../causality/version-vector.ts";
import type { Entry } from "../crdt/entry.ts";
import type { Clear, Sweep } from "../crdt/event.ts";
import { clearNames, sweepNames } from "../crdt/pending-removals.ts";
import { plainEntry } from "./plain-entry.ts";
import type { Store, Target } from "./store.ts";

export function applySweep(store: Store, sweep: Sweep, origin: number, stamp: number): void {
  removeSwept(store, sweep, origin, stamp);
  if (sweep.upTo > store.vector.get(sweep.origin)) {
    store.pending.add({ kind: "sweep", sweep, origin: sweep.origin, until: sweep.upTo });
  }
}

export function applyClear(store: Store, clear: Clear, origin: number, stamp: number): void {
  removeCleared(store, clear, origin, stamp);
  store.pending.addClear(clear, store.vector);
}

/** Removes everything of `origin` up to `upTo` from a state; what is still to come is remembered. */
export function removeUpTo(store: Store, target: Target, origin: number, upTo: number): void {
  for (const entry of target.state.removeUpTo(origin, upTo)) store.removed(target, entry);
  if (upTo > store.vector.get(origin))
    store.pending.add({ kind: "upTo", key: target.key, origin, until: upTo });
}

export function removeDot(store: Store, target: Target, origin: number, seq: number): void {
  const entry = target.state.remove(origin, seq);
  if (entry !== undefined) store.removed(target, entry);
  if (seq > store.vector.get(origin)) store.pending.add({ kind: "dot", key: target.key, origin, until: seq });
}

/**
 * Removes of one key all that a vector covers: what a writer had let go, and would have named had it been
 * there. What is still to come is remembered.
 */
export function removeCovered(store: Store, target: Target, vector: VersionVector): void {
  for (const entry of [...target.state.entries()]) {
    if (entry.kind === "commit" || !vector.covers(entry.origin, entry.seq)) continue;
    if (target.state.remove(entry.origin, entry.seq) !== undefined) store.removed(target, entry);
  }
  if (store.includes(vector)) return;
  for (const [origin, until] of vector.entries()) {
    if (until > store.vector.get(origin)) store.pending.add({ kind: "upTo", key: target.key, origin, until });
  }
}

/** Removes what a sweep names of what is here. */
export function removeSwept(store: Store, sweep: Sweep, origin = 0, stamp = 0): void {
  const except = new Set(sweep.except);
  for (const shard of store.shards.all()) {
    for (const slot of shard.plainWithin(sweep.origin, sweep.upTo, sweep.from, sweep.to)) {
      if (!except.has(shard.seqAt(slot))) store.release(shard, slot, "remove", origin, stamp);
    }
  }
  for (const key of store.timedStates.within(sweep.from, sweep.to)) {
    removeEntries(store, key, (entry) => sweepNames(sweep, entry), origin, stamp);
  }
}

/** Removes what a clear names of what is here. */
export function removeCleared(store: Store, clear: Clear, origin = 0, stamp = 0): void {
  for (const shard of store.shards.all()) {
    for (let slot = 0; slot < shard.slots; slot++) {
      const key = shard.keyAt(slot);
      if (key?.startsWith(clear.prefix) !== true) continue;
      if (shard.isState(slot)) {
        removeEntries(store, key, (entry) => clearNames(clear, key, entry.origin, entry.seq), origin, stamp);
      } else {
        const { origin: of, seq } = plainEntry(shard, slot);
        if (clearNames(clear, key, of, seq)) store.release(shard, slot, "remove", origin, stamp);
      }
    }
  }
}

function removeEntries(
  store: Store,
  key: string,
  names: (entry: Entry) => boolean,
  origin: number,
  stamp: number,
): void {
  const doomed = [...(store.state(key)?.entries() ?? [])].filter(
    (entry) => entry.kind !== "commit" && names(entry),
  );
  if (doomed.length === 0) return;
  store.change(
    key,
    (target) => {
      for (const { origin: of, seq } of doomed) {
        const entry = target.state.remove(of, seq);
        if (entry !== undefined) store.removed(target, entry);
      }
    },
    origin,
    stamp,
  );
}
