/**
 * One flight per key however many wait for it, as groupcache's singleflight, with two differences: a caller
 * who gives up leaves the flight to the others, and the last to leave ends it; and every waiter is settled
 * on every path, whatever the flight's work does.
 */

interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
  readonly release: () => void;
}

/** One piece of work and those who wait for it. */
export class Flight<T> {
  readonly key: string;
  readonly #controller = new AbortController();
  readonly #waiters = new Set<Waiter<T>>();
  readonly #ended: () => void;
  #shared: Promise<T> | undefined;
  #kept = false;
  #open = true;
  /** Something happened to the key that what is being loaded may not show. */
  overtaken = false;
  /** How often it began anew because of that. */
  restarts = 0;

  constructor(key: string, ended: () => void) {
    this.key = key;
    this.#ended = ended;
  }

  /** Aborted when the work is no longer wanted. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether anybody may still be told of the outcome. */
  get open(): boolean {
    return this.#open;
  }

  /** Joins. Rejects with the signal's reason when that is aborted first. */
  wait(signal?: AbortSignal): Promise<T> {
    // Who cannot leave needs no place of their own: they are most, and one promise serves them all.
    if (signal === undefined) {
      this.#shared ??= this.#join(undefined);
      return this.#shared;
    }
    return this.#join(signal);
  }

  #join(signal: AbortSignal | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        this.#abandonIfAlone(signal.reason);
        return;
      }
      const left = (): void => {
        this.#waiters.delete(waiter);
        reject(signal!.reason);
        this.#abandonIfAlone(signal!.reason);
      };
      const waiter: Waiter<T> = {
        resolve,
        reject,
        release: () => signal?.removeEventListener("abort", left),
      };
      signal?.addEventListener("abort", left, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** From now on it goes on even if nobody waits. */
  keep(): void {
    this.#kept = true;
  }

  settle(value: T): void {
    this.#end((waiter) => waiter.resolve(value));
  }

  /** Also tells the work that it is no longer wanted. */
  fail(error: unknown): void {
    this.#end((waiter) => waiter.reject(error));
    this.#controller.abort(error);
  }

  #abandonIfAlone(reason: unknown): void {
    if (this.#waiters.size === 0 && !this.#kept) this.fail(reason);
  }

  #end(tell: (waiter: Waiter<T>) => void): void {
    if (!this.#open) return;
    this.#open = false;
    this.#ended();
    for (const waiter of this.#waiters) {
      waiter.release();
      tell(waiter);
    }
    this.#waiters.clear();
  }
}

/** The flights under way, by key. */
export class Singleflight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  get size(): number {
    return this.#flights.size;
  }

  get(key: string): Flight<T> | undefined {
    return this.#flights.get(key);
  }

  all(): Iterable<Flight<T>> {
    return this.#flights.values();
  }

  /** A new flight for a key that has none; `ended` is called once, before its waiters are told. */
  open(key: string, ended: () => void): Flight<T> {
    const flight = new Flight<T>(key, () => {
      this.#flights.delete(key);
      ended();
    });
    this.#flights.set(key, flight);
    return flight;
  }

  failAll(error: unknown): void {
    for (const flight of [...this.#flights.values()]) flight.fail(error);
  }
}
