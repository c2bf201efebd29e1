/** A standalone host whose time only passes when told to. */
import { createHost, type Host } from "../../../src/host.ts";
import { type OpenOptions, resolveSettings } from "../../../src/options.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualTime } from "../../../src/testing/virtual-time.ts";
import { VirtualWorld } from "../../../src/testing/virtual-world.ts";

export function standalone(options: OpenOptions = {}): {
  host: Host;
  time: VirtualTime;
  world: VirtualWorld;
} {
  const time = new VirtualTime();
  const world = new VirtualWorld(time, new Random(1));
  return { host: createHost(resolveSettings({ node: "alone", ...options }), world, undefined), time, world };
}
