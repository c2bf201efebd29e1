/**
 * The data of one host: routes a key to its shard, applies events, answers reads. The state is a pure
 * function of the set of events applied (`docs/ARCHITECTURE.md`); everything that changes it goes through
 * `apply` here or through `install.ts`, and both end in the same few primitives.
 */
import type { Origins } from "../causality/origins.ts";
import { VersionVector } from "../causality/version-vector.ts";
import { DigestTable, hashContent, hashKey, hashValue, hashValueContent } from "../crdt/digest.ts";
import type { Entry, ValueEntry } from "../crdt/entry.ts";
import type { ReplicatedEvent } from "../crdt/event.ts";
import { KeyState } from "../crdt/key-state.ts";
import { PendingRemovals } from "../crdt/pending-removals.ts";
import { type BoundSettings, Bounds } from "./bounds.ts";
import {
  changeBetween,
  changeOfCollection,
  completed,
  type EntryDelta,
  NOTHING_SEEN,
  type Sight,
  type StoreChange,
  sightOf,
} from "./changes.ts";
import { Contents } from "./contents.ts";
import { CounterTable } from "./counters.ts";
import { Evicted, type Fleet, isExact } from "./evicted.ts";
import { tellExpiredKey } from "./expiry.ts";
import type { ImageSession } from "./image.ts";
import { plainEntry } from "./plain-entry.ts";
import { applyClear, applySweep, removeCovered, removeDot, removeUpTo } from "./removal.ts";
import { Scrub } from "./scrub.ts";
import type { Shard } from "./shard.ts";
import { ShardMap } from "./shard-map.ts";
import { TimedStates } from "./timed-states.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** The host's own origin index. */
const SELF = 0;

/** Who hears of changes. */
export interface StoreListener {
  watching(key: string): boolean;
  /** Whether somebody wants to hear of every key that expires or is evicted. */
  countingOut(): boolean;
  changed(change: StoreChange): void;
}

export interface StoreOptions {
  readonly origins: Origins;
  /** Fleet time, milliseconds since 1970: hides what has expired. */
  readonly now: () => number;
  readonly listener: StoreListener;
  /** Absent: as much as there is memory. */
  readonly bounds?: BoundSettings | undefined;
  /** The other hosts; absent on a standalone host. */
  readonly fleet?: Fleet | undefined;
}

/** A key while it is being changed. */
export interface Target {
  readonly key: string;
  readonly keyHash: number;
  readonly state: KeyState;
  /** What came and went, for watchers; `null` when nobody watches. */
  readonly delta: EntryDelta | null;
}

export class Store extends Contents {
  readonly vector = new VersionVector();
  readonly pending = new PendingRemovals();
  readonly digests = new DigestTable();
  readonly counters: CounterTable;
  readonly timedStates = new TimedStates();
  readonly scrub = new Scrub(this);
  /** Keys with commits that are due. */
  readonly committing = new Set<string>();
  /** Snapshots being served: they hear of what is removed before it goes. */
  readonly sessions = new Set<ImageSession>();
  readonly listener: StoreListener;
  readonly bounds: Bounds | undefined;
  /** What was let go here while others keep it; a standalone host has nobody to tell. */
  readonly evicted: Evicted | undefined;
  /** A vector of what a writer let go that ours is known to include, so that it is compared once. */
  #included: VersionVector | undefined;

  constructor({ origins, now, listener, bounds, fleet }: StoreOptions) {
    super(origins, now, bounds);
    this.listener = listener;
    if (fleet !== undefined) this.evicted = new Evicted(fleet);
    if (bounds !== undefined) this.bounds = new Bounds(this, bounds);
    this.counters = new CounterTable(this);
  }

