/**
 * One owner of a range of buckets: a Map from key to slot, and parallel arrays by slot. A key that holds
 * one plain value lives entirely in the arrays (about 51 bytes besides key and value); anything else has
 * a `KeyState` in its slot. Shards exist because one Map that grows past a million keys stops the event
 * loop while it rehashes, and because a Map holds 2^24 keys at most.
 */
import type { Value, ValueEntry } from "../crdt/entry.ts";
import type { KeyState } from "../crdt/key-state.ts";
import { SLOT_BYTES, stringBytes, valueBytes } from "./weight.ts";

const LOADED = 1;
const STATE = 2;
const EXPIRED = 4;
/** A state that shows nothing at any time: closed counter segments, deadlines without anything to expire. */
const HOLLOW = 8;
/** How often the slot was read since eviction last looked, 0 to 3, in two bits. */
const USE = 16;
const USES = 48;

const FIRST_CAPACITY = 64;

export class Shard {
  /** Buckets `[first, end)`. */
  readonly first: number;
  readonly end: number;
  readonly #index = new Map<string, number>();
  #capacity = FIRST_CAPACITY;
  #used = 0;
  #hollow = 0;
  readonly #free: number[] = [];
  readonly #keys: (string | undefined)[] = [];
  readonly #contents: (Value | KeyState | undefined)[] = [];
  #flags = new Uint8Array(FIRST_CAPACITY);
  #buckets = new Uint16Array(FIRST_CAPACITY);
  #origins = new Uint32Array(FIRST_CAPACITY);
  #seqs = new Float64Array(FIRST_CAPACITY);
  #stamps = new Float64Array(FIRST_CAPACITY);
  #deadlines = new Float64Array(FIRST_CAPACITY);
  /** Of plain values: the digest needs it when the value goes, and reading the value then would be a cache miss. */
  #contentHashes = new Int32Array(FIRST_CAPACITY);

  /** By slot what it costs, in bytes; only kept where there is a bound in bytes. */
  #weights: Uint32Array | undefined;
  #bytes = 0;

  /** `weighs`: keeps account of bytes. */
  constructor(first: number, end: number, weighs: boolean) {
    this.first = first;
    this.end = end;
    if (weighs) this.#weights = new Uint32Array(FIRST_CAPACITY);
  }

  /** Slots allocated, used or not: what the arrays cost. */
  get capacity(): number {
    return this.#capacity;
  }

  get size(): number {
    return this.#index.size;
  }

  /** What its keys cost, in bytes; 0 where no account is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Slots that hold something no reader will ever see. */
  get hollow(): number {
    return this.#hollow;
  }

  /** Slots are numbered below this; some may be free. */
  get slots(): number {
    return this.#used;
  }

  find(key: string): number {
    const slot = this.#index.get(key);
    return slot === undefined ? -1 : slot;
  }

  keyAt(slot: number): string | undefined {
    return this.#keys[slot];
  }

  bucketAt(slot: number): number {
    return this.#buckets[slot]!;
  }

