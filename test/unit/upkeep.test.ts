import { describe, expect, it } from "vitest";
import { FleetClock } from "../../src/fleet-clock.ts";
import { Upkeep } from "../../src/upkeep.ts";
import { Site } from "./support/site.ts";

/** The upkeep of a standalone host, whose ticks come when they are called. */
function upkeepOf(site: Site): Upkeep {
  const { store, expiry, clock } = site;
  return new Upkeep({
    store,
    expiry,
    fleet: new FleetClock({ now: () => clock.now, monotonic: () => clock.now }),
    replicator: undefined,
    state: () => "standalone",
    write: (bodies) => site.write(bodies),
    damaged: () => undefined,
  });
}

describe("what has expired is removed", () => {
  it.each([20, 300, 2_000])("by a host whose ticks come %s ms apart, scrubbing in between", (apart) => {
    const site = new Site("site");
    const upkeep = upkeepOf(site);
    for (let i = 0; i < 1_000; i++) site.writes.set(`key ${i}`, "x", { ...(i < 900 ? { ttl: 1_000 } : {}) });
    for (let tick = 0; tick < 200; tick++) {
      site.clock.now += apart;
      upkeep.tick();
    }
    expect(site.store.size).toBe(100);
    expect(site.store.scrub.passes).toBeGreaterThan(0);
  });

  it("also where so much comes and goes that every tick finds a shard to compact", () => {
    const site = new Site("site");
    const upkeep = upkeepOf(site);
    site.writes.set("brief", "x", { ttl: 1_000 });
    const passing = Array.from({ length: 4_096 }, (_, i) => `passing ${i}`);
    for (let tick = 0; tick < 60; tick++) {
      for (const key of passing) site.writes.set(key, "x", {});
      site.writes.delete(passing);
      site.clock.now += 20;
      upkeep.tick();
    }
    expect(site.store.size).toBe(0);
    expect(site.store.scrub.passes).toBeGreaterThan(0);
    for (let tick = 0; tick < 3; tick++) upkeep.tick();
    expect(site.store.shards.slots).toBeLessThan(4_096);
  });
});
