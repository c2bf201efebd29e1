/** What the links between the hosts of a run do to messages, in general and for the time being. */
import type { Random } from "../../src/testing/random.ts";
import type { LinkFaults } from "../../src/transport/memory-links.ts";

/** The worst that the links of a run do; each change of weather draws anew up to it. */
export interface Weather {
  readonly loss: number;
  /** What may be lost: everything, or events only, so that much of what a host wrote dies with it. */
  readonly losesOnlyEvents: boolean;
  readonly duplicate: number;
  readonly delayMs: number;
  readonly reorder: number;
}

/** The faults of the links from one change of weather to the next. */
export function drawFaults(random: Random, weather: Weather): LinkFaults {
  const min = random.between(0, Math.min(20, weather.delayMs));
  return {
    loss: random.chance(0.2) ? 0 : weather.loss * random.next(),
    ...(weather.losesOnlyEvents ? { lossOn: ["ev"] } : {}),
    duplicate: weather.duplicate * random.next(),
    delay: { min, max: min + random.between(0, weather.delayMs) },
    reorder: weather.reorder * random.next(),
    reorderMs: weather.delayMs,
  };
}
