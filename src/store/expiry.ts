/**
 * Expiry in two steps. Time alone hides: from its deadline on a reader does not see an entry, on any host.
 * Removal is an event like any other, so that hosts whose clocks differ still hold the same data: values
 * go by a range ("everything of this origin up to here whose own deadline lies between these two"), one
 * small event for thousands of keys; what got its deadline by a mark, and collections, go by name. Each
 * step is bounded, so that a million keys that expire at once do not stop the event loop.
 */
import { isLive, resetOf } from "../crdt/counter-cell.ts";
import type { DeadlineEntry, ValueEntry } from "../crdt/entry.ts";
import type { CounterReset, EventBody } from "../crdt/event.ts";
import type { KeyState } from "../crdt/key-state.ts";
import { changeBetween, type Sight, sightOf } from "./changes.ts";
import { BUCKET_MS } from "./expiry-wheel.ts";
import type { Shard } from "./shard.ts";
import type { Store } from "./store.ts";

/** One sweep removes at most this many values: some milliseconds on every host. */
export const MAX_SWEPT = 2_000;
/** Keys removed by name in one step. */
const MAX_NAMED = 500;
/** Slots looked at in one step. */
const MAX_VISITED = 20_000;
/** More marked values than this within a sweep's range, and expired values are removed by name instead. */
const MAX_EXCEPTIONS = 1_000;
/** How often what has been expired for very long is looked at again, milliseconds. */
const OVERDUE_MS = 1_000;

/** Where the search begins: before any horizon a new host can have. */
const START_BEHIND_MS = 30_000;

const NEVER = Number.POSITIVE_INFINITY;

/** Whether this host is the one to remove what `origin` wrote and what expired at `deadline`. */
export type MayRemove = (origin: number, deadline: number) => boolean;

export class Expiry {
  readonly #store: Store;
  /** Where the search for what is due goes on; deadlines before it were looked at, or are overdue. */
  #removedUpTo: number;
  #overdueAt = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#removedUpTo = store.now() - START_BEHIND_MS;
  }

  /** Notes what has expired, and tells watchers, each expiry once. */
  tell(): void {
    const store = this.#store;
    const now = store.now();
    let budget = MAX_VISITED;
    for (const shard of store.shards.all()) {
      budget = shard.wheel.advance(now, budget, (slot) => tellExpiredKey(store, shard, slot, now));
      if (budget < 1) return;
    }
  }

  /** The events that remove what expired before `horizon`, as far as they are this host's to write. */
  removals(horizon: number, mayRemove: MayRemove): EventBody[] {
    const due = new Due(this.#store, horizon, mayRemove);
    while (this.#removedUpTo + BUCKET_MS <= horizon && !due.full) {
      const from = this.#removedUpTo;
      for (const shard of this.#store.shards.all()) {
        for (const slot of shard.wheel.within(from - BUCKET_MS, from + BUCKET_MS)) due.look(shard, slot);
      }
      if (!due.full) this.#removedUpTo += BUCKET_MS;
    }
    if (horizon >= this.#overdueAt && !due.full) {
      this.#overdueAt = horizon + OVERDUE_MS;
      for (const shard of this.#store.shards.all()) {
        for (const slot of shard.wheel.overdue.slice(0, MAX_VISITED)) due.look(shard, slot);
      }
      this.#lookAtStates(due);
    }
    return due.events();
  }

  /** In turns: those that are not to be removed yet, or not by us, go to the end. */
  #lookAtStates(due: Due): void {
    const { expiredStates } = this.#store;
    let left = Math.min(expiredStates.size, MAX_VISITED);
    for (const key of expiredStates) {
      if (left-- === 0 || due.full) return;
      expiredStates.delete(key);
      if (due.lookAtState(key)) expiredStates.add(key);
    }
  }
}

/** Tells watchers of a key if something on it expired since they were last told. */
export function tellExpiredKey(store: Store, shard: Shard, slot: number, now: number): void {
  const key = shard.keyAt(slot);
  if (key === undefined || !(shard.deadlineAt(slot) <= now)) return;
  let before: Sight;
  if (shard.isState(slot)) {
    const state = shard.stateAt(slot);
    if (state.nextDeadline(state.toldAt) > now) return;
    before = sightOf(state.view(state.toldAt), true);
    state.toldAt = now;
    shard.setNextDeadline(slot, state.nextDeadline(now));
    store.expiredStates.add(key);
  } else {
    if (shard.expiryTold(slot)) return;
    shard.tellExpiry(slot);
    before = { type: "string", value: shard.valueAt(slot), contents: [] };
  }
  if (!store.listener.watching(key)) return;
  const change = changeBetween(before, sightOf(store.view(key), true), key, 0, 0, "expire");
  if (change !== undefined) store.listener.changed(change);
}

interface Candidate {
  readonly key: string;
  readonly seq: number;
  readonly deadline: number;
}

