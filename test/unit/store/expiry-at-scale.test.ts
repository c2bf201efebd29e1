/** Expiry when much expires at once and when clocks are set: every key is told once, removed, and nothing hangs. */
import { describe, expect, it } from "vitest";
import type { Sweep } from "../../../src/crdt/event.ts";
import type { Change } from "../../../src/watch.ts";
import { Site } from "../support/site.ts";
import { standalone } from "../support/standalone.ts";

const YEAR_MS = 365 * 86_400_000;

/** Reads what a watcher has by now. */
async function read(changes: AsyncIterator<Change>, count: number): Promise<Change[]> {
  const all: Change[] = [];
  for (let i = 0; i < count; i++) all.push((await changes.next()).value);
  return all;
}

describe("a great many keys that expire at one moment", () => {
  it.each([
    ["sets", (host: ReturnType<typeof standalone>["host"], key: string) => host.setAdd(key, "m")],
    ["strings", (host: ReturnType<typeof standalone>["host"], key: string) => host.set(key, "x")],
  ])("are all told of, once, and removed: %s", async (_, write) => {
    const { host, time } = standalone({ ttl: "10s" });
    const changes = host.watch({ buffer: 200_000 })[Symbol.asyncIterator]();
    await changes.next();
    for (let i = 0; i < 45_000; i++) write(host, `key.${i}`);
    for (let i = 0; i < 45_000; i++) await changes.next();
    time.run(10_000);
    expect([...host.keys()]).toEqual([]);
    time.run(60_000);
    expect(host.inspect().keys.size).toBe(0);
    expect(host.size).toBe(0);
    const told = await read(changes, 45_000);
    expect(told.every(({ type }) => type === "expire")).toBe(true);
    expect(new Set(told.map((change) => change.type !== "synced" && change.key)).size).toBe(45_000);
    host.set("last", "x");
    expect((await changes.next()).value).toMatchObject({ key: "last" });
  });
});

describe("a collection of very many members that expires", () => {
  const members = Array.from({ length: 150_000 }, (_, i) => `member ${i}`);

  it.each<[what: string, write: (site: Site) => void]>([
    ["a set", (site) => site.writes.setAdd("key", members)],
    ["a list", (site) => site.writes.listAdd("key", members, "tail")],
  ])("is removed: %s", (_, write) => {
    const site = new Site("site");
    write(site);
    site.writes.expire("key", 1_000);
    site.clock.now += 2_000;
    site.sweep();
    expect(site.store.shards.size).toBe(0);
  });
});

describe("what expired", () => {
  /** The sweeps that remove what the keys of a site leave behind at `now`, each applied before the next is made. */
  function sweepsOf(site: Site): Sweep[] {
    const sweeps: Sweep[] = [];
    for (let step = 0; step < 1_000 && site.store.size > 0; step++) {
      const made = site.made.length;
      site.sweep();
      for (const { sweep } of site.made.slice(made)) if (sweep !== null) sweeps.push(sweep);
      site.clock.now += 20;
    }
    return sweeps;
  }

  it("goes a short time at once, so that a sweep need not look at all there is", () => {
    const site = new Site("site");
    for (let i = 0; i < 30_000; i++) site.writes.set(`key ${i}`, "x", { ttl: 1 + ((i * 7_919) % 30_000) });
    site.clock.now += 60_000;
    const sweeps = sweepsOf(site);
    expect(site.store.size).toBe(0);
    expect(sweeps.length).toBeGreaterThan(15);
    // A thousand of thirty seconds' worth of thirty thousand, by estimate; the last takes what is left of everything.
    const widths = sweeps.map(({ from, to }) => to - from).sort((left, right) => left - right);
    expect(widths[Math.floor(widths.length / 2)]).toBeLessThan(3_000);
  });

  it("goes of one origin at a time, and none waits for ever for those that have more", () => {
    const site = new Site("site");
    const others = Array.from({ length: 10 }, (_, i) => new Site(`other ${i}`, { clock: site.clock }));
    for (const other of others) {
      for (let i = 0; i < 20; i++) other.writes.set(`${other.name} ${i}`, "x", { ttl: 1_000 + i });
      site.receive(other);
    }
    for (let step = 0; step < 400; step++) {
      for (let i = 0; i < 500; i++) site.writes.set(`key ${step} ${i}`, "x", { ttl: 100 });
      site.clock.now += 20;
      const made = site.made.length;
      site.sweep(0, true);
      expect(site.made.length - made).toBeLessThanOrEqual(1);
    }
    const left = [...site.store.shards.all()].flatMap((shard) => shard.keys());
    expect(left.filter((key) => key.startsWith("other"))).toEqual([]);
    expect(left.length).toBeLessThan(20_000);
  });

  it("at one moment goes in the order in which it was written", () => {
    const site = new Site("site");
    for (let i = 0; i < 10_000; i++) site.writes.set(`key ${i}`, "x", { ttl: 1_000 });
    site.clock.now += 60_000;
    const sweeps = sweepsOf(site);
    expect(site.store.size).toBe(0);
    const ends = sweeps.map(({ upTo }) => upTo);
    expect(ends).toEqual([...ends].sort((left, right) => left - right));
    expect(ends.length).toBeGreaterThan(5);
  });

  it.each([
    ["in the course of half a minute", 30_000],
    ["at one moment", 1],
  ])("%s goes though as much got longer lives, and a sweep looks at few of those", (_, spreadMs) => {
    const site = new Site("site");
    for (let i = 0; i < 10_000; i++) {
      site.writes.set(`key ${i}`, "x", { ttl: 1 + ((i * 7_919) % spreadMs) });
      if (i % 2 === 0) site.writes.expire(`key ${i}`, 3_600_000);
    }
    site.clock.now += 60_000;
    for (let step = 0; step < 1_000 && site.store.size > 5_000; step++) {
      const made = site.made.length;
      site.sweep();
      for (const { sweep } of site.made.slice(made)) {
        if (sweep !== null)
          expect(site.store.timedStates.within(sweep.from, sweep.to).size).toBeLessThanOrEqual(1_000);
      }
      site.clock.now += 20;
    }
    const left = [...site.reads.keys()];
    expect(left).toHaveLength(5_000);
    expect(left.every((key) => Number(key.slice(4)) % 2 === 0)).toBe(true);
  });
});

describe("a clock that is set", () => {
  it.each([1, 56])(
    "forward by %s years hides what has expired by then, removes it, and stops nothing",
    (years) => {
      const { host, time, world } = standalone();
      host.set("week", "x", { ttl: "7d" });
      host.set("stays", "x");
      host.setAdd("set", "m");
      host.expire("set", "7d");
      time.run(1_000);
      world.skewMs = years * YEAR_MS;
      const begun = performance.now();
      time.run(20_000);
      expect(performance.now() - begun).toBeLessThan(2_000);
      expect([...host.keys()]).toEqual(["stays"]);
      host.set("brief", "x", { ttl: 500 });
      time.run(5_000);
      expect([...host.inspect().keys.keys()]).toEqual(["stays"]);
    },
  );

  it("that stands at 1970 when the host starts keeps deadlines as they were given", () => {
    const { host, time } = standalone({}, -Date.UTC(2026, 0, 1));
    host.set("key", "x", { ttl: "1s" });
    time.run(900);
    expect(host.get("key")).toBe("x");
    time.run(100);
    expect(host.get("key")).toBeUndefined();
    time.run(5_000);
    expect(host.inspect().keys.size).toBe(0);
  });
});
