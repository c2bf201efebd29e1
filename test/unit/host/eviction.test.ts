/** Eviction on replicated hosts: local, never a delete anywhere, and never a wrong value shown. */
import { describe, expect, it } from "vitest";
import type { Settings } from "../../../src/options.ts";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";

const refused = (code: string) => expect.objectContaining({ name: "TidemarkError", code });

/** A cluster whose hosts keep so many keys each; 0: everything. */
function cluster(sizes: readonly number[], settings: Partial<Settings> = {}): VirtualCluster {
  const made = new VirtualCluster({
    settings: (index) => ({
      joinWaitMs: 50,
      ...settings,
      ...(sizes[index] ? { maxEntries: sizes[index], eviction: "lru" as const } : {}),
    }),
  });
  for (const _ of sizes) made.add();
  made.settle();
  return made;
}

function fill(made: VirtualCluster, host: number, keys: number, prefix = "k"): void {
  for (let i = 0; i < keys; i++) made.hosts[host]!.set(`${prefix}${i}`, `v${i}`);
}

/** Lets heartbeats say who has what, and what is settled go. */
const HEARTBEATS_MS = 5_000;

describe("a replicated host with a bound", () => {
  it("lets go of what the others have, and they keep it", () => {
    const made = cluster([0, 10, 5]);
    fill(made, 0, 100);
    made.settle();
    made.run(HEARTBEATS_MS);
    expect(made.hosts.map((host) => host.size)).toEqual([100, 10, 5]);
    expect(made.hosts.map((host) => host.status().partial)).toEqual([false, true, true]);
    for (let i = 0; i < 100; i++) {
      for (const host of made.hosts) expect([undefined, `v${i}`]).toContain(host.get(`k${i}`));
      expect(made.hosts[0]!.get(`k${i}`)).toBe(`v${i}`);
    }
  });

  it("keeps what the others have not yet, however much that is over the bound", () => {
    const made = cluster([0, 10]);
    made.isolate(1);
    made.run(200);
    fill(made, 1, 50);
    // The other one still counts as live, and has said nothing of these.
    made.run(1_000);
    expect(made.hosts[1]!.size).toBe(50);
    expect(made.hosts[1]!.status().bounds).toMatchObject({ exceeded: true, evicted: 0 });
    made.heal();
    made.settle();
    made.run(HEARTBEATS_MS);
    expect([made.hosts[0]!.size, made.hosts[1]!.size]).toEqual([50, 10]);
  });

  it("tells of each key it lets go, and of no deletion", () => {
    const made = cluster([0, 3]);
    const evicted: string[] = [];
    made.hosts[1]!.on("evict", (changes) => evicted.push(...changes.map(({ key }) => key)));
    fill(made, 0, 9);
    made.settle();
    made.run(HEARTBEATS_MS);
    expect(evicted.length).toBe(6);
    expect(new Set(evicted).size).toBe(6);
  });

  it("removes everywhere what it had let go, when a key is to hold an empty collection", () => {
    const made = cluster([0, 2]);
    fill(made, 0, 6);
    made.settle();
    made.run(HEARTBEATS_MS);
    const gone = [...made.hosts[0]!.keys()].filter((key) => !made.hosts[1]!.has(key));
    expect(gone.length).toBeGreaterThanOrEqual(2);
    expect(made.hosts[1]!.setStore(gone[0]!, [])).toBe(0);
    expect(made.hosts[1]!.listStore(gone[1]!, [])).toBe(0);
    made.settle();
    expect(gone.slice(0, 2).filter((key) => made.hosts[0]!.has(key))).toEqual([]);
  });

  it("keeps sets, lists and counters, and refuses local writes when they alone are over the bound", () => {
    const made = cluster([0, 3]);
    const [, small] = made.hosts;
    for (const key of ["a", "b", "c"]) made.hosts[0]!.setAdd(key, "m");
    made.hosts[0]!.increment("n", 5);
    made.settle();
    made.run(HEARTBEATS_MS);
    expect([small!.setSize("a"), small!.setSize("b"), small!.setSize("c"), small!.get("n")]).toEqual([
      1,
      1,
      1,
      "5",
    ]);
    expect(() => small!.set("x", "1")).toThrow(refused("STORE_FULL"));
    expect(small!.increment("n")).toBe(6);
  });

  it("takes in any number of sets over its bound without searching for room in vain each time", () => {
    const made = cluster([0, 10]);
    const started = performance.now();
    for (let i = 0; i < 20_000; i++) made.hosts[0]!.setAdd(`s${i}`, "m");
    made.settle();
    expect(made.hosts[1]!.size).toBe(20_000);
    // 40 s when each search went through all keys.
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it("lets many go a bounded number at a time, once they may", () => {
    const made = cluster([0, 100]);
    made.isolate(1);
    made.run(200);
    fill(made, 1, 20_000);
    made.heal();
    made.settle();
    made.run(100);
    const sizes = Array.from({ length: 20 }, () => {
      made.run(20);
      return made.hosts[1]!.size;
    });
    for (let i = 1; i < sizes.length; i++) expect(sizes[i - 1]! - sizes[i]!).toBeLessThanOrEqual(2_000);
    made.run(HEARTBEATS_MS);
    expect(made.hosts[1]!.size).toBe(100);
  });

  it("refuses more bytes for a key that is there, when nothing else may go", () => {
    const made = new VirtualCluster({
      settings: (index) => ({
        joinWaitMs: 50,
        ...(index === 0 ? { maxBytes: 100_000, eviction: "lru" } : {}),
      }),
    });
    made.add();
    made.settle();
    const push = (): void => {
      for (let i = 0; i < 10_000; i++) made.hosts[0]!.listPush("list", "x".repeat(100));
    };
    expect(push).toThrow(refused("STORE_FULL"));
    expect(made.hosts[0]!.listLength("list")).toBeLessThan(1_000);
    expect(made.hosts[0]!.listPop("list")).toBeDefined();
  });

  it("counts the log towards its bytes", () => {
    const made = new VirtualCluster({
      options: { maxBytes: 400_000 },
      settings: { joinWaitMs: 50 },
    });
    made.add();
    made.add();
    made.settle();
    for (let i = 0; i < 5_000; i++) {
      made.hosts[0]!.set(`k${i}`, "x".repeat(100));
      if (i % 100 === 0) made.run(1_000);
    }
    made.settle();
    made.run(HEARTBEATS_MS);
    const { bounds, logBytes } = made.hosts[0]!.status();
    expect(logBytes).toBeGreaterThan(25_000);
    expect(logBytes).toBeLessThanOrEqual(50_000);
    expect(bounds!.bytes).toBeGreaterThan(300_000);
    expect(bounds!.bytes).toBeLessThanOrEqual(400_000);
  });

  it("with eviction none refuses local writes, and takes what others write", () => {
    const made = new VirtualCluster({
      settings: (index) => ({
        joinWaitMs: 50,
        ...(index === 1 ? { maxEntries: 3, eviction: "none" as const } : {}),
      }),
    });
    made.add();
    made.add();
    made.settle();
    fill(made, 0, 5);
    made.settle();
    expect(made.hosts[1]!.size).toBe(5);
    expect(() => made.hosts[1]!.set("x", "1")).toThrow(refused("STORE_FULL"));
    expect(made.hosts[1]!.status().partial).toBe(false);
  });

  it("lets keys go whose deadline was set by expire, with that deadline", () => {
    const made = cluster([0, 2]);
    fill(made, 0, 8);
    for (let i = 0; i < 8; i++) made.hosts[0]!.expire(`k${i}`, "1h");
    made.settle();
    made.run(HEARTBEATS_MS);
    expect(made.hosts[1]!.size).toBe(2);
    expect(made.hosts[0]!.ttl("k0")).toBeGreaterThan(3_500_000);
  });

  it("lets expired values go for itself alone, and others remove what it wrote", () => {
    const made = cluster([0, 4]);
    fill(made, 1, 20);
    made.settle();
    made.run(HEARTBEATS_MS);
    for (let i = 0; i < 4; i++) made.hosts[1]!.set(`t${i}`, "x", { ttl: 1_000 });
    made.settle();
    made.run(60_000);
    expect(made.hosts.map((host) => [...host.keys({ prefix: "t" })])).toEqual([[], []]);
    const held = made.hosts.map((host) =>
      [...host.inspect().keys.keys()].filter((key) => key.startsWith("t")),
    );
    expect(held).toEqual([[], []]);
    made.settle();
  });
});

describe("what a host let go", () => {
  /** k0 is let go on host 1 and stands on host 0. */
  function letGo(sizes: readonly number[] = [0, 2], settings: Partial<Settings> = {}): VirtualCluster {
    const made = cluster(sizes, settings);
    made.hosts[0]!.set("k0", "5");
    made.settle();
    fill(made, 0, 6, "other");
    made.settle();
    made.run(HEARTBEATS_MS);
    expect(made.hosts[1]!.get("k0")).toBeUndefined();
    expect(made.hosts[0]!.get("k0")).toBe("5");
    return made;
  }

  it("goes everywhere with a set there, so that it cannot come back", () => {
    const made = letGo();
    made.hosts[1]!.set("k0", "new", { ttl: 1_000 });
    made.settle();
    expect(made.hosts.map((host) => host.get("k0"))).toEqual(["new", "new"]);
    made.run(1_001);
    expect(made.hosts.map((host) => host.get("k0"))).toEqual([undefined, undefined]);
    made.run(30_000);
    expect(made.hosts[0]!.inspect().keys.has("k0")).toBe(false);
  });

  it("goes everywhere with a delete there, which can count only what it sees", () => {
    const made = letGo();
    expect(made.hosts[1]!.delete("k0")).toBe(0);
    made.settle();
    expect(made.hosts[0]!.get("k0")).toBeUndefined();
  });

  it("goes everywhere when a set or a list is begun there", () => {
    const made = letGo();
    made.hosts[1]!.setAdd("k0", "a", "b");
    made.settle();
    expect(made.hosts.map((host) => host.type("k0"))).toEqual(["set", "set"]);
    expect(
      made.hosts[0]!.inspect()
        .keys.get("k0")!
        .entries.map(({ kind }) => kind),
    ).toEqual(["member", "member"]);
  });

  it("survives a clear of what is elsewhere, and falls to one of its own prefix", () => {
    const made = letGo();
    made.hosts[1]!.clear({ prefix: "other" });
    made.settle();
    expect(made.hosts[0]!.get("k0")).toBe("5");
    made.hosts[1]!.clear();
    made.settle();
    expect(made.hosts[0]!.size).toBe(0);
  });

  it("is not counted on from 0: an increment there is refused, and changes nothing", () => {
    const made = letGo();
    const before = made.hosts[1]!.status();
    expect(() => made.hosts[1]!.increment("k0")).toThrow(refused("EVICTED"));
    expect(made.hosts[1]!.status().highWaterMarks).toEqual(before.highWaterMarks);
    expect(made.hosts[1]!.increment("a key never let go")).toBe(1);
  });

  it("is not appended to, given its old deadline, or taken for absent", () => {
    const made = letGo();
    const [, small] = made.hosts;
    expect(() => small!.set("k0", "x", { keepTtl: true })).toThrow(refused("EVICTED"));
    expect(() => small!.set("k0", "x", { onlyIf: "absent" })).toThrow(refused("EVICTED"));
    expect(small!.set("k0", "x", { onlyIf: "present" })).toBe(false);
    made.settle();
    expect(made.hosts[0]!.get("k0")).toBe("5");
  });

  it("stays hidden when an increment elsewhere brings a part of it back", () => {
    const made = letGo();
    expect(made.hosts[0]!.increment("k0", 2)).toBe(7);
    made.settle();
    expect(made.hosts[1]!.has("k0")).toBe(false);
    made.hosts[0]!.set("k0", "whole");
    made.settle();
    expect(made.hosts[1]!.get("k0")).toBe("whole");
  });

  it("hides a concurrent value of a host that had not seen it, which loses to it elsewhere", () => {
    const made = cluster([0, 2, 0]);
    made.isolate(2);
    made.run(10_000);
    made.hosts[2]!.set("k0", "lost");
    made.run(10);
    made.hosts[0]!.set("k0", "won");
    fill(made, 0, 6, "other");
    made.run(HEARTBEATS_MS);
    expect(made.hosts[1]!.get("k0")).toBeUndefined();
    made.heal();
    made.settle();
    expect(made.hosts.map((host) => host.get("k0"))).toEqual(["won", undefined, "won"]);
    expect([...made.hosts[1]!.keys()]).not.toContain("k0");
    made.hosts[2]!.set("k0", "later");
    made.settle();
    expect(made.hosts.map((host) => host.get("k0"))).toEqual(["later", "later", "later"]);
  });

  it("is had again by nobody who joins from that host, but not taken for deleted", () => {
    const made = letGo([0, 2]);
    made.crash(0);
    made.run(10_000);
    made.add();
    made.run(5_000);
    const joined = made.hosts[2]!;
    expect(joined.status()).toMatchObject({ state: "ready", partial: true });
    expect(joined.get("k0")).toBeUndefined();
    joined.set("k0", "again");
    made.run(1_000);
    expect(made.hosts[1]!.get("k0")).toBe("again");
  });

  it("is not overwritten elsewhere by what an upstream has of it", async () => {
    const made = new VirtualCluster({
      options: { upstream: () => "older" },
      settings: (index) => ({
        joinWaitMs: 50,
        ...(index === 1 ? { maxEntries: 2, eviction: "lru" as const } : {}),
      }),
    });
    made.add();
    made.add();
    made.settle();
    made.hosts[0]!.set("k0", "newest");
    fill(made, 0, 6, "other");
    made.settle();
    made.run(HEARTBEATS_MS);
    expect(made.hosts[1]!.has("k0")).toBe(false);
    await made.until(made.hosts[1]!.getOrLoad("k0"));
    made.settle();
    expect(made.hosts[0]!.get("k0")).toBe("newest");
  });

  it("is taken over from a complete host where there is one", () => {
    const made = letGo([0, 2]);
    made.add();
    made.settle();
    expect(made.hosts[2]!.status().partial).toBe(false);
    expect(made.hosts[2]!.get("k0")).toBe("5");
  });
});
