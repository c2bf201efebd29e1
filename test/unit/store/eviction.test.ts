import { describe, expect, it } from "vitest";
import { createHost, type Host } from "../../../src/host.ts";
import { type OpenOptions, resolveSettings } from "../../../src/options.ts";
import { Random } from "../../../src/testing/random.ts";
import type { KeyChange } from "../../../src/watch.ts";
import { systemWorld } from "../../../src/world.ts";

const opened = (options: OpenOptions): Host => createHost(resolveSettings(options), systemWorld(), undefined);

describe.each(["lru", "s3fifo"] as const)("a bounded store that evicts by %s", (eviction) => {
  it("never holds more than maxEntries, and always holds what was written last", () => {
    const kv = opened({ maxEntries: 100, eviction });
    for (let i = 0; i < 2_000; i++) {
      kv.set(`key-${i}`, `${i}`);
      expect(kv.size).toBeLessThanOrEqual(100);
      expect(kv.get(`key-${i}`)).toBe(`${i}`);
    }
    expect(kv.size).toBe(100);
    expect(kv.status().bounds).toMatchObject({ evicted: 1_900, exceeded: false });
  });

  it("keeps what is read often while others come and go", () => {
    const kv = opened({ maxEntries: 200, eviction });
    for (let i = 0; i < 50; i++) kv.set(`hot-${i}`, "hot");
    for (let i = 0; i < 5_000; i++) {
      kv.get(`hot-${i % 50}`);
      kv.set(`cold-${i}`, "cold");
    }
    const kept = Array.from({ length: 50 }, (_, i) => kv.has(`hot-${i}`)).filter(Boolean).length;
    expect(kept).toBe(50);
  });

  it("never lets sets, lists and counters go, which could not be had again whole", () => {
    const kv = opened({ maxEntries: 100, eviction });
    for (let i = 0; i < 30; i++) {
      kv.setAdd(`set-${i}`, "a");
      kv.listPush(`list-${i}`, "a");
      kv.increment(`counter-${i}`);
    }
    for (let i = 0; i < 1_000; i++) kv.set(`key-${i}`, "x");
    for (let i = 0; i < 30; i++) {
      expect([kv.setSize(`set-${i}`), kv.listLength(`list-${i}`), kv.get(`counter-${i}`)]).toEqual([
        1,
        1,
        "1",
      ]);
    }
    expect(kv.size).toBe(100);
  });

  it("refuses a new key when nothing may go, and changes nothing", () => {
    const kv = opened({ maxEntries: 3, eviction });
    for (let i = 0; i < 3; i++) kv.setAdd(`set-${i}`, "a");
    expect(() => kv.set("one more", "x")).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
    expect(kv.has("one more")).toBe(false);
    kv.delete("set-0");
    expect(kv.set("one more", "x")).toBe(true);
  });

  it("keeps maxBytes, whatever the size of the values", () => {
    const random = new Random(7);
    const kv = opened({ maxBytes: "256kb", eviction });
    for (let i = 0; i < 3_000; i++) {
      kv.set(`key-${i % 700}`, "x".repeat(Math.floor(random.next() * 2_000)));
      expect(kv.status().bounds!.bytes).toBeLessThanOrEqual(256 * 1024);
    }
  });

  it("tells watchers of an eviction as such", async () => {
    const kv = opened({ maxEntries: 2, eviction });
    const changes = kv.watch();
    expect(await changes.next()).toMatchObject({ value: { type: "synced" } });
    for (const key of ["a", "b", "c"]) kv.set(key, key);
    const seen: KeyChange[] = [];
    while (seen.length < 4) seen.push((await changes.next()).value as KeyChange);
    expect(seen.map(({ type, key }) => `${type} ${key}`)).toContain("evict a");
    expect(seen.find(({ type }) => type === "evict")).toMatchObject({ previous: "a", value: undefined });
    await kv.close();
  });

  it("goes on keeping its bound through deletes, expiry of arguments and shards that split", () => {
    const random = new Random(11);
    const kv = opened({ maxEntries: 70_000, eviction });
    for (let i = 0; i < 150_000; i++) {
      kv.set(`key-${i}`, "x");
      if (random.next() < 0.2) kv.delete(`key-${Math.floor(random.next() * i)}`);
    }
    expect(kv.size).toBeLessThanOrEqual(70_000);
    expect(kv.size).toBeGreaterThan(60_000);
  });
});

describe("a bounded store that does not evict", () => {
  it("refuses new keys at its bound, and still replaces, deletes and reads", () => {
    const kv = opened({ maxEntries: 2, eviction: "none" });
    kv.set("a", "1");
    kv.set("b", "1");
    expect(() => kv.set("c", "1")).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
    expect(() => kv.increment("n")).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
    kv.set("a", "2");
    expect([kv.get("a"), kv.get("b"), kv.has("c"), kv.has("n")]).toEqual(["2", "1", false, false]);
    kv.delete("b");
    expect(kv.increment("n")).toBe(1);
  });

  it("counts about what V8 takes for each kind of content, and nothing any more when it is gone", () => {
    const kv = opened({ maxBytes: "64mb", eviction: "none" });
    const bytes = (): number => kv.status().bounds!.bytes;
    const growth = (write: () => unknown): number => {
      const before = bytes();
      write();
      return bytes() - before;
    };
    const small = growth(() => kv.set("small", "x"));
    expect(growth(() => kv.set("a".repeat(105), "x")) - small).toBe(104);
    expect(growth(() => kv.set("large", "x".repeat(4_000))) - small).toBe(3_992);
    expect(growth(() => kv.set("wider", "\u2020".repeat(4_000))) - small).toBe(7_992);
    expect(growth(() => kv.set("bytes", new Uint8Array(4_000).fill(255)))).toBeGreaterThan(4_000 + small);
    expect(growth(() => kv.set("large", "x"))).toBe(-3_992);
    for (const write of [
      () => kv.setAdd("set", "a", "b"),
      () => kv.listPush("list", "a", "b"),
      () => kv.increment("counter"),
      () => kv.expire("set", "1h"),
      () => kv.setAdd("set", "c"),
    ]) {
      expect(growth(write)).toBeGreaterThan(100);
    }
    expect(growth(() => kv.setRemove("set", "c"))).toBeLessThan(-100);
    kv.set("untimed", "x");
    kv.set("timed", "x", { ttl: "1h" });
    const byMark = growth(() => kv.expire("untimed", "2h"));
    expect(growth(() => kv.expire("timed", "2h"))).toBeGreaterThan(byMark + 200);
    kv.delete(...kv.keys());
    expect(bytes()).toBe(0);
  });

  it("counts the bytes of sets and lists", () => {
    const kv = opened({ maxBytes: "64kb", eviction: "none" });
    const fill = (): void => {
      for (let i = 0; i < 10_000; i++) kv.setAdd("set", `member-${i}`);
    };
    expect(fill).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
    const size = kv.setSize("set");
    expect(size).toBeGreaterThan(100);
    kv.setRemove("set", ...(kv.setMembers("set").slice(0, 50) as string[]));
    kv.setAdd("set", "room again");
    expect(kv.setSize("set")).toBe(size - 49);
  });
});
