/**
 * Expiry in two steps. Time alone hides: from its deadline on a reader does not see an entry, on any host.
 * Removal is an event like any other, so that hosts whose clocks differ still hold the same data: values
 * go by a range ("everything of this origin up to here whose own deadline lies between these two"), one
 * small event for thousands of keys; what got its deadline by a mark, and collections, go by name.
 *
 * What is due is found by a hand that goes round the slots, all of them about once a second: it reads one
 * number per slot in the order they lie in memory, which is so cheap that no index has to be kept right.
 * Every step is bounded, so that a million keys that expire at once do not stop the event loop.
 */
import type { DeadlineEntry } from "../crdt/entry.ts";
import type { CounterReset, EventBody } from "../crdt/event.ts";
import type { KeyState } from "../crdt/key-state.ts";
import { mayLetGo } from "./bounds.ts";
import { changeBetween, type Sight, sightOf } from "./changes.ts";
import type { Shard } from "./shard.ts";
import type { Store } from "./store.ts";

/** One sweep removes about this many values: some milliseconds on every host. */
export const MAX_SWEPT = 1_000;
/** Values looked at to tell how many a sweep would remove: enough of them, and no more than are quickly sorted. */
const ENOUGH = 256;
const MAX_SORTED = 4_096;
/** Keys removed by name, and expiries told, in one step. */
const MAX_NAMED = 500;
const MAX_TOLD = 5_000;
/** Slots looked at in one step: a fiftieth of all, but at least so many. */
const MIN_VISITED = 20_000;
const STEPS_PER_ROUND = 50;
/** More keys than this with marked values, and expired values are removed by name: a sweep looks at each of those. */
const MAX_TIMED = 1_000;
/** A sweep that would remove little waits for more, milliseconds. */
const PATIENCE_MS = 250;

/** Whether this host is the one to remove what `origin` wrote and what expired at `deadline`. */
export type MayRemove = (origin: number, deadline: number) => boolean;

interface Candidate {
  readonly key: string;
  readonly seq: number;
  readonly deadline: number;
}

