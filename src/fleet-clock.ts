/**
 * The time by which keys expire. Every host runs its own clock without jumps and adds the median of the
 * differences to the others', so that hosts agree about "now" to within the network's delay as long as
 * most clocks are right, and one host whose clock is set wrong hides and shows what the others do.
 * It never runs backwards.
 */
import type { World } from "./world.ts";

/** A wall clock that differs from ours by more than this has been set, milliseconds. */
const JUMP_MS = 100;
/** A set clock is only believed after it has stayed so for this long, milliseconds. */
const BELIEVE_AFTER_MS = 10_000;

export class FleetClock {
  readonly #world: Pick<World, "now" | "monotonic">;
  /** Local time minus monotonic time. */
  #base: number;
  #medianOffset = 0;
  #last = 0;
  #jumpedAt: number | undefined;

  constructor(world: Pick<World, "now" | "monotonic">) {
    this.#world = world;
    this.#base = world.now() - world.monotonic();
  }

  /** This host's own time without jumps, milliseconds since 1970. */
  local(): number {
    return this.#world.monotonic() + this.#base;
  }

  /** Fleet time, milliseconds since 1970. */
  now(): number {
    const now = this.#world.monotonic() + this.#base + this.#medianOffset;
    if (now > this.#last) this.#last = now;
    return this.#last;
  }

  /** How far this host's clock is from the fleet's, milliseconds. */
  get deviation(): number {
    return Math.abs(this.#medianOffset);
  }

  /** `offset`: the median difference to the others' clocks, as measured against `local`. */
  adjust(offset: number): void {
    this.#medianOffset = offset;
  }

  /** Follows the wall clock when it was set for good. Returns by how much `local` was moved. */
  follow(): number {
    const drift = this.#world.now() - this.local();
    if (Math.abs(drift) <= JUMP_MS) {
      this.#jumpedAt = undefined;
      return 0;
    }
    const now = this.#world.monotonic();
    this.#jumpedAt ??= now;
    if (now - this.#jumpedAt < BELIEVE_AFTER_MS) return 0;
    this.#jumpedAt = undefined;
    this.#base += drift;
    return drift;
  }
}