  /** A new slot for a key that has none; its content must be set at once. */
  allocate(key: string, bucket: number): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.#capacity) this.#grow();
    this.#index.set(key, slot);
    this.#keys[slot] = key;
    this.#buckets[slot] = bucket;
    this.#flags[slot] = 0;
    return slot;
  }

  release(slot: number): void {
    this.#index.delete(this.#keys[slot]!);
    this.#keys[slot] = undefined;
    this.#contents[slot] = undefined;
    this.#deadlines[slot] = Number.POSITIVE_INFINITY;
    this.#setFlags(slot, 0);
    this.#weigh(slot, 0);
    this.#free.push(slot);
  }

  isState(slot: number): boolean {
    return (this.#flags[slot]! & STATE) !== 0;
  }

  stateAt(slot: number): KeyState {
    return this.#contents[slot] as KeyState;
  }

  /** `nextDeadline`: the earliest instant at which something on the key expires. */
  setState(slot: number, state: KeyState, nextDeadline: number): void {
    this.#contents[slot] = state;
    this.#setFlags(slot, state.hollow ? STATE | HOLLOW : STATE);
    if (this.#weights !== undefined)
      this.#weigh(slot, SLOT_BYTES + stringBytes(this.#keys[slot]!) + state.bytes);
    this.#deadlines[slot] = nextDeadline;
  }

  valueAt(slot: number): Value {
    return this.#contents[slot] as Value;
  }

  originAt(slot: number): number {
    return this.#origins[slot]!;
  }

  seqAt(slot: number): number {
    return this.#seqs[slot]!;
  }

  stampAt(slot: number): number {
    return this.#stamps[slot]!;
  }

  /** Of a plain value its deadline, of anything else the earliest on the key. */
  deadlineAt(slot: number): number {
    return this.#deadlines[slot]!;
  }

  contentHashAt(slot: number): number {
    return this.#contentHashes[slot]!;
  }

  loadedAt(slot: number): boolean {
    return (this.#flags[slot]! & LOADED) !== 0;
  }

  setValue(
    slot: number,
    value: Value,
    origin: number,
    seq: number,
    stamp: number,
    deadline: number,
    loaded: boolean,
    contentHash: number,
  ): void {
    this.#contents[slot] = value;
    this.#contentHashes[slot] = contentHash;
    this.#origins[slot] = origin;
    this.#seqs[slot] = seq;
    this.#stamps[slot] = stamp;
    this.#deadlines[slot] = deadline;
    this.#setFlags(slot, (loaded ? LOADED : 0) | (this.#flags[slot]! & USES));
    if (this.#weights !== undefined) {
      this.#weigh(slot, SLOT_BYTES + stringBytes(this.#keys[slot]!) + valueBytes(value));
    }
  }

  /** Notes a read, for eviction. */
  touch(slot: number): void {
    const flags = this.#flags[slot]!;
    if ((flags & USES) !== USES) this.#flags[slot] = flags + USE;
  }

  /** How often the slot was read since it was last asked, 0 to 3; forgets it. */
  takeUses(slot: number): number {
    const flags = this.#flags[slot]!;
    this.#flags[slot] = flags & ~USES;
    return (flags & USES) / USE;
  }

  /** As `takeUses`, but forgets one only. */
  takeUse(slot: number): number {
    const flags = this.#flags[slot]!;
    if ((flags & USES) !== 0) this.#flags[slot] = flags - USE;
    return (flags & USES) / USE;
  }

  /** Whether the expiry of what the slot holds was told already; forgotten with the next write. */
  expiryTold(slot: number): boolean {
    return (this.#flags[slot]! & EXPIRED) !== 0;
  }

  tellExpiry(slot: number): void {
    this.#flags[slot] = this.#flags[slot]! | EXPIRED;
  }

  keys(): MapIterator<string> {
    return this.#index.keys();
  }

  /** Occupied slots in the order of their buckets, and where each bucket begins in it. */
  slotsByBucket(): { slots: Uint32Array; starts: Uint32Array } {
    const range = this.end - this.first;
    const starts = new Uint32Array(range + 1);
    for (let slot = 0; slot < this.#used; slot++) {
      if (this.#keys[slot] !== undefined) starts[this.#buckets[slot]! - this.first + 1]!++;
    }
    for (let i = 1; i <= range; i++) starts[i] = starts[i]! + starts[i - 1]!;
    const next = starts.slice();
    const slots = new Uint32Array(this.#index.size);
    for (let slot = 0; slot < this.#used; slot++) {
      if (this.#keys[slot] !== undefined) slots[next[this.#buckets[slot]! - this.first]!++] = slot;
    }
    return { slots, starts };
  }

  /** Slots with a plain value of an origin, seq up to `upTo`, deadline within `[from, to]`. */
  plainWithin(origin: number, upTo: number, from: number, to: number): number[] {
    const found: number[] = [];
    const deadlines = this.#deadlines;
    for (let slot = 0; slot < this.#used; slot++) {
      const deadline = deadlines[slot]!;
      if (deadline < from || deadline > to) continue;
      if (this.#keys[slot] === undefined || this.isState(slot)) continue;
      if (this.#origins[slot] === origin && this.#seqs[slot]! <= upTo) found.push(slot);
    }
    return found;
  }

  /** Keys of one bucket. */
  keysOfBucket(bucket: number): string[] {
    const keys: string[] = [];
    const buckets = this.#buckets;
    for (let slot = 0; slot < this.#used; slot++) {
      if (buckets[slot] !== bucket) continue;
      const key = this.#keys[slot];
      if (key !== undefined) keys.push(key);
    }
    return keys;
  }

  /** The same contents in arrays of the right size, after most of them went. */
  compacted(): Shard {
    const compact = new Shard(this.first, this.end, this.#weights !== undefined);
    for (let slot = 0; slot < this.#used; slot++) {
      const key = this.#keys[slot];
      if (key !== undefined) compact.#take(this, slot, key, this.#buckets[slot]!);
    }
    return compact;
  }

  /** Two shards with the halves of this one's buckets and everything in them. */
  split(): [Shard, Shard] {
    const middle = (this.first + this.end) >> 1;
    const halves: [Shard, Shard] = [
      new Shard(this.first, middle, this.#weights !== undefined),
      new Shard(middle, this.end, this.#weights !== undefined),
    ];
    for (let slot = 0; slot < this.#used; slot++) {
      const key = this.#keys[slot];
      if (key === undefined) continue;
      const bucket = this.#buckets[slot]!;
      halves[bucket < middle ? 0 : 1].#take(this, slot, key, bucket);
    }
    return halves;
  }

  #take(from: Shard, slot: number, key: string, bucket: number): void {
    const to = this.allocate(key, bucket);
    this.#contents[to] = from.#contents[slot];
    this.#setFlags(to, from.#flags[slot]!);
    this.#origins[to] = from.#origins[slot]!;
    this.#seqs[to] = from.#seqs[slot]!;
    this.#stamps[to] = from.#stamps[slot]!;
    this.#deadlines[to] = from.#deadlines[slot]!;
    this.#contentHashes[to] = from.#contentHashes[slot]!;
    if (from.#weights !== undefined) this.#weigh(to, from.#weights[slot]!);
  }

  #setFlags(slot: number, flags: number): void {
    const before = this.#flags[slot]!;
    if (((before ^ flags) & HOLLOW) !== 0) this.#hollow += (flags & HOLLOW) === 0 ? -1 : 1;
    this.#flags[slot] = flags;
  }

  #weigh(slot: number, bytes: number): void {
    if (this.#weights === undefined) return;
    this.#bytes += bytes - this.#weights[slot]!;
    this.#weights[slot] = bytes;
  }

  #grow(): void {
    this.#capacity *= 2;
    if (this.#weights !== undefined) this.#weights = grown(this.#weights, new Uint32Array(this.#capacity));
    this.#flags = grown(this.#flags, new Uint8Array(this.#capacity));
    this.#buckets = grown(this.#buckets, new Uint16Array(this.#capacity));
    this.#origins = grown(this.#origins, new Uint32Array(this.#capacity));
    this.#seqs = grown(this.#seqs, new Float64Array(this.#capacity));
    this.#stamps = grown(this.#stamps, new Float64Array(this.#capacity));
    this.#deadlines = grown(this.#deadlines, new Float64Array(this.#capacity));
    this.#contentHashes = grown(this.#contentHashes, new Int32Array(this.#capacity));
  }
}

function grown<A extends { set(from: A): void }>(from: A, to: A): A {
  to.set(from);
  return to;
}

/** A plain value's slot as the entry it stands for. */
export function plainEntry(shard: Shard, slot: number): ValueEntry {
  return {
    kind: "value",
    origin: shard.originAt(slot),
    seq: shard.seqAt(slot),
    stamp: shard.stampAt(slot),
    value: shard.valueAt(slot),
    deadline: shard.deadlineAt(slot),
    loaded: shard.loadedAt(slot),
  };
}
