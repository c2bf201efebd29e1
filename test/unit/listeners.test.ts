import { describe, expect, it } from "vitest";
import { createHost, type Host } from "../../src/host.ts";
import { type OpenOptions, resolveSettings } from "../../src/options.ts";
import { systemWorld, type World } from "../../src/world.ts";

function opened(options: OpenOptions, changes: Partial<World> = {}): Host {
  return createHost(resolveSettings(options), { ...systemWorld(), ...changes }, undefined);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a listener for what leaves the store", () => {
  it("hears of evictions in batches of at most 1,000 at the end of the turn", async () => {
    const kv = opened({ maxEntries: 10 });
    const sizes: number[] = [];
    const keys: string[] = [];
    kv.on("evict", (batch) => {
      sizes.push(batch.length);
      for (const { key, type, previous } of batch) {
        expect([type, previous]).toEqual(["evict", key]);
        keys.push(key);
      }
    });
    for (let i = 0; i < 2_510; i++) kv.set(`${i}`, `${i}`);
    expect(sizes).toEqual([]);
    await turn();
    expect(sizes).toEqual([1_000, 1_000, 500]);
    expect(new Set(keys).size).toBe(2_500);
    await kv.close();
  });

  it("hears of expiries, and of nothing else", async () => {
    let now = Date.now();
    let tick = (): void => {};
    const kv = opened(
      {},
      {
        now: () => now,
        monotonic: () => now,
        every: (_, task) => {
          tick = task;
          return () => {};
        },
      },
    );
    const expired: string[] = [];
    kv.on("expire", (batch) => expired.push(...batch.map(({ key }) => key)));
    kv.set("stays", "x");
    kv.set("goes", "x", { ttl: "1s" });
    kv.set("deleted", "x", { ttl: "1s" });
    kv.delete("deleted");
    now += 2_000;
    tick();
    await turn();
    expect(expired).toEqual(["goes"]);
    await kv.close();
  });

  it("may throw: it is reported, and everybody else goes on", async () => {
    const reports: unknown[] = [];
    const kv = opened({ maxEntries: 1 }, { report: (error) => reports.push(error) });
    const heard: string[] = [];
    kv.on("evict", () => {
      throw new Error("mine");
    });
    kv.on("evict", (batch) => heard.push(...batch.map(({ key }) => key)));
    kv.set("a", "1");
    kv.set("b", "1");
    await turn();
    expect([heard, reports]).toEqual([["a"], [new Error("mine")]]);
    expect([kv.get("a"), kv.get("b")]).toEqual([undefined, "1"]);
    await kv.close();
  });

  it("hears nothing any more once it has left", async () => {
    const kv = opened({ maxEntries: 1 });
    const heard: string[] = [];
    const leave = kv.on("evict", (batch) => heard.push(...batch.map(({ key }) => key)));
    kv.set("a", "1");
    leave();
    kv.set("b", "1");
    await turn();
    expect(heard).toEqual([]);
    await kv.close();
  });
});