  /** Applies the next event of its origin: `event.seq` must be one above the vector's row. */
  apply(event: ReplicatedEvent): void {
    const { origin, seq } = event;
    if (event.sweep !== null) applySweep(this, event.sweep, origin, event.stamp);
    else if (event.clear !== null) applyClear(this, event.clear, origin, event.stamp);
    else if (!this.#applyToPlain(event)) this.#applyToState(event);
    this.vector.set(origin, seq);
    if (this.pending.size > 0) this.advancePending(origin, seq);
  }

  /** Drops what waited for events up to `seq`; marks whose target came and is not live go too. */
  advancePending(origin: number, seq: number): void {
    for (const item of this.pending.advance(origin, seq)) {
      if (item.kind !== "mark" || this.state(item.key)?.find(item.origin, item.until)?.kind === "value")
        continue;
      this.change(item.key, (target) => {
        for (const mark of target.state.removeDeadlinesOf(item.origin, item.until))
          this.removed(target, mark);
      });
    }
  }

  /**
   * Changes one key through `mutate`, which may do anything with its state as long as it reports to
   * `insert` and `removed`. Afterwards the key is stored in its simplest form and watchers are told.
   */
  change(key: string, mutate: (target: Target) => void, origin = 0, stamp = 0): void {
    const watched = this.#watched(key);
    const before = watched ? sightOf(this.view(key), true) : NOTHING_SEEN;
    this.#mutate(key, null, mutate);
    if (watched) this.#tell(changeBetween(before, sightOf(this.view(key), true), key, origin, stamp));
  }

  /**
   * Takes in the only value of a key that nothing is stored under and nobody watches: most of what an image
   * brings. False: it takes more than that, and nothing has changed.
   */
  adopt(key: string, entry: ValueEntry): boolean {
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    if (shard.find(key, keyHash) >= 0 || this.pending.size > 0 || this.#watched(key)) return false;
    const { value, origin, seq, stamp, deadline, loaded } = entry;
    const slot = this.#allocate(shard, key, keyHash, true);
    shard.setValue(slot, value, origin, seq, stamp, deadline, loaded, hashContent(entry));
    this.#arrived(shard, slot, deadline);
    this.#togglePlain(shard, slot, keyHash);
    if (shard.size > ShardMap.splitAbove) this.shards.split(shard);
    return true;
  }

  /** Puts an entry into a state that is being changed, unless its removal came first. */
  insert(target: Target, entry: Entry): void {
    if (this.pending.size > 0 && this.pending.covers(target.key, entry)) return;
    if (entry.kind === "deadline" && entry.targetSeq > 0 && !this.#targetAwaited(target, entry)) return;
    target.state.insert(entry);
    if (entry.kind !== "commit") target.delta?.added.push(entry);
    this.#toggle(target.keyHash, entry);
  }

  /** Reports an entry that was just taken out of a state; with a value its deadlines go. */
  removed(target: Target, entry: Entry): void {
    this.#toggle(target.keyHash, entry);
    if (entry.kind !== "commit") target.delta?.removed.push(entry);
    const { masked } = target.state;
    for (const session of this.sessions) session.entryRemoved(target.key, target.keyHash, entry, masked);
    if (entry.kind !== "value") return;
    for (const mark of target.state.removeDeadlinesOf(entry.origin, entry.seq)) this.removed(target, mark);
  }

  /** Whether ours includes a vector; the one a frame tells is compared once. */
  includes(vector: VersionVector): boolean {
    if (vector === this.#included) return true;
    if (!this.vector.includes(vector)) return false;
    // That of an own event goes on growing, but never beyond what was applied here.
    this.#included = vector;
    return true;
  }

  /**
   * A key goes with all it holds: a plain value that an event of `origin` names, or any that may go for room,
   * here alone and by no event.
   */
  release(shard: Shard, slot: number, why: "remove" | "evict", origin = 0, stamp = 0): void {
    const key = shard.keyAt(slot)!;
    const keyHash = shard.keyHashAt(slot);
    const watched = this.#watched(key) || (why === "evict" && this.listener.countingOut());
    const before = watched ? sightOf(this.view(key), true) : NOTHING_SEEN;
    const evicted = why === "evict" ? this.evicted : undefined;
    if (shard.isState(slot)) {
      const state = shard.stateAt(slot);
      for (const entry of state.entries()) {
        for (const session of this.sessions) session.entryRemoved(key, keyHash, entry, state.masked);
        this.#toggle(keyHash, entry);
        evicted?.note(keyHash, entry.origin, entry.seq);
      }
      this.timedStates.update(key, undefined);
    } else {
      for (const session of this.sessions) session.entryRemoved(key, keyHash, plainEntry(shard, slot), false);
      this.#togglePlain(shard, slot, keyHash);
      evicted?.note(keyHash, shard.originAt(slot), shard.seqAt(slot));
    }
    shard.release(slot);
    if (!watched) return;
    const kind = why === "evict" ? "evict" : undefined;
    this.#tell(changeBetween(before, NOTHING_SEEN, key, origin, stamp, kind));
  }

  /** Marks wait for a target that has not come, live with one that is live, and die with it. */
  #targetAwaited(target: Target, mark: Entry & { kind: "deadline" }): boolean {
    const { targetOrigin, targetSeq } = mark;
    if (target.state.find(targetOrigin, targetSeq)?.kind === "value") return true;
    if (this.vector.covers(targetOrigin, targetSeq)) {
      return false;
    }
    this.pending.add({ kind: "mark", key: target.key, origin: targetOrigin, until: targetSeq });
    return true;
  }

  /** The hot path: a plain value written, replaced or deleted, and nothing else concerned. */
  #applyToPlain(event: ReplicatedEvent): boolean {
    const { key, add, removesUpTo, evicted } = event;
    if (event.removes !== null || event.resets !== null || event.increment !== null) return false;
    if (add !== null && add.kind !== "value") return false;
    if (this.pending.size > 0) return false;
    if (evicted !== null && !this.includes(evicted)) return false;
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    let slot = shard.find(key, keyHash);
    if (slot >= 0 && shard.isState(slot)) return false;
    let replaces = slot < 0;
    if (removesUpTo !== null) {
      for (let i = 0; i < removesUpTo.length; i += 2) {
        const origin = removesUpTo[i]!;
        const upTo = removesUpTo[i + 1]!;
        if (upTo > this.vector.get(origin)) return false;
        if (slot >= 0 && shard.originAt(slot) === origin && shard.seqAt(slot) <= upTo) replaces = true;
      }
    }
    if (evicted !== null && slot >= 0 && evicted.covers(shard.originAt(slot), shard.seqAt(slot)))
      replaces = true;
    if (!replaces) return false;
    // On a key without content it may leave standing elsewhere what was let go here.
    if (slot < 0 && this.evicted?.mayHold(keyHash) && this.evicted.doubts(event.origin)) return false;
    const watched = this.#watched(key);
    const before = watched ? sightOf(this.view(key), true) : NOTHING_SEEN;
    if (slot >= 0) {
      for (const session of this.sessions) session.entryRemoved(key, keyHash, plainEntry(shard, slot), false);
      this.#togglePlain(shard, slot, keyHash);
    }
    if (add === null) {
      if (slot >= 0) shard.release(slot);
    } else {
      if (slot < 0) slot = this.#allocate(shard, key, keyHash, true);
      const { value, deadline, loaded } = add;
      const content = hashValueContent(hashValue(value), deadline, loaded);
      shard.setValue(slot, value, event.origin, event.seq, event.stamp, deadline, loaded, content);
      // What is written here is not expired: the clock need not be asked.
      if (event.origin !== SELF) this.#arrived(shard, slot, deadline);
      this.#togglePlain(shard, slot, keyHash);
      if (shard.size > ShardMap.splitAbove) this.shards.split(shard);
    }
    if (watched)
      this.#tell(changeBetween(before, sightOf(this.view(key), true), key, event.origin, event.stamp));
    return true;
  }

  #toggle(keyHash: number, entry: Entry): void {
    this.digests.toggleEntry(keyHash, this.origins.hash(entry.origin), entry.seq, hashContent(entry));
  }

  #togglePlain(shard: Shard, slot: number, keyHash: number): void {
    const originHash = this.origins.hash(shard.originAt(slot));
    this.digests.toggleEntry(keyHash, originHash, shard.seqAt(slot), shard.contentHashAt(slot));
  }

