/** Callers that wait for something to become true of a host: each is settled exactly once, on every path. */
import { TidemarkError } from "../errors.ts";

interface Wait {
  /** True: resolved. A throw rejects. */
  readonly check: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly until: number;
  readonly timedOut: () => void;
  readonly release: () => void;
}

export interface WaitRequest {
  /** Looks whether it has come true; may throw to reject. */
  readonly check: () => boolean;
  /** Milliseconds; `Infinity` for no limit. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What was waited for, to complete "timed out waiting for …". */
  readonly what: string;
  /** Resolve instead of rejecting when the time is up. */
  readonly lenient?: boolean;
}

export class Waits {
  readonly #monotonic: () => number;
  readonly #waits = new Set<Wait>();

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  add(request: WaitRequest): Promise<void> {
    const { signal, timeoutMs, what } = request;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const aborted = (): void => this.#settle(wait, () => reject(signal!.reason));
      const wait: Wait = {
        check: request.check,
        resolve,
        reject,
        until: this.#monotonic() + timeoutMs,
        timedOut: () => {
          if (request.lenient) resolve();
          else
            reject(
              new TidemarkError(
                "TIMEOUT",
                `timed out after ${timeoutMs} ms waiting for ${what}; see status()`,
              ),
            );
        },
        release: () => signal?.removeEventListener("abort", aborted),
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#waits.add(wait);
      this.#look(wait);
    });
  }

  /** Looks at every wait; to be called whenever something may have changed. */
  look(): void {
    for (const wait of this.#waits) this.#look(wait);
  }

  /** Rejects all: the host is closing. */
  rejectAll(error: unknown): void {
    for (const wait of this.#waits) this.#settle(wait, () => wait.reject(error));
  }

  #look(wait: Wait): void {
    let met = false;
    try {
      met = wait.check();
    } catch (error) {
      this.#settle(wait, () => wait.reject(error));
      return;
    }
    if (met) this.#settle(wait, wait.resolve);
    else if (this.#monotonic() >= wait.until) this.#settle(wait, wait.timedOut);
  }

  #settle(wait: Wait, how: () => void): void {
    if (!this.#waits.delete(wait)) return;
    wait.release();
    how();
  }
}
