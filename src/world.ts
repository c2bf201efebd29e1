/**
 * Everything a host takes from outside: clocks, randomness, the end of a turn, a timer. Passed in, so
 * that a whole cluster runs in one process from one seed (see `testing/`). Only this file, `cli/` and
 * `transport/nats.ts` touch the real ones.
 */

/** The outside world as a host sees it. */
export interface World {
  /** Wall clock, milliseconds since 1970; may be wrong and may jump. */
  now(): number;
  /** Milliseconds since some fixed moment; never goes backwards. */
  monotonic(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Runs `task` after the current turn of the event loop. */
  defer(task: () => void): void;
  /** Runs `task` every `intervalMs` until the returned function is called. */
  every(intervalMs: number, task: () => void): () => void;
  /** Keeps the process alive until the returned function is called. */
  stay(): () => void;
  /** Reports an error that is nobody's to catch, such as what a listener of the user's threw. */
  report(error: unknown): void;
}

/** As good as never: a timer that only has to be there. */
const RARELY_MS = 2 ** 30;

/** The real clocks and timers. The timer of `every` does not keep the process alive. */
export function systemWorld(): World {
  return {
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
    defer: (task) => {
      setImmediate(task);
    },
    every: (intervalMs, task) => {
      const timer = setInterval(task, intervalMs);
      timer.unref();
      return () => clearInterval(timer);
    },
    stay: () => {
      const timer = setInterval(() => undefined, RARELY_MS);
      return () => clearInterval(timer);
    },
    report: (error) => process.emitWarning(error instanceof Error ? error : new Error(String(error))),
  };
}
