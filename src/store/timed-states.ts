/**
 * Keys with more than one plain value whose values have deadlines of their own, found by deadline: a sweep
 * names values by their own deadline, which a mark may long have overruled.
 */
import type { KeyState } from "../crdt/key-state.ts";

const BUCKET_MS = 8_192;
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
    for (const [bucket, keys] of this.#keys) {
      if (bucket >= bucketOf(from) && bucket <= bucketOf(to)) for (const key of keys) found.add(key);
    }
    return found;
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
