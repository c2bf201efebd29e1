/** Writes that take what one key holds to another, and what else the Redis door needs of a host. */
import { describe, expect, it } from "vitest";
import { startCluster } from "../../../src/testing/cluster.ts";
import { standalone } from "../support/standalone.ts";

const BYTES = new Uint8Array([0xff, 0x00, 0xfe]);

describe("rename and copy", () => {
  it("take strings, sets and lists with their deadlines, replacing what is there", () => {
    const { host, time } = standalone();
    host.set("s", BYTES, { ttl: 1_000 });
    host.setAdd("m", "a", "b");
    host.listPush("l", "1", "2", "1");
    expect(host.copy("s", "copy")).toBe(true);
    expect(host.rename("s", "m")).toBe(true);
    expect(host.getValue("m")).toEqual(BYTES);
    expect(host.ttl("m")).toBe(1_000);
    expect(host.has("s")).toBe(false);
    expect(host.rename("l", "copy")).toBe(true);
    expect(host.listRange("copy")).toEqual(["1", "2", "1"]);
    expect(host.ttl("copy")).toBe(Number.POSITIVE_INFINITY);
    time.run(1_001);
    expect(host.has("m")).toBe(false);
  });

  it("leave all as it is where the source is absent or the target is wanted absent", () => {
    const { host } = standalone();
    host.set("a", "1");
    host.set("b", "2");
    expect(host.rename("none", "a")).toBe(false);
    expect(host.copy("none", "a")).toBe(false);
    expect(host.rename("a", "b", { onlyIf: "absent" })).toBe(false);
    expect(host.copy("a", "a", { onlyIf: "absent" })).toBe(false);
    expect(host.rename("a", "a")).toBe(true);
    expect([host.get("a"), host.get("b")]).toEqual(["1", "2"]);
  });

  it("give a counter on as a string that counts on", () => {
    const { host } = standalone();
    host.increment("n", 41);
    host.rename("n", "m");
    expect(host.increment("m")).toBe(42);
  });
});

describe("deadlines as moments", () => {
  it("are what expiresAt tells, and remove the key when they have passed", () => {
    const { host } = standalone();
    const at = Math.floor(host.now()) + 5_000;
    host.set("a", "1", { expiresAt: at });
    expect(host.expiresAt("a")).toBe(at);
    expect(host.expireAt("a", at + 1)).toBe(true);
    expect(host.expiresAt("a")).toBe(at + 1);
    expect(host.expireAt("a", 1)).toBe(true);
    expect(host.has("a")).toBe(false);
    expect(host.expireAt("a", at)).toBe(false);
    host.set("b", "1");
    expect(host.set("b", "2", { expiresAt: 1 })).toBe(true);
    expect(host.expiresAt("b")).toBeUndefined();
    expect(() => host.set("b", "2", { expiresAt: at, ttl: 1 })).toThrow("give one of ttl, expiresAt");
    expect(() => host.expireAt("b", 1.5)).toThrow("a deadline is a whole number");
  });
});

describe("sets", () => {
  it("hand a member over", () => {
    const { host } = standalone();
    host.setAdd("a", "1", "2");
    host.setAdd("b", "2");
    expect(host.setMove("a", "b", "3")).toBe(false);
    expect(host.setMove("a", "b", "2")).toBe(true);
    expect(host.setMove("a", "b", "1")).toBe(true);
    expect(host.has("a")).toBe(false);
    expect(host.setMembers("b").sort()).toEqual(["1", "2"]);
    expect(host.setMove("b", "b", "1")).toBe(true);
    host.set("s", "x");
    expect(() => host.setMove("b", "s", "1")).toThrow("holds a string");
    expect(host.setSize("b")).toBe(2);
  });

  it("are stored as a whole, with a deadline", () => {
    const { host } = standalone();
    host.set("a", "string");
    expect(host.setStore("a", ["x", "y", "x"], { expiresAt: host.now() + 1_000 })).toBe(2);
    expect([host.type("a"), host.ttl("a")]).toEqual(["set", 1_000]);
    expect(host.setStore("a", [])).toBe(0);
    expect(host.has("a")).toBe(false);
  });

  it("give distinct members at random, all of them in time", () => {
    const { host } = standalone();
    const all = Array.from({ length: 20 }, (_, index) => `m${index}`);
    host.setAdd("a", ...all);
    const seen = new Set<unknown>();
    for (let i = 0; i < 200; i++) {
      const some = host.setRandom("a", 5);
      expect(new Set(some).size).toBe(5);
      for (const member of some) seen.add(member);
    }
    expect(seen.size).toBe(20);
    expect(host.setRandom("a", 50)).toHaveLength(20);
    expect(host.setRandom("none", 5)).toEqual([]);
  });

  it("are scanned whole while they change", () => {
    const { host } = standalone();
    const stay = Array.from({ length: 2_000 }, (_, index) => `stay${index}`);
    host.setAdd("a", ...stay, BYTES);
    const found = new Set<unknown>();
    let cursor = 0;
    let steps = 0;
    do {
      const step = host.setScan("a", cursor, { count: 100 });
      for (const member of step.members) found.add(member);
      cursor = step.cursor;
      host.setAdd("a", `new${steps}`);
      host.setRemove("a", `new${steps - 1}`);
      steps++;
    } while (cursor !== 0);
    expect(steps).toBeGreaterThan(10);
    expect(stay.every((member) => found.has(member))).toBe(true);
    expect(host.setScan("a", 0, { match: "stay1", count: 5_000 }).members).toEqual(["stay1"]);
    expect(() => host.setScan("a", -1)).toThrow("cursor takes 0");
  });
});

