/**
 * Hybrid logical clock (Kulkarni et al., 2014) in one JavaScript number: milliseconds since 2020 times
 * 4,096 plus a counter, exact below 2^53 until the year 2089. It only breaks ties between concurrent
 * writes and orders concurrent list pushes; causality is the business of dots.
 */

const EPOCH_MS = Date.UTC(2020, 0, 1);
const TICKS_PER_MS = 4096;

/** How far in the future a received stamp may pull our clock, in milliseconds. */
export const MAX_SKEW_MS = 5_000;

/** The clock of one host. Stamps are never refused: a per-host refusal would make hosts diverge. */
export class HybridLogicalClock {
  readonly #now: () => number;
  #last = 0;
  #futureStamps = 0;

  /** `now` gives wall-clock milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A stamp for a new event, greater than every stamp given before. */
  tick(): number {
    const physical = Math.max(0, this.#now() - EPOCH_MS) * TICKS_PER_MS;
    this.#last = physical > this.#last ? Math.floor(physical) : this.#last + 1;
    return this.#last;
  }

  /** Takes note of a received stamp, so that our next one is greater, unless it lies too far ahead. */
  observe(stamp: number): void {
    if (stamp <= this.#last) return;
    const limit = Math.max(0, this.#now() - EPOCH_MS + MAX_SKEW_MS) * TICKS_PER_MS;
    if (stamp <= limit) this.#last = stamp;
    else {
      this.#futureStamps++;
      this.#last = Math.max(this.#last, Math.floor(limit));
    }
  }

  /** The last stamp given or noted. */
  get last(): number {
    return this.#last;
  }

  /** Leaves room after the last stamp: the next one is greater by more than `ticks`. */
  leap(ticks: number): void {
    this.#last += ticks;
  }

  /** How many received stamps lay more than `MAX_SKEW_MS` ahead of our clock. */
  get futureStamps(): number {
    return this.#futureStamps;
  }
}

/** Wall-clock milliseconds since 1970 of a stamp. */
export function stampToMs(stamp: number): number {
  return Math.floor(stamp / TICKS_PER_MS) + EPOCH_MS;
}
