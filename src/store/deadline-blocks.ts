/**
 * What is known of all deadlines in little memory, so that looking for what expires reads few of them: of every 64
 * slots the earliest, and of each slot, in two bytes, in which 16 milliseconds its deadline lies, of a quarter of an
 * hour after which they begin anew. Neither is an index: both say where it may be, and nothing can make them miss it.
 */
const BITS = 6;
const SLOTS = 2 ** BITS;
/** Milliseconds that are told apart, and how many such units there are. */
const UNIT = 16;
const UNITS = 65_536;

export class DeadlineBlocks {
  /** Slots in a block, which begins at a multiple of it. */
  static readonly slots = SLOTS;
  #earliest: Float64Array;
  #units: Uint16Array;

  constructor(capacity: number) {
    this.#earliest = new Float64Array(Math.ceil(capacity / SLOTS)).fill(Number.POSITIVE_INFINITY);
    this.#units = new Uint16Array(capacity);
  }

  /** A slot has this deadline from now on. */
  note(slot: number, deadline: number): void {
    const block = slot >> BITS;
    if (deadline < this.#earliest[block]!) this.#earliest[block] = deadline;
    this.#units[slot] = deadline / UNIT;
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

  /** Slots below `end` whose deadline may lie within `[from, to]`. */
  within(end: number, from: number, to: number): number[] {
    const slots: number[] = [];
    const first = Math.floor(from / UNIT);
    const begin = first & (UNITS - 1);
    const width = Math.floor(to / UNIT) - first;
    // Such a range begins anew before it ends.
    const wide = !(width < UNITS);
    const units = this.#units;
    const earliest = this.#earliest;
    for (let block = 0; block < end; block += SLOTS) {
      if (!(earliest[block >> BITS]! <= to)) continue;
      const last = Math.min(block + SLOTS, end);
      for (let slot = block; slot < last; slot++) {
        if (wide || ((units[slot]! - begin) & (UNITS - 1)) <= width) slots.push(slot);
      }
    }
    return slots;
  }

  grow(capacity: number): void {
    const earliest = new Float64Array(Math.ceil(capacity / SLOTS)).fill(Number.POSITIVE_INFINITY);
    earliest.set(this.#earliest);
    this.#earliest = earliest;
    const units = new Uint16Array(capacity);
    units.set(this.#units);
    this.#units = units;
  }
}
