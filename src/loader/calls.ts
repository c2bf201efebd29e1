/** Calls to the upstream's load: so many at a time, each with its retries, each ended by its signal. */
import { TidemarkError } from "../errors.ts";
import type { LoaderCounts } from "./counts.ts";
import { Gate } from "./gate.ts";
import type { LoaderWorld } from "./memory.ts";
import { retryDelay, saysRetryable } from "./retry.ts";
import type { LoadingSettings } from "./settings.ts";
import type { Timers } from "./timers.ts";
import { type Row, toRow, type Upstream } from "./upstream.ts";

export interface CallPorts {
  readonly upstream: Upstream<unknown>;
  readonly settings: LoadingSettings;
  readonly world: LoaderWorld;
  readonly timers: Timers;
  readonly counts: LoaderCounts;
}

export class LoadCalls {
  readonly #ports: CallPorts;
  readonly #gate: Gate;

  constructor(ports: CallPorts) {
    this.#ports = ports;
    this.#gate = new Gate(ports.settings.maxConcurrentLoads, ports.settings.maxQueuedLoads);
  }

  /** Loads that wait for their turn. */
  get queued(): number {
    return this.#gate.waiting;
  }

  /** The rows of these keys. Rejects with what the last try met, or with the signal's reason. */
  async load(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Row>> {
    const { settings, world, timers, counts } = this.#ports;
    for (let attempt = 1; ; attempt++) {
      await this.#gate.enter(signal);
      const startedAt = world.monotonic();
      counts.upstreamLoads++;
      counts.upstreamKeys += keys.length;
      try {
        return await untilAborted(this.#call(keys, signal), signal);
      } catch (error) {
        if (signal.aborted || attempt >= settings.tries || !this.retryable(error)) throw error;
      } finally {
        counts.loadMs += world.monotonic() - startedAt;
        this.#gate.leave();
      }
      counts.retries++;
      const delay = retryDelay(attempt + 1, settings.backoffMs, settings.maxBackoffMs, world.random());
      const pause = new Promise<void>((resolve) => timers.add(world.monotonic() + delay, resolve));
      await untilAborted(pause, signal);
    }
  }

  retryable(error: unknown): boolean {
    const { upstream } = this.#ports;
    return upstream.retryable === undefined ? saysRetryable(error) : upstream.retryable(error);
  }

  async #call(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Row>> {
    const { upstream } = this.#ports;
    const rows = new Map<string, Row>();
    const note = (key: string, answered: Parameters<typeof toRow>[1]): void => {
      const row = toRow(key, answered);
      if (row !== undefined) rows.set(key, row);
    };
    if (keys.length > 1 && upstream.loadMany !== undefined) {
      const answered = await upstream.loadMany(keys, { signal });
      for (const key of keys) note(key, answered.get(key));
    } else for (const key of keys) note(key, await upstream.load(key, { signal }));
    return rows;
  }
}

/**
 * As the promise, but rejects as soon as the signal is aborted: an upstream that ignores its signal must not
 * hold up its callers, nor keep a place.
 */
export function untilAborted<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const aborted = (): void => reject(signal.reason);
    signal.addEventListener("abort", aborted, { once: true });
    const release = (): void => signal.removeEventListener("abort", aborted);
    promise.then(
      (value) => {
        release();
        resolve(value);
      },
      (error: unknown) => {
        release();
        reject(error);
      },
    );
  });
}

/** An error of the upstream's in our words; one of ours stays as it is. */
export function upstreamFailed(what: string, cause: unknown): TidemarkError {
  if (cause instanceof TidemarkError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TidemarkError("UPSTREAM_FAILED", `${what}: ${why}; see the cause`, { cause });
}

/** Aborted once all of them are. */
export function whenAll(signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  let left = signals.length;
  for (const signal of signals) {
    const aborted = (): void => {
      left--;
      if (left === 0) controller.abort(signal.reason);
    };
    if (signal.aborted) aborted();
    else signal.addEventListener("abort", aborted, { once: true });
  }
  return controller.signal;
}
