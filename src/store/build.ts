/**
 * Builds an empty store from an exact image while the image is still on its way, slice by slice, so that a
 * host that takes over a million keys goes on answering. Until `finish` the vector stays at nothing: what is
 * here stands for no event yet, must be given to nobody, and goes again by `discard` if the image breaks off.
 * A store that holds something takes an image by `install.ts` instead.
 */
import { VersionVector } from "../causality/version-vector.ts";
import { BUCKETS } from "../crdt/digest.ts";
import type { Entry } from "../crdt/entry.ts";
import type { PendingItem } from "../crdt/pending-removals.ts";
import type { BucketImage, EvictedThere } from "./image.ts";
import { adoptEvicted } from "./install.ts";
import type { Store } from "./store.ts";

/** What comes with the end of an image. */
export interface ImageEnd {
  readonly vector: VersionVector;
  readonly pending: readonly PendingItem[];
  readonly evicted: EvictedThere | null;
}

const NOTHING_SEEN = new VersionVector();

/** Whether a store is as it was made, so that it can be built from an image. */
export function isUntouched(store: Store): boolean {
  const waits = store.pending.removals().next().done !== true;
  return store.shards.size === 0 && store.vector.total() === 0 && !waits && store.evicted?.partial !== true;
}

export class Build {
  readonly #store: Store;
  readonly #sliceEntries: number;
  #prepared = false;
  #work: Generator<void> | undefined;
  #waiting: (() => Generator<void>)[] = [];

  /** `sliceEntries`: how many entries a step puts in place, about. */
  constructor(store: Store, sliceEntries: number) {
    this.#store = store;
    this.#sliceEntries = sliceEntries;
  }

  /** Takes in buckets of an image of `vector`; `step` puts them in place. */
  add(buckets: readonly BucketImage[], vector: VersionVector): void {
    this.#prepare(buckets);
    this.#waiting.push(() => putBuckets(this.#store, buckets, vector, this.#sliceEntries));
  }

  /** Keys are spread evenly over the buckets, so that the first of these tell how many there will be. */
  #prepare(buckets: readonly BucketImage[]): void {
    const last = buckets.at(-1);
    if (last === undefined || this.#prepared) return;
    this.#prepared = true;
    const entries = buckets.reduce((sum, bucket) => sum + bucket.entries.length, 0);
    this.#store.shards.prepare((entries * BUCKETS) / (last.bucket + 1));
  }

  /** Puts a slice in place. False: there is nothing left to do. */
  step(): boolean {
    for (let done = 0; done < this.#sliceEntries; done++) {
      this.#work ??= this.#waiting.shift()?.();
      if (this.#work === undefined) break;
      if (this.#work.next().done === true) this.#work = undefined;
    }
    this.#store.bounds?.enforce();
    return this.#work !== undefined || this.#waiting.length > 0;
  }

  /** Everything is in place: from now on the store stands for what the image's vector does. The events gained. */
  finish({ vector, pending, evicted }: ImageEnd): number {
    const store = this.#store;
    if (evicted !== null) adoptEvicted(store, evicted);
    for (const item of pending) {
      if (item.kind === "clear") store.pending.addClear(item.clear, vector);
      else if (item.until > vector.get(item.origin)) store.pending.add(item);
    }
    for (const [origin, seq] of vector.entries()) {
      store.vector.raise(origin, seq);
      store.advancePending(origin, seq);
    }
    return vector.total();
  }

  /** The image will not be finished: further steps take out what is here. */
  discard(): void {
    this.#work = undefined;
    this.#waiting = [() => takeOut(this.#store)];
  }
}

/** Yields about once per entry. */
function* putBuckets(
  store: Store,
  buckets: readonly BucketImage[],
  vector: VersionVector,
  atOnce: number,
): Generator<void> {
  for (const { entries, cells, masked } of buckets) {
    let hasMarks = false;
    for (let i = 0; i < entries.length; yield) {
      const { key, entry } = entries[i]!;
      if (entry.kind === "deadline") {
        hasMarks = true;
        i++;
      } else if (entry.kind === "value" && store.adopt(key, entry)) i++;
      else i = putRun(store, entries, i, atOnce);
    }
    // Marks come after the values they are for.
    if (hasMarks) for (const { key, entry } of entries) if (putMark(store, key, entry, vector)) yield;
    for (const { key, cell } of cells) {
      store.change(key, (target) => store.counters.join(target, [cell], NOTHING_SEEN));
      yield;
    }
    for (const key of masked) {
      store.change(key, (target) => {
        target.state.masked = true;
      });
      yield;
    }
  }
}

/** Puts consecutive entries of one key in place together, for what is told of a change costs what the key holds. */
function putRun(store: Store, entries: BucketImage["entries"], from: number, atOnce: number): number {
  const { key } = entries[from]!;
  let next = from;
  store.change(key, (target) => {
    while (next < entries.length && next - from < atOnce && entries[next]!.key === key) {
      const { entry } = entries[next]!;
      if (entry.kind === "deadline") break;
      store.insert(target, entry);
      next++;
    }
  });
  return next;
}

function putMark(store: Store, key: string, entry: Entry, vector: VersionVector): boolean {
  if (entry.kind !== "deadline") return false;
  const { targetOrigin, targetSeq } = entry;
  store.change(key, (target) => {
    const gone =
      targetSeq > 0 &&
      vector.covers(targetOrigin, targetSeq) &&
      target.state.find(targetOrigin, targetSeq)?.kind !== "value";
    if (!gone) store.insert(target, entry);
  });
  return true;
}

function* takeOut(store: Store): Generator<void> {
  // As if a host that has applied everything held nothing: segments known only from a reset are to go too.
  const everything = new VersionVector(new Array(store.origins.size).fill(Number.MAX_SAFE_INTEGER));
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const { shards } = store;
    // By their names: between two slices shards may be compacted, and a slot is another key's then.
    for (const key of shards.ofBucket(bucket).keysOf(bucket)) {
      const shard = shards.of(key);
      const slot = shard.find(key);
      if (slot < 0) continue;
      if (!shard.isState(slot)) store.release(shard, slot, "remove");
      else {
        store.change(key, (target) => {
          for (const { origin, seq } of [...target.state.entries()]) {
            const entry = target.state.remove(origin, seq);
            if (entry !== undefined) store.removed(target, entry);
          }
          store.counters.join(target, [], everything);
        });
      }
      yield;
    }
  }
}
