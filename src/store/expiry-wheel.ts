/**
 * Which slots of a shard expire when: a ring of buckets of 128 ms, lazily kept. A slot is listed in the
 * bucket of its deadline or an earlier one, so that moving a deadline further away, which is what every
 * write with a time to live does, costs nothing; when a bucket's time comes, what has moved is listed
 * anew. Deadlines beyond the ring wait at its far end. (Varghese and Lauck, 1987, with lazy refresh.)
 */

/** Width of a bucket, milliseconds. */
export const BUCKET_MS = 128;
const RING = 1024;
/** How far ahead of now a slot is listed at most, and how long after its deadline it can still be found there. */
const REACH = RING / 2 - 2;
const NOWHERE = -1;
const OVERDUE = -2;

/** What the wheel asks of its shard. */
export interface Deadlines {
  /** `Infinity` for a free slot, too. */
  deadlineAt(slot: number): number;
}

export class ExpiryWheel {
  readonly #deadlines: Deadlines;
  #ring: number[][] | undefined;
  /** By slot: the bucket it is listed in. */
  #listed = new Int32Array(0);
  /** Expired so long ago that the ring has come round. */
  #overdue: number[] = [];
  /** The bucket of now: those before it have passed. */
  #current = 0;
  /** Position within the bucket that is being passed, when it takes more than one step. */
  #position = 0;

  readonly #now: () => number;

  /** `now`: fleet time, milliseconds since 1970; asked once, when the first deadline comes. */
  constructor(deadlines: Deadlines, now: () => number) {
    this.#deadlines = deadlines;
    this.#now = now;
  }

  /** Slots that expired long ago and were not removed yet. */
  get overdue(): readonly number[] {
    return this.#ring === undefined ? this.#overdue : this.#overdueSlots();
  }

  /** Lists a slot whose deadline was set; it is found there whatever happens to the slot meanwhile. */
  place(slot: number, deadline: number): void {
    if (deadline === Number.POSITIVE_INFINITY) return;
    if (this.#ring === undefined) this.#open();
    if (slot >= this.#listed.length) this.#grow(slot);
    const bucket = Math.min(bucketOf(deadline), this.#current + REACH);
    const listed = this.#listed[slot]!;
    if (listed === bucket || (listed >= this.#current && listed <= bucket)) return;
    if (listed === OVERDUE && bucket <= this.#current - REACH) return;
    this.#list(slot, bucket);
  }

  /**
   * Moves on to `now`, visiting up to `budget` slots; `expired` is called for each whose deadline has come.
   * Returns what is left of the budget; less than 1: there is more to do.
   */
  advance(now: number, budget: number, expired: (slot: number) => void): number {
    if (this.#ring === undefined) return budget;
    const target = bucketOf(now);
    let left = budget;
    while (this.#current < target && left > 0) {
      const bucket = this.#current;
      const slots = this.#ring[bucket % RING]!;
      // What is relisted here must not come back into the bucket that is being passed.
      const end = Math.min(slots.length, this.#position + left);
      let kept = this.#position;
      this.#current = bucket + 1;
      for (let i = this.#position; i < end; i++) {
        const slot = slots[i]!;
        if (this.#visit(slot, bucket)) {
          slots[kept++] = slot;
          expired(slot);
        }
      }
      left -= end - this.#position + 1;
      if (end < slots.length) {
        // More than the budget: go on here next time.
        slots.copyWithin(kept, end);
        slots.length -= end - kept;
        this.#position = kept;
        this.#current = bucket;
        return 0;
      }
      slots.length = kept;
      this.#position = 0;
      this.#retire(bucket - REACH);
    }
    return left;
  }

  /** Whether every deadline within `[from, to]` has passed and is still in the ring or overdue. */
  covers(to: number): boolean {
    return this.#ring === undefined || bucketOf(to) < this.#current;
  }

  /** Slots with a deadline within `[from, to]`; only exact where `covers(to)`. */
  within(from: number, to: number): number[] {
    if (this.#ring === undefined) return [];
    const found: number[] = [];
    const first = Math.max(bucketOf(from), this.#current - REACH);
    for (let bucket = first; bucket <= bucketOf(to); bucket++) {
      const slots = this.#ring[bucket % RING]!;
      let kept = 0;
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        if (!this.#visit(slot, bucket)) continue;
        slots[kept++] = slot;
        found.push(slot);
      }
      slots.length = kept;
    }
    if (bucketOf(from) <= this.#current - REACH) found.push(...this.#overdueSlots());
    return found;
  }

  /** Whether a slot in a passed bucket still belongs there; if not it is listed where it does. */
  #visit(slot: number, bucket: number): boolean {
    if (this.#listed[slot] !== bucket) return false;
    const deadline = this.#deadlines.deadlineAt(slot);
    if (deadline === Number.POSITIVE_INFINITY) {
      this.#listed[slot] = NOWHERE;
      return false;
    }
    const actual = Math.min(bucketOf(deadline), this.#current + REACH);
    if (actual === bucket) return true;
    this.#list(slot, actual);
    return false;
  }

  #list(slot: number, bucket: number): void {
    if (bucket <= this.#current - REACH) {
      this.#listed[slot] = OVERDUE;
      this.#overdue.push(slot);
      return;
    }
    this.#listed[slot] = bucket;
    this.#ring![bucket % RING]!.push(slot);
  }

  /** Makes room in the ring: what is still listed in an old bucket becomes overdue. */
  #retire(bucket: number): void {
    const slots = this.#ring![((bucket % RING) + RING) % RING]!;
    for (const slot of slots) {
      if (this.#listed[slot] !== bucket) continue;
      this.#listed[slot] = OVERDUE;
      this.#overdue.push(slot);
    }
    slots.length = 0;
  }

  #overdueSlots(): number[] {
    this.#overdue = this.#overdue.filter((slot) => {
      if (this.#listed[slot] !== OVERDUE) return false;
      const deadline = this.#deadlines.deadlineAt(slot);
      if (deadline === Number.POSITIVE_INFINITY) this.#listed[slot] = NOWHERE;
      else if (bucketOf(deadline) > this.#current - REACH)
        this.#list(slot, Math.min(bucketOf(deadline), this.#current + REACH));
      return this.#listed[slot] === OVERDUE;
    });
    return this.#overdue;
  }

  #open(): void {
    this.#ring = Array.from({ length: RING }, () => []);
    this.#current = bucketOf(this.#now());
  }

  #grow(slot: number): void {
    const larger = new Int32Array(Math.max(64, 2 * (slot + 1))).fill(NOWHERE);
    larger.set(this.#listed);
    this.#listed = larger;
  }
}

/** Milliseconds are counted from 2020, so that a bucket number is a small integer. */
const EPOCH_MS = Date.UTC(2020, 0, 1);

function bucketOf(time: number): number {
  return Math.floor((time - EPOCH_MS) / BUCKET_MS);
}
