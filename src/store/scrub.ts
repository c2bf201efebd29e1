/**
 * Reads through the data, a bounded step at a time, and holds it against the digests that were kept up to
 * date by every change. A difference means that memory was damaged, or that something changed the data past
 * the one way in: other hosts cannot see it, for what a heartbeat carries are the digests.
 */
import { BUCKETS, cellHash, dotHash, hashContent, LOW_SALT } from "../crdt/digest.ts";
import { plainEntry } from "./plain-entry.ts";
import type { Shard } from "./shard.ts";
import type { Store } from "./store.ts";

/** So many bytes of a value take as long to hash as one more key. */
const BYTES_PER_KEY = 1_024;
/** Collections beyond this would hold up the host for long: their bucket (of 4,096) is left out. In bytes. */
const LARGE_STATE = 4 * 1024 * 1024;

/** What one bucket holds, hashed anew. */
interface Hashed {
  entries: number;
  cells: number;
  /** In keys. */
  cost: number;
}

const NOTHING: Hashed = { entries: 0, cells: 0, cost: 0 };

export class Scrub {
  readonly #store: Store;
  #next = 0;
  #passes = 0;
  #found = 0;
  readonly #damaged = new Set<number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** How often all of the data was read. */
  get passes(): number {
    return this.#passes;
  }

  /** Buckets (of 4,096) ever found to differ from their digests. */
  get found(): number {
    return this.#found;
  }

  /** Buckets that differed when they were last read. */
  get damaged(): number {
    return this.#damaged.size;
  }

  /** All data were replaced, and the digests with them. */
  forget(): void {
    this.#damaged.clear();
  }

  /** Reads the next buckets, about `maxKeys` small keys and at most once all. Returns those newly found damaged. */
  step(maxKeys: number): number[] {
    const { shards, digests } = this.#store;
    const news: number[] = [];
    let cost = 0;
    for (let left = BUCKETS; left > 0 && cost < maxKeys; left--) {
      const bucket = this.#next;
      const shard = shards.ofBucket(bucket);
      const slots = shard.slotsOf(bucket);
      const hashed = slots.length === 0 ? NOTHING : this.#hash(shard, slots);
      cost += hashed?.cost ?? 1;
      const isRight =
        hashed === undefined ||
        ((hashed.entries | 0) === digests.entriesLow[bucket] &&
          (hashed.cells | 0) === digests.cellsLow[bucket]);
      if (isRight) {
        if (this.#damaged.size > 0) this.#damaged.delete(bucket);
      } else if (!this.#damaged.has(bucket)) {
        this.#damaged.add(bucket);
        this.#found++;
        news.push(bucket);
      }
      this.#next = (bucket + 1) % BUCKETS;
      if (this.#next === 0) this.#passes++;
    }
    return news;
  }

  /** `undefined`: too much for one step. */
  #hash(shard: Shard, slots: readonly number[]): Hashed | undefined {
    const { origins } = this.#store;
    const hashed: Hashed = { entries: 0, cells: 0, cost: 0 };
    for (const slot of slots) {
      const keyHash = shard.keyHashAt(slot);
      const state = shard.isState(slot) ? shard.stateAt(slot) : undefined;
      if (state !== undefined && state.bytes > LARGE_STATE) return undefined;
      for (const entry of state?.entries() ?? [plainEntry(shard, slot)]) {
        hashed.cost += 1 + (entry.kind === "deadline" ? 0 : (entry.value?.length ?? 0) / BYTES_PER_KEY);
        const originHash = origins.hash(entry.origin);
        hashed.entries ^= dotHash(keyHash, originHash, entry.seq, hashContent(entry), LOW_SALT);
      }
      for (const cell of state?.cells ?? []) {
        hashed.cost++;
        hashed.cells ^= cellHash(keyHash, origins.hash(cell.origin), cell, LOW_SALT);
      }
    }
    return hashed;
  }
}

/** Computes every digest anew from what is there. */
export function rebuildDigests(store: Store): void {
  const { digests, origins } = store;
  digests.clear();
  for (const shard of store.shards.all()) {
    for (let slot = 0; slot < shard.slots; slot++) {
      if (shard.keyAt(slot) === undefined) continue;
      const keyHash = shard.keyHashAt(slot);
      const state = shard.isState(slot) ? shard.stateAt(slot) : undefined;
      for (const entry of state?.entries() ?? [plainEntry(shard, slot)])
        digests.toggleEntry(keyHash, origins.hash(entry.origin), entry.seq, hashContent(entry));
      for (const cell of state?.cells ?? []) digests.toggleCell(keyHash, origins.hash(cell.origin), cell);
    }
  }
}