export class Expiry {
  readonly #store: Store;
  #shard = 0;
  #slot = 0;
  /** By origin. */
  readonly #sweptAt = new Map<number, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * One step of the hand: tells watchers of what it finds expired, each expiry once, and returns the events
   * that remove what expired before `horizon`, as far as they are this host's to write.
   */
  step(horizon: number, mayRemove: MayRemove): EventBody[] {
    const store = this.#store;
    const now = store.now();
    const total = store.shards.slots;
    const budget = Math.min(total, Math.max(MIN_VISITED, Math.ceil(total / STEPS_PER_ROUND)));
    const swept = new Map<number, Candidate[]>();
    const named: EventBody[] = [];
    // What it has let go it cannot except from a sweep: a partial host lets expired values go for itself alone.
    const partial = store.evicted?.partial === true;
    let visited = 0;
    let told = 0;
    while (visited < budget && told < MAX_TOLD && named.length < MAX_NAMED) {
      const shard = this.#underHand();
      const slot = shard.nextDue(this.#slot, now);
      visited += slot - this.#slot + 1;
      this.#slot = slot + 1;
      if (slot === shard.slots) continue;
      const deadline = shard.deadlineAt(slot);
      if (!(deadline <= now)) continue;
      const key = shard.keyAt(slot);
      if (key === undefined) continue;
      told += tellExpiredKey(store, shard, slot, now) ? 1 : 0;
      if (deadline > horizon) continue;
      if (partial && hasExpiredWhole(shard, slot, horizon)) {
        if (mayLetGo(store.evicted, shard, slot) === "now") store.release(shard, slot, "evict");
        continue;
      }
      if (!shard.isState(slot)) {
        gather(swept, mayRemove, shard.originAt(slot), { key, seq: shard.seqAt(slot), deadline });
        continue;
      }
      const body = removalsOfState(shard.stateAt(slot), key, horizon, mayRemove, swept);
      if (body !== undefined) named.push(body);
    }
    if (partial) return named;
    return [...this.#sweep(swept, visited / Math.max(1, total), now), ...named];
  }

  /** Tells of what has expired of one key by now. */
  tell(key: string): void {
    const shard = this.#store.shards.of(key);
    const slot = shard.find(key);
    if (slot >= 0) tellExpiredKey(this.#store, shard, slot, this.#store.now());
  }

  /** Tells of all that has expired by now, so that a watcher who begins now hears of none of it. */
  tellAll(): void {
    const now = this.#store.now();
    for (const shard of this.#store.shards.all()) {
      for (let slot = 0; slot < shard.slots; slot++) {
        if (shard.deadlineAt(slot) <= now) tellExpiredKey(this.#store, shard, slot, now);
      }
    }
  }

  /** The shard under the hand, which stands on a slot of it. Never called on an empty store. */
  #underHand(): Shard {
    const shards = this.#store.shards.all();
    for (;;) {
      const shard = shards[this.#shard % shards.length]!;
      if (this.#slot < shard.slots) return shard;
      this.#slot = 0;
      this.#shard = (this.#shard + 1) % shards.length;
    }
  }

  /**
   * A sweep of one origin, for each reads through all there is: of that which has most to remove and waited longest.
   * `share`: the part of all slots that the candidates were found in.
   */
  #sweep(swept: Map<number, Candidate[]>, share: number, now: number): EventBody[] {
    let chosen: number | undefined;
    let most = -1;
    for (const [origin, { length }] of swept) {
      const waited = now - (this.#sweptAt.get(origin) ?? 0);
      if ((length / share < MAX_SWEPT && waited < PATIENCE_MS) || length * waited <= most) continue;
      most = length * waited;
      chosen = origin;
    }
    if (chosen === undefined) return [];
    this.#sweptAt.set(chosen, now);
    return this.#sweepOf(chosen, swept.get(chosen)!);
  }

  #sweepOf(origin: number, found: Candidate[]): EventBody[] {
    let from = Number.POSITIVE_INFINITY;
    let latest = 0;
    let newest = 0;
    for (const { seq, deadline } of found) {
      from = Math.min(from, deadline);
      latest = Math.max(latest, deadline);
      newest = Math.max(newest, seq);
    }
    const end = this.#store.timedStates.endOf(from, latest, MAX_TIMED);
    if (end < from) return found.slice(0, MAX_NAMED).map(({ key, seq }) => ({ key, removes: [origin, seq] }));
    const { to, upTo } = this.#limited(origin, newest, from, end);
    const except = this.#exceptions(origin, upTo, from, to);
    return [{ key: "", sweep: { origin, upTo, from, to, except } }];
  }

  /**
   * The deadline and the seq up to which a sweep names about `MAX_SWEPT` values: those that expired first, so that
   * what is left lies within a short time and is soon found; and as any number of keys may have one deadline, of
   * those the ones written first. Keys lie in shards at random, so some of the shards show as much of the whole.
   */
  #limited(origin: number, newest: number, from: number, to: number): { to: number; upTo: number } {
    const shards = this.#store.shards.all();
    const found: { deadline: number; seq: number }[] = [];
    let looked = 0;
    while (looked < shards.length && found.length < ENOUGH) {
      const shard = shards[looked++]!;
      for (const slot of shard.plainWithin(origin, newest, from, to))
        found.push({ deadline: shard.deadlineAt(slot), seq: shard.seqAt(slot) });
    }
    const every = Math.ceil(found.length / MAX_SORTED);
    const sample = found
      .filter((_, index) => index % every === 0)
      .sort((left, right) => left.deadline - right.deadline || left.seq - right.seq);
    const last = sample[Math.floor((MAX_SWEPT * looked) / (shards.length * every))];
    if (last === undefined) return { to, upTo: newest };
    const before = sample.findLast(({ deadline }) => deadline < last.deadline);
    return before === undefined
      ? { to: last.deadline, upTo: last.seq }
      : { to: before.deadline, upTo: newest };
  }

  /** Values within the range of a sweep that got another deadline by a mark. */
  #exceptions(origin: number, upTo: number, from: number, to: number): number[] {
    const except: number[] = [];
    for (const key of this.#store.timedStates.within(from, to)) {
      const state = this.#store.state(key)!;
      for (const entry of state.values) {
        if (entry.origin !== origin || entry.seq > upTo || entry.deadline < from || entry.deadline > to)
          continue;
        if (state.markOf(entry) !== undefined) except.push(entry.seq);
      }
    }
    return except;
  }
}

/** Tells watchers of a key if something on it expired since they were last told. Whether it had. */
export function tellExpiredKey(store: Store, shard: Shard, slot: number, now: number): boolean {
  const key = shard.keyAt(slot);
  if (key === undefined || !(shard.deadlineAt(slot) <= now)) return false;
  let before: Sight;
  if (shard.isState(slot)) {
    const state = shard.stateAt(slot);
    if (state.nextDeadline(state.toldAt) > now) return false;
    before = sightOf(state.view(state.toldAt), true);
    state.toldAt = now;
  } else {
    if (shard.expiryTold(slot)) return false;
    shard.tellExpiry(slot);
    before = { type: "string", value: shard.valueAt(slot), contents: [] };
  }
  if (!store.listener.watching(key) && !store.listener.countingOut()) return true;
  const change = changeBetween(before, sightOf(store.view(key), true), key, 0, 0, "expire");
  if (change !== undefined) store.listener.changed(change);
  return true;
}

/** Whether a slot holds nothing but values, all of them past their deadlines. */
function hasExpiredWhole(shard: Shard, slot: number, horizon: number): boolean {
  if (!shard.isState(slot)) return shard.deadlineAt(slot) <= horizon;
  const state = shard.stateAt(slot);
  return state.evictable && state.values.every((entry) => state.deadlineOf(entry) <= horizon);
}

function gather(
  swept: Map<number, Candidate[]>,
  mayRemove: MayRemove,
  origin: number,
  candidate: Candidate,
): void {
  if (!mayRemove(origin, candidate.deadline)) return;
  const candidates = swept.get(origin);
  if (candidates === undefined) swept.set(origin, [candidate]);
  else candidates.push(candidate);
}

/**
 * What of one key is to be removed by name: values by their marks, and all else when its time has come.
 * Values that expired by their own deadline are gathered for a sweep.
 */
function removalsOfState(
  state: KeyState,
  key: string,
  horizon: number,
  mayRemove: MayRemove,
  swept: Map<number, Candidate[]>,
): EventBody | undefined {
  const removes: number[] = [];
  for (const entry of state.values) {
    const { origin, seq, deadline } = entry;
    const mark = state.markOf(entry);
    if (mark === undefined) {
      if (deadline <= horizon) gather(swept, mayRemove, origin, { key, seq, deadline });
    } else if (mark.at <= horizon && mayRemove(mark.origin, mark.at)) removes.push(origin, seq);
  }
  const last = state.keyMark();
  let resets: CounterReset[] | null = null;
  if (last !== undefined && last.at <= horizon && mayRemove(last.origin, last.at)) {
    addDotsBehind(state, removes);
    resets = state.resets();
  }
  return removes.length === 0 ? undefined : { key, removes, resets };
}

/** Everything that the deadline of a whole key is for, and the marks that set it. */
function addDotsBehind(state: KeyState, dots: number[]): void {
  const isBehind = (mark: DeadlineEntry): boolean => mark.targetSeq === 0;
  for (const entry of state.entries()) {
    if (entry.kind === "value" || entry.kind === "commit" || (entry.kind === "deadline" && !isBehind(entry)))
      continue;
    dots.push(entry.origin, entry.seq);
  }
}
