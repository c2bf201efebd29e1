/**
 * One owner of a range of buckets: an index from key to slot, and parallel arrays by slot. A key that
 * holds one plain value lives entirely in the arrays (about 70 bytes besides key and value, its share of the index included); anything else has
 * a `KeyState` in its slot. Shards exist because one table that grows past a million keys stops the event
 * loop while it does.
 */
import { BUCKETS, bucketOf, hashKey } from "../crdt/digest.ts";
import type { Value } from "../crdt/entry.ts";
import type { KeyState } from "../crdt/key-state.ts";
import { stringBytes, valueBytes } from "../crdt/values.ts";
import { DeadlineBlocks } from "./deadline-blocks.ts";
import { KeyIndex } from "./key-index.ts";

const LOADED = 1;
const STATE = 2;
const EXPIRED = 4;
/** A state that shows nothing at any time: closed counter segments, deadlines without anything to expire. */
const HOLLOW = 8;
/** How often the slot was read since eviction last looked, 0 to 3, in two bits. */
const USE = 16;
const USES = 48;
/** A plain value that is text: known without a look at the value, which would be a cache miss. */
const TEXT = 64;

/**
 * What a write touches of a slot lies together in half a cache line: three doubles, seq, stamp and deadline, and
 * two 32-bit words, the hash of a plain value's content (the digest needs it when the value goes), and above the
 * flags the origin.
 */
const DOUBLES = 4;
const STAMP = 1;
const DEADLINE = 2;
const WORDS = 2 * DOUBLES;
const CONTENT_HASH = 6;
const FLAGS = 7;
const FLAG_BITS = 8;

/**
 * What a slot costs in memory, in bytes: its part of the arrays, of which nine tenths are used, and of the index, of
 * which four tenths are. `npm run bench -- store memory` compares what is counted with what memory grows by.
 */
const SLOT_BYTES = 86;

const NEVER = Number.POSITIVE_INFINITY;
const FIRST_CAPACITY = 64;
/** Arrays grow by so much: three quarters of them are used at least, and copying them is quick. */
const GROWTH = 1.25;
/** Key hashes in a bucket. */
const BUCKET_HASHES = 2 ** 32 / BUCKETS;

/** What all shards of a store hold together. */
export interface Account {
  size: number;
  /** What all keys cost, in bytes; 0 where that is not counted. */
  bytes: number;
  /** Slots that hold something no reader will ever see. */
  hollow: number;
}

export class Shard {
  /** Buckets `[first, end)`. */
  readonly first: number;
  readonly end: number;
  readonly #account: Account;
  readonly #index: KeyIndex;
  #capacity: number;
  #used = 0;
  readonly #free: number[] = [];
  /** By turns the key and the content of a slot, which are mostly wanted together. */
  readonly #pairs: (string | Value | KeyState | undefined)[];
  #doubles: Float64Array;
  /** The same memory. */
  #words: Int32Array;
  #keyHashes: Int32Array;
  readonly #due: DeadlineBlocks;
  /** What each slot costs in bytes; only kept where bytes are counted. */
  #weights: Uint32Array | undefined;

  /** `weighs`: counts bytes. `capacity`: slots it has room for before it grows. */
  constructor(first: number, end: number, weighs: boolean, account: Account, capacity = FIRST_CAPACITY) {
    this.first = first;
    this.end = end;
    this.#account = account;
    this.#capacity = capacity;
    this.#pairs = new Array(2 * capacity).fill(undefined);
    this.#index = new KeyIndex(this, capacity, Math.log2(BUCKETS / (end - first)));
    this.#doubles = new Float64Array(DOUBLES * capacity);
    this.#words = new Int32Array(this.#doubles.buffer);
    this.#keyHashes = new Int32Array(capacity);
    this.#due = new DeadlineBlocks(capacity);
    if (weighs) this.#weights = new Uint32Array(capacity);
  }

  /** Slots allocated, used or not: what the arrays cost. */
  get capacity(): number {
    return this.#capacity;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Slots are numbered below this; some may be free. */
  get slots(): number {
    return this.#used;
  }

  /** The slot of a key, or -1. */
  find(key: string, keyHash: number = hashKey(key)): number {
    return this.#index.find(key, keyHash);
  }

  keyAt(slot: number): string | undefined {
    return this.#pairs[2 * slot] as string | undefined;
  }

  keyHashAt(slot: number): number {
    return this.#keyHashes[slot]!;
  }

  bucketAt(slot: number): number {
    return bucketOf(this.keyHashAt(slot));
  }

  /** A new slot for a key that has none; its content must be set at once. */
  allocate(key: string, keyHash: number): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.#capacity) this.#grow();
    this.#pairs[2 * slot] = key;
    this.#pairs[2 * slot + 1] = undefined;
    this.#keyHashes[slot] = keyHash;
    this.#words[WORDS * slot + FLAGS] = 0;
    this.#index.add(key, keyHash, slot);
    this.#account.size++;
    return slot;
  }