/** Gathers what is due for removal until there is enough for one step. */
class Due {
  readonly #store: Store;
  readonly #horizon: number;
  readonly #mayRemove: MayRemove;
  readonly #swept = new Map<number, Candidate[]>();
  readonly #named = new Map<string, EventBody>();
  #count = 0;

  constructor(store: Store, horizon: number, mayRemove: MayRemove) {
    this.#store = store;
    this.#horizon = horizon;
    this.#mayRemove = mayRemove;
  }

  get full(): boolean {
    return this.#count >= MAX_SWEPT || this.#named.size >= MAX_NAMED;
  }

  look(shard: Shard, slot: number): void {
    const key = shard.keyAt(slot);
    if (key === undefined || shard.isState(slot) || shard.deadlineAt(slot) > this.#horizon) return;
    this.#sweep(shard.originAt(slot), { key, seq: shard.seqAt(slot), deadline: shard.deadlineAt(slot) });
  }

  /** Whether something expired is still there, to be looked at again unless it is removed now. */
  lookAtState(key: string): boolean {
    const state = this.#store.state(key);
    if (state === undefined || state.only !== undefined || state.nextDeadline() > this.#store.now())
      return false;
    for (const entry of state.values) {
      const { seq, deadline } = entry;
      if (winningMark(state, entry) === undefined) this.#sweep(entry.origin, { key, seq, deadline });
    }
    const body = namedRemovals(state, key, this.#horizon, this.#mayRemove);
    if (body !== undefined) this.#named.set(key, body);
    return true;
  }

  events(): EventBody[] {
    const sweeps = Array.from(this.#swept, ([origin, candidates]) => this.#sweepOf(origin, candidates));
    return [...sweeps.flat(), ...this.#named.values()];
  }

  #sweep(origin: number, candidate: Candidate): void {
    if (candidate.deadline > this.#horizon || !this.#mayRemove(origin, candidate.deadline)) return;
    const candidates = this.#swept.get(origin);
    if (candidates === undefined) this.#swept.set(origin, [candidate]);
    else candidates.push(candidate);
    this.#count++;
  }

  #sweepOf(origin: number, all: readonly Candidate[]): EventBody[] {
    // In the order they were written, so that a limit on the number is a limit on the sequence.
    const candidates = [...all].sort((left, right) => left.seq - right.seq).slice(0, MAX_SWEPT);
    let from = NEVER;
    let to = 0;
    for (const { deadline } of candidates) {
      from = Math.min(from, deadline);
      to = Math.max(to, deadline);
    }
    const upTo = candidates.at(-1)!.seq;
    const except = this.#exceptions(origin, upTo, from, to);
    if (except.length > MAX_EXCEPTIONS) {
      return candidates.map(({ key, seq }) => ({ key, removes: [origin, seq] }));
    }
    return [{ key: "", sweep: { origin, upTo, from, to, except } }];
  }

  /** Values within the range of a sweep that got another deadline by a mark. */
  #exceptions(origin: number, upTo: number, from: number, to: number): number[] {
    const except: number[] = [];
    for (const key of this.#store.timedStates) {
      const state = this.#store.state(key)!;
      for (const entry of state.values) {
        if (entry.origin !== origin || entry.seq > upTo || entry.deadline < from || entry.deadline > to)
          continue;
        if (winningMark(state, entry) !== undefined) except.push(entry.seq);
      }
    }
    return except;
  }
}

/** What of one key is to be removed by name: values by their marks, and all else when its time has come. */
function namedRemovals(
  state: KeyState,
  key: string,
  horizon: number,
  mayRemove: MayRemove,
): EventBody | undefined {
  const removes: number[] = [];
  for (const entry of state.values) {
    const mark = winningMark(state, entry);
    if (mark !== undefined && mark.at <= horizon && mayRemove(mark.origin, mark.at)) {
      removes.push(entry.origin, entry.seq);
    }
  }
  const common = state.deadline();
  let resets: CounterReset[] | null = null;
  const marks = state.deadlines.filter((mark) => mark.targetSeq === 0);
  if (common <= horizon && mayRemove(marks.find((mark) => mark.at === common)!.origin, common)) {
    for (const entry of state.entries()) {
      if (entry.kind === "member" || entry.kind === "element") removes.push(entry.origin, entry.seq);
    }
    for (const mark of marks) removes.push(mark.origin, mark.seq);
    resets = state.cells.filter(isLive).map(resetOf);
  }
  return removes.length === 0 ? undefined : { key, removes, resets };
}

/** The mark that decides when a value expires. */
function winningMark(state: KeyState, entry: ValueEntry): DeadlineEntry | undefined {
  let best: DeadlineEntry | undefined;
  for (const mark of state.deadlines) {
    if (mark.targetSeq !== entry.seq || mark.targetOrigin !== entry.origin) continue;
    if (best === undefined || mark.at > best.at) best = mark;
  }
  return best;
}
