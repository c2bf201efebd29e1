/**
 * What is known to exist and was not applied: per origin how far it goes, whom to ask for it and when.
 * Loss is found by sequence numbers and heartbeats alone, never by what a connection says of itself.
 */

/** A gap is first given this long to close by itself: reordering looks like loss. Milliseconds. */
const REORDER_GRACE_MS = 20;
/** Gaps kept at a time; of more, heartbeats will tell again. */
const MAX_NEEDS = 16_384;
/** First wait for an answer; doubles up to the longest, with full jitter. */
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;

export interface Need {
  readonly origin: number;
  /** Highest event known to exist. */
  known: number;
  /** Monotonic milliseconds. */
  readonly since: number;
  nextAt: number;
  tries: number;
  /** Monotonic milliseconds when it was found, or when a replay last brought something. */
  progressAt: number;
  /** Answers that could not be read. */
  unreadable: number;
  /** How often the origin itself said that there are no such events. */
  denied: number;
}

/** How long to wait for an answer before asking again. `random` in [0, 1). */
export function retryDelay(tries: number, random: number): number {
  const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tries, 10));
  return ceiling / 2 + (ceiling / 2) * random;
}

/** A host that could be asked. */
export interface Candidate {
  readonly incarnation: string;
  readonly origin: number;
  /** Up to which it has applied the events in question. */
  readonly row: number;
  readonly ready: boolean;
}

/**
 * Whom to ask for events of `origin` above `applied`: the origin itself first, then anybody who has more,
 * and if nobody says so, anybody at all, for it may hold the frames ahead of a gap of its own.
 */
export function chooseSource(
  candidates: readonly Candidate[],
  origin: number,
  applied: number,
  tries: number,
  random: number,
): Candidate | undefined {
  const author = candidates.find((candidate) => candidate.origin === origin);
  if (author !== undefined && tries === 0) return author;
  const ahead = candidates.filter((candidate) => candidate.row > applied || candidate === author);
  const pool = ahead.length > 0 ? ahead : candidates;
  return pool[Math.floor(random * pool.length)];
}

export class Needs {
  readonly #needs = new Map<number, Need>();
  readonly #tell: (need: Need) => void;
  #found = 0;

  /** `tell` hears of every gap that is found. */
  constructor(tell: (need: Need) => void = () => undefined) {
    this.#tell = tell;
  }

  /** How many gaps were found so far. */
  get found(): number {
    return this.#found;
  }

  get size(): number {
    return this.#needs.size;
  }

  get(origin: number): Need | undefined {
    return this.#needs.get(origin);
  }

  all(): Iterable<Need> {
    return this.#needs.values();
  }

  /** Notes that an origin's events go at least to `known`. */
  want(origin: number, known: number, now: number): void {
    const need = this.#needs.get(origin);
    if (need !== undefined) {
      if (known > need.known) need.known = known;
      return;
    }
    if (this.#needs.size >= MAX_NEEDS) return;
    this.#found++;
    const found: Need = {
      origin,
      known,
      since: now,
      nextAt: now + REORDER_GRACE_MS,
      tries: 0,
      progressAt: now,
      unreadable: 0,
      denied: 0,
    };
    this.#needs.set(origin, found);
    this.#tell(found);
  }

  /** At most `limit` of those whose time has come, those that waited longest for their turn first. */
  due(now: number, limit: number): Need[] {
    const due: Need[] = [];
    for (const need of this.#needs.values()) {
      if (now < need.nextAt) continue;
      due.push(need);
      if (due.length >= limit) break;
    }
    for (const need of due) {
      this.#needs.delete(need.origin);
      this.#needs.set(need.origin, need);
    }
    return due;
  }

  /** Somebody has just said to have what is missing: ask soon, however long the last attempts failed. */
  offered(origin: number, now: number): void {
    const need = this.#needs.get(origin);
    if (need === undefined || need.tries < 2) return;
    need.tries = 1;
    need.nextAt = Math.min(need.nextAt, now + REORDER_GRACE_MS);
  }

  /** Nothing more is known of this origin than was applied. */
  satisfied(origin: number): void {
    this.#needs.delete(origin);
  }

  /** An image was installed: until now nobody could be asked for what comes after it, nor is it for want of givers. */
  progressed(now: number): void {
    for (const need of this.#needs.values()) need.progressAt = now;
    this.resetBackOff(now);
  }

  /** Begins every wait anew: what was asked for may have come another way. */
  resetBackOff(now: number): void {
    for (const need of this.#needs.values()) {
      need.tries = 0;
      need.nextAt = now;
    }
  }
}