  release(slot: number): void {
    this.#index.delete(this.keyAt(slot)!, this.keyHashAt(slot), slot);
    this.#account.size--;
    this.#pairs[2 * slot] = undefined;
    this.#pairs[2 * slot + 1] = undefined;
    this.#doubles[DOUBLES * slot + DEADLINE] = NEVER;
    this.#setFlags(slot, 0);
    this.#weigh(slot, 0);
    this.#free.push(slot);
  }

  isState(slot: number): boolean {
    return (this.#flagsAt(slot) & STATE) !== 0;
  }

  /** Whether the slot holds a plain value that is text. */
  isText(slot: number): boolean {
    return (this.#flagsAt(slot) & TEXT) !== 0;
  }

  stateAt(slot: number): KeyState {
    return this.#pairs[2 * slot + 1] as KeyState;
  }

  /** `nextDeadline`: the earliest instant at which something on the key expires. */
  setState(slot: number, state: KeyState, nextDeadline: number): void {
    this.#pairs[2 * slot + 1] = state;
    this.#setFlags(slot, state.hollow ? STATE | HOLLOW : STATE);
    if (this.#weights !== undefined)
      this.#weigh(slot, SLOT_BYTES + stringBytes(this.keyAt(slot)!) + state.bytes);
    this.#setDeadline(slot, nextDeadline);
  }

  valueAt(slot: number): Value {
    return this.#pairs[2 * slot + 1] as Value;
  }

  originAt(slot: number): number {
    return this.#words[WORDS * slot + FLAGS]! >>> FLAG_BITS;
  }

  seqAt(slot: number): number {
    return this.#doubles[DOUBLES * slot]!;
  }

  stampAt(slot: number): number {
    return this.#doubles[DOUBLES * slot + STAMP]!;
  }

  /** Of a plain value its deadline, of anything else the earliest on the key. */
  deadlineAt(slot: number): number {
    return this.#doubles[DOUBLES * slot + DEADLINE]!;
  }

  contentHashAt(slot: number): number {
    return this.#words[WORDS * slot + CONTENT_HASH]!;
  }

  loadedAt(slot: number): boolean {
    return (this.#flagsAt(slot) & LOADED) !== 0;
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
    this.#pairs[2 * slot + 1] = value;
    const double = DOUBLES * slot;
    this.#doubles[double] = seq;
    this.#doubles[double + STAMP] = stamp;
    this.#setDeadline(slot, deadline);
    this.#words[WORDS * slot + CONTENT_HASH] = contentHash;
    const kind = (loaded ? LOADED : 0) | (typeof value === "string" ? TEXT : 0);
    this.#setFlags(slot, (origin << FLAG_BITS) | kind | (this.#flagsAt(slot) & USES));
    if (this.#weights !== undefined)
      this.#weigh(slot, SLOT_BYTES + stringBytes(this.keyAt(slot)!) + valueBytes(value));
  }

  /** Notes a read, for eviction. */
  touch(slot: number): void {
    const flags = this.#flagsAt(slot);
    if ((flags & USES) !== USES) this.#words[WORDS * slot + FLAGS] = flags + USE;
  }

  /** How often the slot was read since it was last asked, 0 to 3; forgets it. */
  takeUses(slot: number): number {
    const flags = this.#flagsAt(slot);
    this.#words[WORDS * slot + FLAGS] = flags & ~USES;
    return (flags & USES) / USE;
  }

  /** As `takeUses`, but forgets one only. */
  takeUse(slot: number): number {
    const flags = this.#flagsAt(slot);
    if ((flags & USES) !== 0) this.#words[WORDS * slot + FLAGS] = flags - USE;
    return (flags & USES) / USE;
  }

  /** Whether the expiry of what the slot holds was told already; forgotten with the next write. */
  expiryTold(slot: number): boolean {
    return (this.#flagsAt(slot) & EXPIRED) !== 0;
  }

  tellExpiry(slot: number): void {
    this.#words[WORDS * slot + FLAGS] = this.#flagsAt(slot) | EXPIRED;
  }

  keys(): string[] {
    const keys: string[] = [];
    for (let slot = 0; slot < this.#used; slot++) {
      const key = this.keyAt(slot);
      if (key !== undefined) keys.push(key);
    }
    return keys;
  }

  /** The first slot from `slot` on in whose block something expires by `time`; `slots` if there is none. */
  nextDue(slot: number, time: number): number {
    for (let from = slot; ; from += DeadlineBlocks.slots) {
      from = this.#due.nextDue(from, this.#used, time);
      if (from === this.#used || from % DeadlineBlocks.slots !== 0) return from;
      const earliest = this.#earliestFrom(from);
      this.#due.correct(from, earliest);
      if (earliest <= time) return from;
    }
  }

  /** The earliest deadline in the block that begins with a slot. */
  #earliestFrom(first: number): number {
    const end = Math.min(first + DeadlineBlocks.slots, this.#used);
    let earliest = NEVER;
    for (let slot = first; slot < end; slot++) earliest = Math.min(earliest, this.deadlineAt(slot));
    return earliest;
  }

  /** Slots with a plain value of an origin, seq up to `upTo`, deadline within `[from, to]`. */
  plainWithin(origin: number, upTo: number, from: number, to: number): number[] {
    return this.#due.within(this.#used, from, to).filter((slot) => {
      const deadline = this.deadlineAt(slot);
      if (deadline < from || deadline > to || this.keyAt(slot) === undefined || this.isState(slot))
        return false;
      return this.originAt(slot) === origin && this.seqAt(slot) <= upTo;
    });
  }

  /** Slots of one bucket. */
  slotsOf(bucket: number): number[] {
    const first = bucket * BUCKET_HASHES;
    return this.#index.within(first, first + BUCKET_HASHES - 1);
  }

  /** Keys of one bucket. */
  keysOf(bucket: number): string[] {
    return this.slotsOf(bucket).map((slot) => this.keyAt(slot)!);
  }

  /** The same contents in arrays of the right size, after most of them went. */
  compacted(): Shard {
    const compact = new Shard(
      this.first,
      this.end,
      this.#weights !== undefined,
      this.#leave(),
      roomFor(this.size),
    );
    for (let slot = 0; slot < this.#used; slot++) compact.#take(this, slot);
    return compact;
  }

  /** Two shards with the halves of this one's buckets and everything in them. */
  split(): [Shard, Shard] {
    const middle = (this.first + this.end) >> 1;
    const account = this.#leave();
    const room = roomFor(this.size / 2);
    const halves: [Shard, Shard] = [
      new Shard(this.first, middle, this.#weights !== undefined, account, room),
      new Shard(middle, this.end, this.#weights !== undefined, account, room),
    ];
    for (let slot = 0; slot < this.#used; slot++)
      halves[this.bucketAt(slot) < middle ? 0 : 1].#take(this, slot);
    return halves;
  }

  /** Takes what is here out of the account, before others take it over. */
  #leave(): Account {
    this.#account.size -= this.size;
    for (let slot = 0; slot < this.#used; slot++) {
      if ((this.#flagsAt(slot) & HOLLOW) !== 0) this.#account.hollow--;
      this.#account.bytes -= this.#weights?.[slot] ?? 0;
    }
    return this.#account;
  }

  #take(from: Shard, slot: number): void {
    const key = from.keyAt(slot);
    if (key === undefined) return;
    const to = this.allocate(key, from.keyHashAt(slot));
    this.#pairs[2 * to + 1] = from.#pairs[2 * slot + 1];
    this.#setFlags(to, from.#flagsAt(slot));
    for (let i = 0; i < FLAGS; i++) this.#words[WORDS * to + i] = from.#words[WORDS * slot + i]!;
    this.#setDeadline(to, from.deadlineAt(slot));
    this.#weigh(to, from.#weights?.[slot] ?? 0);
  }

  #setDeadline(slot: number, deadline: number): void {
    this.#doubles[DOUBLES * slot + DEADLINE] = deadline;
    this.#due.note(slot, deadline);
  }

  /** The flags and, above them, the origin. */
  #flagsAt(slot: number): number {
    return this.#words[WORDS * slot + FLAGS]!;
  }

  #setFlags(slot: number, flags: number): void {
    const before = this.#flagsAt(slot);
    if (((before ^ flags) & HOLLOW) !== 0) this.#account.hollow += (flags & HOLLOW) === 0 ? -1 : 1;
    this.#words[WORDS * slot + FLAGS] = flags;
  }

  #weigh(slot: number, bytes: number): void {
    if (this.#weights === undefined) return;
    this.#account.bytes += bytes - this.#weights[slot]!;
    this.#weights[slot] = bytes;
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * GROWTH);
    this.#doubles = grown(this.#doubles, new Float64Array(DOUBLES * this.#capacity));
    this.#words = new Int32Array(this.#doubles.buffer);
    this.#keyHashes = grown(this.#keyHashes, new Int32Array(this.#capacity));
    this.#due.grow(this.#capacity);
    if (this.#weights !== undefined) this.#weights = grown(this.#weights, new Uint32Array(this.#capacity));
  }
}

/** Slots for so many keys that may become some more. */
function roomFor(keys: number): number {
  return Math.max(FIRST_CAPACITY, Math.ceil(keys * GROWTH));
}

function grown<A extends { set(from: A): void }>(from: A, to: A): A {
  to.set(from);
  return to;
}
