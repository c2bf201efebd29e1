/**
 * Keys with more than one plain value whose values have deadlines of their own, found by deadline: a sweep
 * names values by their own deadline, which a mark may long have overruled.
 */
import type { KeyState } from "../crdt/key-state.ts";

/** Much less than what a sweep names, so that few keys are looked at beside those that it may name. */
const BUCKET_MS = 256;
const NEVER = Number.POSITIVE_INFINITY;

export class TimedStates {
  readonly #keys = new Map<number, Set<string>>();
  readonly #buckets = new Map<string, readonly number[]>();

  /** Notes what a key holds now; `undefined`: one plain value, or nothing. */
  update(key: string, state: KeyState | undefined): void {
    const before = this.#buckets.get(key);
    const after: number[] = [];
    for (const { deadline } of state?.values ?? []) if (deadline !== NEVER) after.push(bucketOf(deadline));
    if (before === undefined && after.length === 0) return;
    for (const bucket of before ?? []) this.#drop(bucket, key);
    if (after.length === 0) {
      this.#buckets.delete(key);
      return;
    }
    this.#buckets.set(key, after);
    for (const bucket of after) {
      const keys = this.#keys.get(bucket);
      if (keys === undefined) this.#keys.set(bucket, new Set([key]));
      else keys.add(key);
    }
  }

  /** Keys that may hold a value with an own deadline within `[from, to]`. */
  within(from: number, to: number): Set<string> {
    const found = new Set<string>();
    for (const bucket of this.#bucketsWithin(from, to)) {
      for (const key of this.#keys.get(bucket)!) found.add(key);
    }
    return found;
  }

  /** The end, at most `to`, of a time from `from` on for which `within` finds at most `most` keys; none: before `from`. */
  endOf(from: number, to: number, most: number): number {
    let found = 0;
    for (const bucket of this.#bucketsWithin(from, to).sort((left, right) => left - right)) {
      found += this.#keys.get(bucket)!.size;
      if (found > most) return Math.min(to, bucket * BUCKET_MS - 1);
    }
    return to;
  }

  #bucketsWithin(from: number, to: number): number[] {
    const first = bucketOf(from);
    const last = bucketOf(to);
    const isWithin = (bucket: number): boolean => bucket >= first && bucket <= last;
    if (!(last - first < this.#keys.size)) return [...this.#keys.keys()].filter(isWithin);
    const buckets: number[] = [];
    for (let bucket = first; bucket <= last; bucket++) if (this.#keys.has(bucket)) buckets.push(bucket);
    return buckets;
  }

  #drop(bucket: number, key: string): void {
    const keys = this.#keys.get(bucket);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(bucket);
  }
}

function bucketOf(deadline: number): number {
  return Math.floor(deadline / BUCKET_MS);
}
