/** Eviction on replicated hosts where it is hard: frames that are open, images on their way, hosts cut off, loads. */
import { describe, expect, it } from "vitest";
import { resolveSettings, type Settings } from "../../../src/options.ts";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import { CountingUpstream } from "../support/counting-upstream.ts";

function cluster(sizes: readonly number[], settings: Partial<Settings> = {}, extra = {}): VirtualCluster {
  const made = new VirtualCluster({
    ...extra,
    settings: (i: number) => ({
      joinWaitMs: 50,
      ...settings,
      ...(sizes[i] ? { maxEntries: sizes[i], eviction: "lru" as const } : {}),
    }),
  });
  for (const _ of sizes) made.add();
  made.settle();
  return made;
}
function fill(made: VirtualCluster, host: number, keys: number, prefix = "k"): void {
  for (let i = 0; i < keys; i++) made.hosts[host]!.set(`${prefix}${i}`, `v${i}`);
}
function letGo(settings: Partial<Settings> = {}, extra = {}): VirtualCluster {
  const made = cluster([0, 2], settings, extra);
  made.hosts[0]!.set("k0", "5");
  made.settle();
  fill(made, 0, 6, "other");
  made.settle();
  made.run(5_000);
  return made;
}
const show = (made: VirtualCluster, key: string) => made.hosts.map((host) => host.get(key));
function upstream(): { up: CountingUpstream; settings: Partial<Settings> } {
  const up = new CountingUpstream();
  const { loading } = resolveSettings({ upstream: up, loading: { ttlJitter: 0 } });
  return { up, settings: { upstream: up, loading } as Partial<Settings> };
}

describe("what a host let go", () => {
  it("is named by no frame beyond what its writer had seen", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const made = letGo({}, { lagMs: 50, seed });
      const [c, p] = made.hosts;
      const gone = [0, 1, 2, 3, 4, 5].map((i) => `other${i}`).find((key) => p!.get(key) === undefined)!;
      p!.set("k0", "from P");
      made.run(1);
      c!.set("k0", "from C");
      c!.expire(gone, "1h");
      made.settle();
      made.run(5_000);
      expect(show(made, "k0")).toEqual(["from C", "from C"]);
    }
  });

  it("does not hide what is set later, though others give it other deadlines", () => {
    const made = cluster([0, 0, 20]);
    const [c, d, p] = made.hosts;
    fill(made, 0, 400);
    made.settle();
    made.run(15_000);
    for (let i = 0; i < 100; i++) {
      d!.expire(`k${300 + i}`, "1h");
      made.run(20);
      c!.set(`k${i}`, "new");
      made.run(80);
    }
    made.settle();
    made.run(60_000);
    expect(p!.size).toBeGreaterThan(15);
  });

  it("is asked of a host that has it before it is loaded, and no load replaces what was written", async () => {
    const { up, settings } = upstream();
    up.rows.set("k", "old row");
    const made = cluster([0, 2], settings);
    await made.until(made.hosts[0]!.update("k", () => "new", { commit: { within: "1h" } }));
    fill(made, 0, 6, "o");
    made.settle();
    made.run(5_000);
    await made.until(made.hosts[1]!.getOrLoad("k"));
    made.settle();
    expect(made.hosts[0]!.get("k")).toBe("new");
  });

  it("does not hide what is written while an image of it comes", () => {
    const made = cluster([0, 30, 0], { logBytes: 200, chunkBytes: 50 });
    const [x, q, p] = made.hosts;
    made.isolate(2);
    made.run(10_000);
    fill(made, 0, 80, "o");
    for (let i = 0; i < 20; i++) x!.setAdd(`s${i}`, "m");
    made.run(8_000);
    made.crash(0);
    made.run(10_000);
    made.delay({ min: 20, max: 20 });
    made.heal();
    for (let i = 0; i < 3_000 && !p!.status().partial; i++) {
      made.run(10);
      if (i === 5) p!.set("cnt", "5");
    }
    made.settle();
    expect.soft([p!.get("cnt"), q!.get("cnt")]).toEqual(["5", "5"]);
    expect(p!.increment("cnt")).toBe(6);
  });

  it("leaves a longer life that was given while the host was cut off", () => {
    const made = cluster([0, 4, 0]);
    const [, p] = made.hosts;
    fill(made, 0, 10);
    made.settle();
    made.run(5_000);
    p!.set("t", "x", { ttl: 8_000 });
    made.settle();
    made.isolate(1);
    made.run(6_000);
    p!.expire("t", "1h");
    made.run(20_000);
    made.heal();
    made.settle();
    made.run(3_000);
    expect(show(made, "t")).toEqual(["x", "x", "x"]);
  });

  it("was on another host before: what only a host has that is cut off stays there", () => {
    const made = cluster([0, 5], { logBytes: 300 });
    made.isolate(1);
    made.run(10_000);
    fill(made, 1, 200, "mine");
    made.run(5_000);
    made.heal();
    made.settle();
    made.run(5_000);
    expect(made.hosts[0]!.size).toBe(200);
  });

  it("goes everywhere with a store of nothing, as with a delete", () => {
    const made = letGo();
    made.hosts[1]!.setStore("k0", []);
    made.settle();
    expect(made.hosts[0]!.get("k0")).toBeUndefined();
  });
});
