/**
 * Expiry in two steps. Time alone hides: from its deadline on a reader does not see an entry, on any host.
 * Removal is an event like any other, so that hosts whose clocks differ still hold the same data: values
 * go by a range ("everything of this origin up to here whose own deadline lies between these two"), one
 * small event for thousands of keys; what got its deadline by a mark, and collections, go by name.
 */
import { isLive, resetOf } from "../crdt/counter-cell.ts";
import type { ValueEntry } from "../crdt/entry.ts";
import type { EventBody } from "../crdt/event.ts";
import type { KeyState } from "../crdt/key-state.ts";
import { changeBetween, type Sight, sightOf } from "./changes.ts";
import type { Shard } from "./shard.ts";
import type { Store } from "./store.ts";

/** More marked values than this within a sweep's range, and expired values are removed by name instead. */
const MAX_EXCEPTIONS = 1_000;
/** Keys removed by name per pass. */
const MAX_NAMED = 1_000;

/** Tells watchers of what expired since the last pass, each expiry once. */
export function tellExpired(store: Store): void {
  const now = store.now();
  for (const shard of store.shards.all()) {
    for (let slot = 0; slot < shard.slots; slot++) {
      if (shard.deadlineAt(slot) <= now) tellExpiredKey(store, shard, slot, now);
    }
  }
}

/** As `tellExpired` for one key: also called before a watched key changes. */
export function tellExpiredKey(store: Store, shard: Shard, slot: number, now: number): void {
  const key = shard.keyAt(slot);
  if (key === undefined || !(shard.deadlineAt(slot) <= now)) return;
  let before: Sight;
  if (shard.isState(slot)) {
    const state = shard.stateAt(slot);
    if (state.nextDeadline(state.toldAt) > now) return;
    before = sightOf(state.view(state.toldAt), true);
    state.toldAt = now;
  } else {
    if (shard.expiryTold(slot)) return;
    shard.tellExpiry(slot);
    before = { type: "string", value: shard.valueAt(slot), contents: [] };
  }
  if (!store.listener.watching(key)) return;
  const change = changeBetween(before, sightOf(store.view(key), true), key, 0, 0, "expire");
  if (change !== undefined) store.listener.changed(change);
}

/**
 * The events that remove what expired before `horizon`, as far as this host is the one to write them:
 * `mayRemove(origin, deadline)`.
 */
export function removalsOfExpired(
  store: Store,
  horizon: number,
  mayRemove: (origin: number, deadline: number) => boolean,
): EventBody[] {
  const ranges = new Map<number, { from: number; to: number; dots: { key: string; seq: number }[] }>();
  const named: EventBody[] = [];
  const sweepable = (key: string, origin: number, seq: number, deadline: number): void => {
    if (deadline > horizon || !mayRemove(origin, deadline)) return;
    const range = ranges.get(origin);
    if (range === undefined) {
      ranges.set(origin, { from: deadline, to: deadline, dots: [{ key, seq }] });
      return;
    }
    range.from = Math.min(range.from, deadline);
    range.to = Math.max(range.to, deadline);
    if (range.dots.length < MAX_NAMED) range.dots.push({ key, seq });
  };
  for (const shard of store.shards.all()) {
    for (let slot = 0; slot < shard.slots; slot++) {
      if (!(shard.deadlineAt(slot) <= horizon)) continue;
      const key = shard.keyAt(slot);
      if (key === undefined) continue;
      if (!shard.isState(slot))
        sweepable(key, shard.originAt(slot), shard.seqAt(slot), shard.deadlineAt(slot));
      else if (named.length < MAX_NAMED) {
        const body = removalsOfKey(shard.stateAt(slot), key, horizon, mayRemove, sweepable);
        if (body !== undefined) named.push(body);
      }
    }
  }
  const sweeps: EventBody[] = [];
  for (const [origin, range] of ranges) sweeps.push(...sweepOf(store, origin, range));
  return [...sweeps, ...named];
}

/** What of one key is to be removed by name; its unmarked values are handed to `sweepable`. */
function removalsOfKey(
  state: KeyState,
  key: string,
  horizon: number,
  mayRemove: (origin: number, deadline: number) => boolean,
  sweepable: (key: string, origin: number, seq: number, deadline: number) => void,
): EventBody | undefined {
  const removes: number[] = [];
  for (const entry of state.values) {
    const mark = winningMark(state, entry);
    if (mark === undefined) sweepable(key, entry.origin, entry.seq, entry.deadline);
    else if (mark.at <= horizon && mayRemove(mark.origin, mark.at)) removes.push(entry.origin, entry.seq);
  }
  const common = state.deadline();
  let resets = null;
  if (common <= horizon) {
    const marks = state.deadlines.filter((mark) => mark.targetSeq === 0);
    const last = marks.find((mark) => mark.at === common)!;
    if (mayRemove(last.origin, common)) {
      for (const entry of state.entries()) {
        if (entry.kind === "member" || entry.kind === "element") removes.push(entry.origin, entry.seq);
      }
      for (const mark of marks) removes.push(mark.origin, mark.seq);
      resets = state.cells.filter(isLive).map(resetOf);
    }
  }
  if (removes.length === 0) return undefined;
  return { key, removes, resets };
}

function winningMark(state: KeyState, entry: ValueEntry) {
  let best: { at: number; origin: number } | undefined;
  for (const mark of state.deadlines) {
    if (mark.targetSeq !== entry.seq || mark.targetOrigin !== entry.origin) continue;
    if (best === undefined || mark.at > best.at) best = mark;
  }
  return best;
}

function sweepOf(
  store: Store,
  origin: number,
  range: { from: number; to: number; dots: readonly { key: string; seq: number }[] },
): EventBody[] {
  const except: number[] = [];
  for (const key of store.marked) {
    for (const entry of store.state(key)?.values ?? []) {
      if (entry.origin !== origin || entry.deadline < range.from || entry.deadline > range.to) continue;
      if (winningMark(store.state(key)!, entry) !== undefined) except.push(entry.seq);
    }
  }
  if (except.length > MAX_EXCEPTIONS) {
    return range.dots.map(({ key, seq }) => ({ key, removes: [origin, seq] }));
  }
  const { from, to } = range;
  return [{ key: "", sweep: { origin, upTo: store.vector.get(origin), from, to, except } }];
}
