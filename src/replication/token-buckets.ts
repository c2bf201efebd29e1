/** How many bytes of replays each host, and all together, may ask for per second. */

const PER_HOST = 32 * 1024 * 1024;
const TOGETHER = 128 * 1024 * 1024;

interface Bucket {
  tokens: number;
  at: number;
}

export class TokenBuckets {
  readonly #monotonic: () => number;
  readonly #hosts = new Map<string, Bucket>();
  readonly #all: Bucket;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#all = { tokens: TOGETHER, at: monotonic() };
  }

  /** False: too much was asked for already. */
  take(host: string, bytes: number): boolean {
    const now = this.#monotonic();
    let bucket = this.#hosts.get(host);
    if (bucket === undefined) {
      bucket = { tokens: PER_HOST, at: now };
      this.#hosts.set(host, bucket);
    }
    refill(bucket, PER_HOST, now);
    refill(this.#all, TOGETHER, now);
    // An answer larger than a full bucket is let through once the bucket is full, and leaves a debt.
    if (bucket.tokens < Math.min(bytes, PER_HOST) || this.#all.tokens < Math.min(bytes, TOGETHER))
      return false;
    bucket.tokens -= bytes;
    this.#all.tokens -= bytes;
    return true;
  }
}

function refill(bucket: Bucket, perSecond: number, now: number): void {
  bucket.tokens = Math.min(perSecond, bucket.tokens + ((now - bucket.at) * perSecond) / 1_000);
  bucket.at = now;
}
