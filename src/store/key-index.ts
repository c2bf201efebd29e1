/**
 * From a key to its slot: open addressing with linear probing (Knuth 6.4, algorithms L and R). A look-up among
 * more keys than fit the caches costs what it misses, and here that is one line of the table and the key itself,
 * where a Map also walks a chain and looks at every key on it. Cells lie in the order of the hashes, so that a
 * bucket of the digest is a short run of them.
 *
 * The hash is the one that digests need anyhow. It is no secret, so somebody may choose keys that collide: what
 * finds no place near its own goes to a Map, whose hash is seeded.
 */
import { bucketOf } from "../crdt/digest.ts";

/** A key lies at most so far from its place. */
const MAX_PROBES = 64;
/** A cell is the low half of the hash and, in its own low half, the slot plus one; 0 is an empty one. */
const SLOT_MASK = 0xffff;
const MAX_SLOT = SLOT_MASK - 1;
const HASH_BITS = 32;

/** The keys by slot, as the owner of an index keeps them. */
export interface SlotKeys {
  keyAt(slot: number): string | undefined;
  keyHashAt(slot: number): number;
}

export class KeyIndex {
  readonly #keys: SlotKeys;
  readonly #prefixBits: number;
  #cells: Int32Array;
  #bits: number;
  #inCells = 0;
  readonly #overflow = new Map<string, number>();
  /** The slots of those, by bucket: there may be as many as there are keys, and most buckets have none. */
  readonly #overflowing = new Map<number, Set<number>>();

  /** `capacity`: keys it has room for before it grows. `prefixBits`: that all hashes begin with alike. */
  constructor(keys: SlotKeys, capacity: number, prefixBits: number) {
    this.#keys = keys;
    this.#prefixBits = prefixBits;
    this.#bits = 1 + Math.ceil(Math.log2(Math.max(capacity, MAX_PROBES)));
    this.#cells = new Int32Array(2 ** this.#bits);
  }

  get size(): number {
    return this.#inCells + this.#overflow.size;
  }

  /** The slot of a key, or -1. */
  find(key: string, hash: number): number {
    const cells = this.#cells;
    const last = cells.length - 1;
    let cell = this.#home(hash);
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const found = cells[cell]!;
      if (found === 0) break;
      const slot = (found & SLOT_MASK) - 1;
      if (isOf(found, hash) && this.#keys.keyAt(slot) === key) return slot;
      cell = (cell + 1) & last;
    }
    return this.#overflow.size === 0 ? -1 : (this.#overflow.get(key) ?? -1);
  }

  /** Takes in a key that is not there, and that the owner keeps in the slot already. */
  add(key: string, hash: number, slot: number): void {
    if (this.#inCells * 8 >= this.#cells.length * 5) this.#grow();
    this.#place(key, hash, slot);
  }

  /** Takes out a key that is there, and that the owner still keeps in the slot. */
  delete(key: string, hash: number, slot: number): void {
    if (this.#overflow.size > 0 && this.#overflow.delete(key)) {
      const slots = this.#overflowing.get(bucketOf(hash))!;
      slots.delete(slot);
      if (slots.size === 0) this.#overflowing.delete(bucketOf(hash));
      return;
    }
    const cells = this.#cells;
    const last = cells.length - 1;
    let hole = this.#home(hash);
    while ((cells[hole]! & SLOT_MASK) !== slot + 1) hole = (hole + 1) & last;
    // Those behind the hole move up, unless that would put them before their place.
    for (let cell = (hole + 1) & last; cells[cell] !== 0; cell = (cell + 1) & last) {
      const home = this.#home(this.#keys.keyHashAt((cells[cell]! & SLOT_MASK) - 1));
      if (((cell - home) & last) < ((cell - hole) & last)) continue;
      cells[hole] = cells[cell]!;
      hole = cell;
    }
    cells[hole] = 0;
    this.#inCells--;
  }

  /** Slots of the keys whose hashes, as unsigned numbers, lie within `[from, to]`, in no order. */
  within(from: number, to: number): number[] {
    const slots: number[] = [];
    const cells = this.#cells;
    const last = cells.length - 1;
    const run = this.#home(to) - this.#home(from);
    for (let i = 0, cell = this.#home(from); i < run + MAX_PROBES; i++, cell = (cell + 1) & last) {
      const found = cells[cell]!;
      if (found === 0) {
        if (i >= run) break;
        continue;
      }
      const slot = (found & SLOT_MASK) - 1;
      if (this.#isWithin(slot, from, to)) slots.push(slot);
    }
    if (this.#overflow.size === 0) return slots;
    for (let bucket = bucketOf(from); bucket <= bucketOf(to); bucket++) {
      for (const slot of this.#overflowing.get(bucket) ?? [])
        if (this.#isWithin(slot, from, to)) slots.push(slot);
    }
    return slots;
  }

  #isWithin(slot: number, from: number, to: number): boolean {
    const hash = this.#keys.keyHashAt(slot) >>> 0;
    return hash >= from && hash <= to;
  }

  #home(hash: number): number {
    return (hash << this.#prefixBits) >>> (HASH_BITS - this.#bits);
  }

  #place(key: string, hash: number, slot: number): void {
    const cells = this.#cells;
    const last = cells.length - 1;
    let cell = this.#home(hash);
    for (let probes = 0; probes < MAX_PROBES && slot <= MAX_SLOT; probes++) {
      if (cells[cell] === 0) {
        cells[cell] = (hash << 16) | (slot + 1);
        this.#inCells++;
        return;
      }
      cell = (cell + 1) & last;
    }
    this.#overflow.set(key, slot);
    const slots = this.#overflowing.get(bucketOf(hash));
    if (slots === undefined) this.#overflowing.set(bucketOf(hash), new Set([slot]));
    else slots.add(slot);
  }

  #grow(): void {
    const old = this.#cells;
    this.#bits++;
    this.#cells = new Int32Array(2 * old.length);
    this.#inCells = 0;
    for (const cell of old) {
      if (cell === 0) continue;
      const slot = (cell & SLOT_MASK) - 1;
      this.#place(this.#keys.keyAt(slot)!, this.#keys.keyHashAt(slot), slot);
    }
  }
}

function isOf(cell: number, hash: number): boolean {
  return cell >>> 16 === (hash & 0xffff);
}
