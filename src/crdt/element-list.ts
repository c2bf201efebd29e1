/**
 * The live elements of a list in their order: position, then fraction, then incarnation and seq, the same
 * on every host. A sorted array with a moving head, so that pushing and popping at both ends does not
 * move the rest.
 */
import type { Origins } from "../causality/origins.ts";
import type { ElementEntry } from "./entry.ts";

export class ElementList {
  readonly #origins: Origins;
  #items: (ElementEntry | undefined)[] = [];
  #head = 0;

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  at(index: number): ElementEntry | undefined {
    return index < 0 ? undefined : this.#items[this.#head + index];
  }

  insert(entry: ElementEntry): void {
    const index = this.#search(entry);
    if (index === this.#items.length) this.#items.push(entry);
    else if (index === this.#head) {
      if (this.#head === 0) this.#makeHeadroom();
      this.#items[--this.#head] = entry;
    } else this.#items.splice(index, 0, entry);
  }

  remove(entry: ElementEntry): void {
    const index = this.#search(entry);
    if (index === this.#items.length - 1) this.#items.pop();
    else if (index === this.#head) {
      this.#items[this.#head++] = undefined;
      this.#compact();
    } else this.#items.splice(index, 1);
  }

  /** Where `entry` stands or would stand. */
  #search(entry: ElementEntry): number {
    let low = this.#head;
    let high = this.#items.length;
    if (low < high && this.#compare(this.#items[high - 1]!, entry) < 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#items[middle]!, entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(left: ElementEntry, right: ElementEntry): number {
    if (left.position !== right.position) return left.position - right.position;
    if (left.fraction !== right.fraction) return left.fraction < right.fraction ? -1 : 1;
    if (left.origin !== right.origin) return this.#origins.compare(left.origin, right.origin);
    return left.seq - right.seq;
  }

  /** Room in front that grows with the list, so that a list filled from its head is not moved for each element. */
  #makeHeadroom(): void {
    const room = Math.max(16, this.length >>> 1);
    this.#items = [...new Array<undefined>(room).fill(undefined), ...this.#items];
    this.#head = room;
  }

  #compact(): void {
    if (this.#head < 64 || this.#head * 3 < this.#items.length * 2) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
