/** So many at a time, so many more waiting in order, and no more: `UPSTREAM_BUSY`. */
import { TidemarkError } from "../errors.ts";

interface Waiting {
  readonly go: () => void;
  readonly drop: () => void;
}

export class Gate {
  readonly #places: number;
  readonly #mostWaiting: number;
  #taken = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(places: number, mostWaiting: number) {
    this.#places = places;
    this.#mostWaiting = mostWaiting;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when there is a place, which is the caller's until it calls `leave`. Rejects `UPSTREAM_BUSY`, and
   * with the signal's reason when that is aborted first.
   */
  async enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw signal.reason;
    if (this.#taken < this.#places) {
      this.#taken++;
      return;
    }
    if (this.#waiting.size >= this.#mostWaiting) {
      throw new TidemarkError(
        "UPSTREAM_BUSY",
        `${this.#taken} calls to the upstream are under way and ${this.#waiting.size} wait; ` +
          "try again later, or raise loading.maxConcurrentLoads or loading.maxQueuedLoads",
      );
    }
    await new Promise<void>((resolve, reject) => {
      const aborted = (): void => waiting.drop();
      const waiting: Waiting = {
        go: () => {
          signal.removeEventListener("abort", aborted);
          resolve();
        },
        drop: () => {
          this.#waiting.delete(waiting);
          reject(signal.reason);
        },
      };
      signal.addEventListener("abort", aborted, { once: true });
      this.#waiting.add(waiting);
    });
  }

  /** Gives the place to the next. */
  leave(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      next.go();
      return;
    }
    this.#taken--;
  }
}
