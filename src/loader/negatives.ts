/** Rows known to be absent, for a while; bounded, the oldest forgotten first. */
export class Negatives {
  readonly #most: number;
  /** Key to the time until which it holds; in the order of remembering. */
  readonly #until = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#until.size;
  }

  remember(key: string, until: number): void {
    this.#until.delete(key);
    if (this.#most === 0) return;
    if (this.#until.size >= this.#most) {
      for (const oldest of this.#until.keys()) {
        this.#until.delete(oldest);
        break;
      }
    }
    this.#until.set(key, until);
  }

  has(key: string, now: number): boolean {
    return this.left(key, now) > 0;
  }

  /** For how much longer it holds; 0 if it is not known to be absent. */
  left(key: string, now: number): number {
    const until = this.#until.get(key);
    if (until === undefined) return 0;
    if (until > now) return until - now;
    this.#until.delete(key);
    return 0;
  }

  forget(key: string): void {
    this.#until.delete(key);
  }

  forgetUnder(prefix: string): void {
    for (const key of this.#until.keys()) if (key.startsWith(prefix)) this.#until.delete(key);
  }
}
