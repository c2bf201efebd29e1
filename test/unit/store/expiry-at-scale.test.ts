/** Expiry when much expires at once and when clocks are set: every key is told once, removed, and nothing hangs. */
import { describe, expect, it } from "vitest";
import type { Change } from "../../../src/watch.ts";
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
