/**
 * Spreads keys over shards by bucket. It begins with one shard and halves a shard whenever it grows past about
 * 32 thousand keys, so that no single table ever grows for long (extendible hashing, Fagin et al., 1979).
 */
import { BUCKETS, bucketOf, hashKey } from "../crdt/digest.ts";
import { type Account, Shard } from "./shard.ts";

/** Smaller shards are not worth compacting. */
const COMPACT_FROM = 4_096;

export class ShardMap {
  /** To halve one is the longest step of a store that grows; an index (`key-index.ts`) finds 65,534 slots at most. */
  static readonly splitAbove = 32_767;

  readonly #directory: Shard[];
  readonly #account: Account = { size: 0, bytes: 0, hollow: 0 };
  #shards: Shard[];

  /** `weighs`: keeps account of bytes. */
  constructor(weighs: boolean) {
    const first = new Shard(0, BUCKETS, weighs, this.#account);
    this.#shards = [first];
    this.#directory = new Array<Shard>(BUCKETS).fill(first);
  }

  get size(): number {
    return this.#account.size;
  }

  /** Number of slots, some of them free: what going round all of them takes. */
  get slots(): number {
    let slots = 0;
    for (const shard of this.#shards) slots += shard.slots;
    return slots;
  }

  /** What all keys cost, in bytes; 0 where no account is kept. */
  get bytes(): number {
    return this.#account.bytes;
  }

  /** Keys that hold something no reader will ever see. */
  get hollow(): number {
    return this.#account.hollow;
  }

  /** Every shard, in the order of their buckets. */
  all(): readonly Shard[] {
    return this.#shards;
  }

  of(key: string, keyHash: number = hashKey(key)): Shard {
    return this.#directory[bucketOf(keyHash)]!;
  }

  ofBucket(bucket: number): Shard {
    return this.#directory[bucket]!;
  }

  /** Gives back the memory of one shard that most keys have left: one at a time, since it is copied. Whether there was one. */
  compact(): boolean {
    const shard = this.#shards.find(({ capacity, size }) => capacity >= COMPACT_FROM && size * 8 <= capacity);
    if (shard === undefined) return false;
    const compact = shard.compacted();
    this.#shards = this.#shards.map((each) => (each === shard ? compact : each));
    this.#directory.fill(compact, compact.first, compact.end);
    return true;
  }

  /** Makes shards for so many keys while there is nothing to move: keys that come bucket by bucket would be moved often. */
  prepare(keys: number): void {
    const wanted = keys / (ShardMap.splitAbove / 2);
    while (this.size === 0 && this.#shards.length < wanted && this.#shards.length < BUCKETS) {
      for (const shard of this.#shards) this.split(shard);
    }
  }

  /** Halves a shard, unless it holds a single bucket. */
  split(shard: Shard): void {
    if (shard.end - shard.first < 2) return;
    const halves = shard.split();
    this.#shards = this.#shards.flatMap((each) => (each === shard ? halves : [each]));
    for (const half of halves) this.#directory.fill(half, half.first, half.end);
  }
}
