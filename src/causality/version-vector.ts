/**
 * A version vector: per origin the highest sequence number up to which every event was applied. Because
 * events of one origin are applied in order and without holes, it is at once the high-water mark, the
 * causal context and the duplicate filter (Parker et al., 1983; "dotted" use as in riak_dt).
 */
import type { Origins } from "./origins.ts";

/** Rows by origin index; a missing row is 0. */
export class VersionVector {
  readonly #rows: number[];

  constructor(rows: readonly number[] = []) {
    this.#rows = rows.slice();
  }

  get(origin: number): number {
    return origin < this.#rows.length ? this.#rows[origin]! : 0;
  }

  set(origin: number, seq: number): void {
    while (this.#rows.length <= origin) this.#rows.push(0);
    this.#rows[origin] = seq;
  }

  /** Raises one row; a lower `seq` changes nothing. */
  raise(origin: number, seq: number): void {
    if (seq > this.get(origin)) this.set(origin, seq);
  }

  /** Raises every row to at least that of `other`: the union of what both stand for. */
  merge(other: VersionVector): void {
    for (let origin = 0; origin < other.#rows.length; origin++) this.raise(origin, other.#rows[origin]!);
  }

  covers(origin: number, seq: number): boolean {
    return seq <= this.get(origin);
  }

  /** Whether everything `other` stands for is in this one too. */
  includes(other: VersionVector): boolean {
    for (let origin = 0; origin < other.#rows.length; origin++) {
      if (other.#rows[origin]! > this.get(origin)) return false;
    }
    return true;
  }

  copy(): VersionVector {
    return new VersionVector(this.#rows);
  }

  /** Number of events it stands for. */
  total(): number {
    let sum = 0;
    for (const seq of this.#rows) sum += seq;
    return sum;
  }

  /** Rows that are not 0, as `[origin, seq]`. */
  *entries(): Generator<[origin: number, seq: number]> {
    for (let origin = 0; origin < this.#rows.length; origin++) {
      const seq = this.#rows[origin]!;
      if (seq > 0) yield [origin, seq];
    }
  }

  /** 16 hexadecimal digits; equal on two hosts exactly when (but for hash collisions) the rows are. */
  hash(origins: Origins): string {
    let low = 0;
    let high = 0;
    for (let origin = 0; origin < this.#rows.length; origin++) {
      const seq = this.#rows[origin]!;
      if (seq === 0) continue;
      const seqHigh = Math.floor(seq / 0x100000000);
      low ^= mix(origins.hash(origin), seq | 0, seqHigh, 0x9e3779b1);
      high ^= mix(origins.hash(origin), seq | 0, seqHigh, 0x85ebca77);
    }
    return hex32(high) + hex32(low);
  }
}

function mix(originHash: number, seqLow: number, seqHigh: number, salt: number): number {
  let hash = Math.imul(originHash ^ salt, 0xcc9e2d51);
  hash = Math.imul(hash ^ (hash >>> 15) ^ seqLow, 0x1b873593);
  hash = Math.imul(hash ^ (hash >>> 13) ^ seqHigh, 0x85ebca6b);
  return hash ^ (hash >>> 16);
}

/** A 32-bit integer as 8 hexadecimal digits. */
export function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
