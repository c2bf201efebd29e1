/**
 * The earliest deadline of every 64 slots, so that looking for what expires reads one number instead of 64 where
 * there is nothing. It is a bound and not an index: what goes may leave it too early, which costs a look, and
 * nothing can make it too late.
 */
const BITS = 6;
const SLOTS = 2 ** BITS;

export class DeadlineBlocks {
  /** Slots in a block, which begins at a multiple of it. */
  static readonly slots = SLOTS;
  #earliest: Float64Array;

  constructor(capacity: number) {
    this.#earliest = new Float64Array(Math.ceil(capacity / SLOTS)).fill(Number.POSITIVE_INFINITY);
  }

  /** A slot has this deadline from now on. */
  note(slot: number, deadline: number): void {
    const block = slot >> BITS;
    if (deadline < this.#earliest[block]!) this.#earliest[block] = deadline;
  }

  /** All slots of a block were looked at, and this is the earliest of their deadlines. */
  correct(slot: number, earliest: number): void {
    this.#earliest[slot >> BITS] = earliest;
  }

  /** The first slot from `slot` on in whose block something may expire by `time`; `end` if there is none. */
  nextDue(slot: number, end: number, time: number): number {
    for (let at = slot; at < end; at = (at | (SLOTS - 1)) + 1) {
      if (this.#earliest[at >> BITS]! <= time) return at;
    }
    return end;
  }

  grow(capacity: number): void {
    const grown = new Float64Array(Math.ceil(capacity / SLOTS)).fill(Number.POSITIVE_INFINITY);
    grown.set(this.#earliest);
    this.#earliest = grown;
  }
}