describe("lists", () => {
  it("hand an element over, or turn round", () => {
    const { host } = standalone();
    host.listPush("a", "1", "2", "3");
    expect(host.listMove("a", "b", { from: "head", to: "tail" })).toBe("1");
    expect(host.listMove("a", "b", { from: "tail", to: "head" })).toBe("3");
    expect(host.listRange("b")).toEqual(["3", "1"]);
    expect(host.listMove("b", "b", { from: "head", to: "tail" })).toBe("3");
    expect(host.listRange("b")).toEqual(["1", "3"]);
    expect(host.listMove("a", "a", { from: "head", to: "tail" })).toBe("2");
    expect(host.listMove("a", "b", { from: "head", to: "tail" })).toBe("2");
    expect(host.has("a")).toBe(false);
    expect(host.listMove("a", "b", { from: "head", to: "tail" })).toBeUndefined();
  });

  it("tell where equal elements stand", () => {
    const { host } = standalone();
    host.listPush("a", "x", "y", "x", "z", "x");
    expect(host.listPositions("a", "x")).toEqual([0]);
    expect(host.listPositions("a", "x", { count: 0 })).toEqual([0, 2, 4]);
    expect(host.listPositions("a", "x", { rank: -2, count: 0 })).toEqual([2, 0]);
    expect(host.listPositions("a", "x", { rank: 2, limit: 2 })).toEqual([]);
    expect(() => host.listPositions("a", "x", { rank: 0 })).toThrow("rank is not 0");
  });

  it("are stored as a whole", () => {
    const { host } = standalone();
    host.listPush("a", "old");
    expect(host.listStore("a", ["1", "1", BYTES])).toBe(3);
    expect(host.listRange("a")).toEqual(["1", "1", BYTES]);
  });
});

describe("randomKey", () => {
  it("finds the only one among many that went", () => {
    const { host } = standalone();
    for (let i = 0; i < 5_000; i++) host.set(`k${i}`, "v");
    for (let i = 1; i < 5_000; i++) host.delete(`k${i}`);
    expect(host.randomKey()).toBe("k0");
    host.delete("k0");
    expect(host.randomKey()).toBeUndefined();
  });
});

describe("on other hosts", () => {
  it("all of it arrives", () => {
    const cluster = startCluster({ hosts: 2 });
    const [a, b] = [cluster.hosts[0]!, cluster.hosts[1]!];
    a.set("from", "v", { ttl: "1h" });
    a.increment("n", 7);
    a.setAdd("s", "1", "2");
    a.listPush("l", "1", "2", "3");
    cluster.settle();
    b.rename("from", "to");
    b.rename("n", "m");
    b.setMove("s", "t", "1");
    b.listMove("l", "l", { from: "head", to: "tail" });
    b.copy("l", "copy");
    b.listStore("stored", ["x", "y"]);
    cluster.settle();
    expect([a.get("to"), a.get("from"), a.get("m"), a.get("n")]).toEqual(["v", undefined, "7", undefined]);
    expect(a.expiresAt("to")).toBe(b.expiresAt("to"));
    expect([a.setMembers("s"), a.setMembers("t")]).toEqual([["2"], ["1"]]);
    expect(a.listRange("l")).toEqual(["2", "3", "1"]);
    expect(a.listRange("copy")).toEqual(["2", "3", "1"]);
    expect(a.listRange("stored")).toEqual(["x", "y"]);
  });
});
