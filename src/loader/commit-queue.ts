/**
 * Which keys to commit, and when: pure policy, driven by a clock from outside. A key is dirty from its first
 * update until the upstream has its newest value. Updates of a dirty key coalesce: the newest value, by the
 * earliest deadline, so that the strictest wish wins. One commit per key is under way at a time, which keeps
 * the order of a key's values.
 */
import type { Mutation } from "./upstream.ts";

/** A caller of `commit: "now"`. */
export interface CommitWaiter {
  resolve(): void;
  reject(error: unknown): void;
}

export interface DirtyKey {
  readonly key: string;
  /** The newest. */
  mutation: Mutation;
  /** Monotonic milliseconds when its commit begins at the latest. */
  dueAt: number;
  /** Since when it is dirty. */
  since: number;
  /** Not before this, after a failure. */
  notBefore: number;
  /** Not before this, while nobody waits for it and the hosts stay the same: others come first. */
  turnAt: number;
  failures: number;
  /** Batches with it failed for a reason of one key's: it travels by itself. */
  alone: boolean;
  /** What is under way, `undefined` when nothing is. */
  sent: Mutation | undefined;
  waiters: CommitWaiter[];
  /** Those of the waiters whose value is in what is under way. */
  sentWaiters: number;
}

export class CommitQueue {
  readonly #dirty = new Map<string, DirtyKey>();
  /** When the next look for keys that are due is worth while. */
  #wake = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#dirty.size;
  }

  get(key: string): DirtyKey | undefined {
    return this.#dirty.get(key);
  }

  keys(): string[] {
    return [...this.#dirty.keys()];
  }

  /** When the oldest became dirty. */
  oldest(): number | undefined {
    for (const dirty of this.#dirty.values()) return dirty.since;
    return undefined;
  }

  put(mutation: Mutation, dueAt: number, now: number, waiter?: CommitWaiter): void {
    const { key } = mutation;
    let dirty = this.#dirty.get(key);
    if (dirty === undefined) {
      dirty = {
        key,
        mutation,
        dueAt,
        since: now,
        notBefore: 0,
        turnAt: 0,
        failures: 0,
        alone: false,
        sent: undefined,
        waiters: [],
        sentWaiters: 0,
      };
      this.#dirty.set(key, dirty);
    } else {
      dirty.mutation = mutation;
      dirty.dueAt = Math.min(dirty.dueAt, dueAt);
    }
    if (waiter !== undefined) dirty.waiters.push(waiter);
    this.#wake = Math.min(this.#wake, Math.max(dirty.dueAt, dirty.notBefore));
  }

  /**
   * Takes keys that are due, at most so many, and marks them as under way; the earliest dirty first. `turn`
   * says from when on one may go that is due and that nobody waits for.
   */
  take(now: number, most: number, turn: (dirty: DirtyKey) => number = () => 0): DirtyKey[] {
    if (now < this.#wake) return [];
    const taken: DirtyKey[] = [];
    let wake = Number.POSITIVE_INFINITY;
    for (const dirty of this.#dirty.values()) {
      if (dirty.sent !== undefined) continue;
      if (taken.length === most) {
        wake = now;
        break;
      }
      const turnAt = dirty.waiters.length > 0 ? 0 : dirty.turnAt;
      const at = Math.max(dirty.dueAt, dirty.notBefore, turnAt);
      const fits = taken.length === 0 || (!dirty.alone && !taken[0]!.alone);
      if (at > now || !fits) {
        wake = Math.min(wake, at);
        continue;
      }
      const mine = dirty.waiters.length > 0 ? now : turn(dirty);
      if (mine > now) {
        dirty.turnAt = mine;
        wake = Math.min(wake, mine);
        continue;
      }
      taken.push(dirty);
    }
    this.#wake = wake;
    for (const dirty of taken) {
      dirty.sent = dirty.mutation;
      dirty.sentWaiters = dirty.waiters.length;
      // What comes while this is under way sets its own deadline.
      dirty.dueAt = Number.POSITIVE_INFINITY;
    }
    return taken;
  }

  /** The upstream has what was under way. Answers the callers who waited for it. */
  committed(dirty: DirtyKey, now: number): CommitWaiter[] {
    const answered = dirty.waiters.splice(0, dirty.sentWaiters);
    const newer = dirty.mutation !== dirty.sent;
    // Somebody else may have committed it meanwhile, and an update made it dirty anew.
    const known = this.#dirty.get(dirty.key) === dirty;
    if (known) this.#dirty.delete(dirty.key);
    dirty.sent = undefined;
    dirty.sentWaiters = 0;
    dirty.failures = 0;
    dirty.alone = false;
    dirty.notBefore = 0;
    dirty.turnAt = 0;
    // A newer value without a deadline is one that nobody wants committed: with a failure it would have gone along.
    if (newer && known && dirty.dueAt < Number.POSITIVE_INFINITY) {
      dirty.since = now;
      this.#dirty.set(dirty.key, dirty);
      this.#wake = Math.min(this.#wake, dirty.dueAt);
    }
    return answered;
  }

  /** What was under way failed; it is tried again after `notBefore`, alone if it may be at fault. */
  failed(dirty: DirtyKey, notBefore: number, alone: boolean): void {
    dirty.sent = undefined;
    dirty.sentWaiters = 0;
    dirty.failures++;
    dirty.alone ||= alone;
    dirty.dueAt = Math.min(dirty.dueAt, notBefore);
    dirty.notBefore = notBefore;
    this.#wake = Math.min(this.#wake, notBefore);
  }

  /** The callers who wait for a key; they are answered by whoever takes them. */
  takeWaiters(dirty: DirtyKey): CommitWaiter[] {
    const waiters = dirty.waiters.splice(0, dirty.sentWaiters);
    dirty.sentWaiters = 0;
    return waiters;
  }

  /** The turns are to be found out anew. */
  forgetTurns(now: number): void {
    for (const dirty of this.#dirty.values()) dirty.turnAt = 0;
    this.#wake = Math.min(this.#wake, now);
  }

  /** Everything is due now, whatever failed before. */
  hasten(now: number): void {
    for (const dirty of this.#dirty.values()) {
      dirty.dueAt = Math.min(dirty.dueAt, now);
      dirty.notBefore = Math.min(dirty.notBefore, now);
      dirty.turnAt = 0;
    }
    this.#wake = Math.min(this.#wake, now);
  }

  /** Somebody else has committed it. Answers the callers who waited for it. */
  forget(key: string): CommitWaiter[] {
    const dirty = this.#dirty.get(key);
    this.#dirty.delete(key);
    return dirty?.waiters.splice(0) ?? [];
  }
}
