/**
 * The `World` of one simulated host: its own wall clock (off by minutes if a test wants that), its own
 * random numbers, and a process that can be stopped for a while or for good.
 */
import type { World } from "../world.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Where the wall clocks of simulated hosts begin: any moment after 2020 would do. */
export const VIRTUAL_EPOCH_MS = Date.UTC(2026, 0, 1);

/** One host's clocks, randomness and timers, in virtual time. */
export class VirtualWorld implements World {
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** What became due while the process stood still. */
  readonly #held: (() => void)[] = [];
  readonly #timers = new Set<() => void>();
  readonly #lagMs: number;
  /** When the last deferred task runs: later ones do not run before it. */
  #deferredUntil = 0;
  #skewMs = 0;
  #state: "running" | "paused" | "dead" = "running";

  /** `lagMs`: how late the end of a turn may come, at most; a process that computes is not punctual. */
  constructor(time: VirtualTime, random: Random, lagMs = 0) {
    this.#time = time;
    this.#random = random;
    this.#lagMs = lagMs;
  }

  now(): number {
    return VIRTUAL_EPOCH_MS + Math.floor(this.#time.now + this.#skewMs);
  }

  monotonic(): number {
    return this.#time.now;
  }

  random(): number {
    return this.#random.next();
  }

  report(error: unknown): void {
    process.emitWarning(error instanceof Error ? error : new Error(String(error)));
  }

  defer(task: () => void): void {
    const lagMs = this.#lagMs === 0 ? 0 : this.#lagMs * this.#random.next();
    this.#deferredUntil = Math.max(this.#deferredUntil, this.#time.now + lagMs);
    this.#time.at(this.#deferredUntil, () => this.#run(task));
  }

  // Two hosts that start together do not tick together, as two processes would not.
  stay(): () => void {
    return () => undefined;
  }

  every(intervalMs: number, task: () => void): () => void {
    let owed = false;
    let stopped = false;
    const tick = (): void => {
      owed = false;
      if (!stopped) task();
    };
    const cancel = this.#time.every(
      intervalMs,
      () => {
        // However long the process stood still, the event loop owes one tick and not all it missed.
        if (owed) return;
        owed = true;
        this.#run(tick);
      },
      intervalMs * (0.5 + this.#random.next()),
    );
    this.#timers.add(cancel);
    return () => {
      stopped = true;
      this.#timers.delete(cancel);
      cancel();
    };
  }

  /** How far the wall clock is ahead of the true time; negative if it is behind. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Lets the wall clock jump to so many milliseconds ahead of the true time. */
  set skewMs(skewMs: number) {
    this.#skewMs = skewMs;
  }

  get paused(): boolean {
    return this.#state === "paused";
  }

  /** Stops the process as SIGSTOP does: what becomes due waits. */
  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** Lets it go on: what became due in the meantime runs now, in order. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    for (const task of this.#held.splice(0)) this.defer(task);
  }

  /** Ends the process as SIGKILL does: nothing runs any more. */
  kill(): void {
    this.#state = "dead";
    this.#held.length = 0;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  #run(task: () => void): void {
    if (this.#state === "running") task();
    else if (this.#state === "paused") this.#held.push(task);
  }
}
