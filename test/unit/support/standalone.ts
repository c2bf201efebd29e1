/** A standalone host whose time only passes when told to. */
import { createHost, type Host } from "../../../src/host.ts";
import { type OpenOptions, resolveSettings } from "../../../src/options.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualTime } from "../../../src/testing/virtual-time.ts";
import { VirtualWorld } from "../../../src/testing/virtual-world.ts";

export interface Standalone {
  readonly host: Host;
  readonly time: VirtualTime;
  readonly world: VirtualWorld;
}

/** `skewMs`: how far its wall clock is ahead of the true time when it starts. */
export function standalone(options: OpenOptions = {}, skewMs = 0): Standalone {
  const time = new VirtualTime();
  const world = new VirtualWorld(time, new Random(1));
  world.skewMs = skewMs;
  return { host: createHost(resolveSettings({ node: "alone", ...options }), world, undefined), time, world };
}