  #applyToState(event: ReplicatedEvent): void {
    const { key, origin, stamp } = event;
    const watched = this.#watched(key);
    const onlyMembers = event.removesUpTo === null && event.resets === null && event.increment === null;
    const view = watched ? this.view(key) : undefined;
    const delta: EntryDelta | null = watched ? { removed: [], added: [] } : null;
    const sameKind =
      onlyMembers && view !== undefined && view.type !== "string" && matches(view.type, event.add);
    const before: Sight = watched ? sightOf(view, !sameKind) : NOTHING_SEEN;
    const state = this.#mutate(key, delta, (target) => this.#applyTo(target, event));
    if (delta === null) return;
    const after = this.view(key);
    if (sameKind && after !== undefined && after.type === view.type) {
      this.#tell(changeOfCollection(state, view.type as "set" | "list", delta, key, origin, stamp));
    } else
      this.#tell(changeBetween(completed(before, delta, state), sightOf(after, true), key, origin, stamp));
  }

  /** The five steps of `docs/ARCHITECTURE.md`, "Apply", in their order. */
  #applyTo(target: Target, event: ReplicatedEvent): void {
    const { removesUpTo, removes, resets, add, increment, evicted, origin, seq } = event;
    const exact = isExact(this, target);
    if (evicted !== null) removeCovered(this, target, evicted);
    if (removesUpTo !== null) {
      for (let i = 0; i < removesUpTo.length; i += 2)
        removeUpTo(this, target, removesUpTo[i]!, removesUpTo[i + 1]!);
    }
    if (removes !== null) {
      for (let i = 0; i < removes.length; i += 2) removeDot(this, target, removes[i]!, removes[i + 1]!);
    }
    if (resets !== null) for (const reset of resets) this.counters.reset(target, reset, event);
    const emptied = !target.state.hasContent;
    if (add !== null) this.insert(target, add);
    if (increment !== null) this.counters.increment(target, origin, seq, increment);
    // What arrives where something may be missing is a whole only if its writer had seen all that is missing.
    if (!exact) target.state.masked = !emptied || increment?.onValue === true || this.evicted!.doubts(origin);
  }

  #mutate(key: string, delta: EntryDelta | null, mutate: (target: Target) => void): KeyState {
    const keyHash = hashKey(key);
    let shard = this.shards.of(key, keyHash);
    let slot = shard.find(key, keyHash);
    const state = slot < 0 ? new KeyState(this.origins) : this.stateAt(shard, slot);
    mutate({ key, keyHash, state, delta });
    if (state.commits.length > 0) this.committing.add(key);
    else if (this.committing.size > 0) this.committing.delete(key);
    if (!state.hasContent) state.masked = false;
    if (state.deadlines.length > 0 || state.values.length > 0) state.toldAt = Math.max(0, this.now());
    if (state.empty) {
      this.timedStates.update(key, undefined);
      if (slot >= 0) shard.release(slot);
      return state;
    }
    if (slot < 0) {
      slot = this.#allocate(shard, key, keyHash, state.only !== undefined);
      if (shard.size > ShardMap.splitAbove) {
        shard.setState(slot, state, 0);
        this.shards.split(shard);
        shard = this.shards.of(key);
        slot = shard.find(key);
      }
    }
    const only = state.only;
    this.timedStates.update(key, only === undefined ? state : undefined);
    if (only === undefined) {
      shard.setState(slot, state, state.nextDeadline());
    } else {
      const { value, origin, seq, stamp, deadline, loaded } = only;
      shard.setValue(slot, value, origin, seq, stamp, deadline, loaded, hashContent(only));
      this.#arrived(shard, slot, deadline);
    }
    return state;
  }

  /** What arrives expired was never seen here: there is no expiry to tell of. */
  #arrived(shard: Shard, slot: number, deadline: number): void {
    if (deadline !== NEVER && deadline <= this.now()) shard.tellExpiry(slot);
  }

  #allocate(shard: Shard, key: string, keyHash: number, plain: boolean): number {
    this.bounds?.added(key, plain);
    return shard.allocate(key, keyHash);
  }

  /** Whether somebody watches a key that is about to change; an expiry not yet told is told first. */
  #watched(key: string): boolean {
    const watching = this.listener.watching(key);
    if (!watching && !this.listener.countingOut()) return false;
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    const slot = shard.find(key, keyHash);
    if (slot >= 0) tellExpiredKey(this, shard, slot, this.now());
    return watching;
  }

  #tell(change: StoreChange | undefined): void {
    if (change !== undefined) this.listener.changed(change);
  }
}

function matches(type: "set" | "list", add: Entry | null): boolean {
  return add === null || add.kind === (type === "set" ? "member" : "element");
}
