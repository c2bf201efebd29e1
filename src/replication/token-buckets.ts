/** How much each host, and all together, may ask of us per second. */

/** Of one kind of thing: bytes, messages, names. */
export interface Rate {
  readonly perSecond: number;
  /** How much may be had at once after a quiet time. */
  readonly burst: number;
}

const MIB = 1024 * 1024;
/** Bytes of replays. */
export const REPLAY_RATE: Rate = { perSecond: 32 * MIB, burst: 32 * MIB };
export const REPLAY_RATE_TOGETHER: Rate = { perSecond: 128 * MIB, burst: 128 * MIB };

/** Hosts remembered; a full bucket says nothing and is forgotten first. */
const MAX_HOSTS = 1_024;

interface Bucket {
  tokens: number;
  at: number;
}

export class TokenBuckets {
  readonly #monotonic: () => number;
  readonly #each: Rate;
  readonly #together: Rate | undefined;
  readonly #hosts = new Map<string, Bucket>();
  readonly #all: Bucket;

  constructor(monotonic: () => number, each: Rate, together?: Rate) {
    this.#monotonic = monotonic;
    this.#each = each;
    this.#together = together;
    this.#all = { tokens: together?.burst ?? 0, at: monotonic() };
  }

  /** Hosts remembered now. */
  get size(): number {
    return this.#hosts.size;
  }

  /** False: too much was asked for already. */
  take(host: string, amount: number): boolean {
    const now = this.#monotonic();
    const bucket = this.#bucketOf(host, now);
    refill(bucket, this.#each, now);
    // What is larger than a full bucket is let through once the bucket is full, and leaves a debt.
    if (bucket.tokens < Math.min(amount, this.#each.burst)) return false;
    if (this.#together !== undefined) {
      refill(this.#all, this.#together, now);
      if (this.#all.tokens < Math.min(amount, this.#together.burst)) return false;
      this.#all.tokens -= amount;
    }
    bucket.tokens -= amount;
    return true;
  }

  #bucketOf(host: string, now: number): Bucket {
    let bucket = this.#hosts.get(host);
    if (bucket !== undefined) return bucket;
    if (this.#hosts.size >= MAX_HOSTS) this.#prune(now);
    bucket = { tokens: this.#each.burst, at: now };
    this.#hosts.set(host, bucket);
    return bucket;
  }

  #prune(now: number): void {
    for (const [host, bucket] of this.#hosts) {
      refill(bucket, this.#each, now);
      if (bucket.tokens >= this.#each.burst) this.#hosts.delete(host);
    }
    // All of them in debt: the oldest is let off, for names cost nothing and memory does.
    if (this.#hosts.size >= MAX_HOSTS) this.#hosts.delete(this.#hosts.keys().next().value!);
  }
}

function refill(bucket: Bucket, rate: Rate, now: number): void {
  const gained = ((now - bucket.at) * rate.perSecond) / 1_000;
  bucket.tokens = Math.min(rate.burst, bucket.tokens + gained);
  bucket.at = now;
}
