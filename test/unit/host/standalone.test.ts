/** A host by itself: every method of `Tidemark` and every code it is documented to throw. */
import { describe, expect, it } from "vitest";
import type { Host } from "../../../src/host.ts";
import type { OpenOptions } from "../../../src/options.ts";
import { open } from "../../../src/tidemark.ts";
import type { Change } from "../../../src/watch.ts";
import { standalone } from "../support/standalone.ts";

const host = (options?: OpenOptions): Host => standalone(options).host;
const refused = (code: string) => expect.objectContaining({ name: "TidemarkError", code });

describe("strings", () => {
  it("are there once set, and undefined otherwise; the empty one is a value", () => {
    const kv = host();
    expect([kv.get("key"), kv.getBytes("key"), kv.has("key"), kv.type("key")]).toEqual([
      undefined,
      undefined,
      false,
      undefined,
    ]);
    expect(kv.set("key", "")).toBe(true);
    expect([kv.get("key"), kv.has("key"), kv.type("key"), kv.size]).toEqual(["", true, "string", 1]);
    kv.set("", "under the empty key");
    expect(kv.get("")).toBe("under the empty key");
  });

  it("are text or bytes, one kind of value compared as bytes", () => {
    const kv = host();
    kv.set("text", new TextEncoder().encode("水"));
    expect(kv.get("text")).toBe("水");
    kv.set("bytes", Uint8Array.of(0xff, 0x00));
    expect([...kv.getBytes("bytes")!]).toEqual([0xff, 0x00]);
    expect(() => kv.get("bytes")).toThrow(refused("NOT_TEXT"));
    expect(new TextDecoder().decode(kv.getBytes("text"))).toBe("水");
  });

  it("are the host's own: neither what was given nor what was handed out reaches them", () => {
    const kv = host();
    const given = Uint8Array.of(0xff, 1);
    kv.set("key", given);
    given[1] = 9;
    kv.getBytes("key")![1] = 8;
    expect([...kv.getBytes("key")!]).toEqual([0xff, 1]);
  });

  it("are set only if absent, or only if present", () => {
    const kv = host();
    expect(kv.set("key", "1", { onlyIf: "present" })).toBe(false);
    expect(kv.set("key", "2", { onlyIf: "absent" })).toBe(true);
    expect(kv.set("key", "3", { onlyIf: "absent" })).toBe(false);
    expect(kv.set("key", "4", { onlyIf: "present" })).toBe(true);
    expect(kv.get("key")).toBe("4");
    expect(() => kv.set("key", "x", { onlyIf: "maybe" as never })).toThrow(refused("INVALID_ARGUMENT"));
  });

  it("replace whatever the key holds", () => {
    const kv = host();
    kv.setAdd("key", "m");
    kv.set("key", "x");
    expect([kv.type("key"), kv.get("key")]).toEqual(["string", "x"]);
  });

  it("are set several at once, the last one of a key winning, or none at all", () => {
    const kv = host();
    kv.setMany(new Map([["a", "1"]]));
    kv.setMany([
      ["b", "2"],
      ["b", "3"],
    ]);
    expect([kv.get("a"), kv.get("b"), kv.size]).toEqual(["1", "3", 2]);
    const wrong = [
      ["c", "x"],
      ["d", "\ud800"],
    ] as const;
    expect(() => kv.setMany(wrong)).toThrow(refused("INVALID_STRING"));
    expect(kv.has("c")).toBe(false);
  });
});

describe("limits", () => {
  it("of keys and values are counted in bytes of UTF-8, and past them nothing is changed", () => {
    const kv = host({ maxKeyBytes: 4, maxValueBytes: 6 });
    kv.set("éé", "水水");
    expect(() => kv.set("ééx", "x")).toThrow(refused("KEY_TOO_LARGE"));
    expect(() => kv.set("éé", "水水x")).toThrow(refused("VALUE_TOO_LARGE"));
    expect(() => kv.set("éé", new Uint8Array(7))).toThrow(refused("VALUE_TOO_LARGE"));
    expect(() => kv.setMany([["a", "1234567"]])).toThrow(refused("VALUE_TOO_LARGE"));
    expect(() => kv.setAdd("s", "ok", "1234567")).toThrow(refused("VALUE_TOO_LARGE"));
    expect(() => kv.listPush("l", "ok", "1234567")).toThrow(refused("VALUE_TOO_LARGE"));
    expect([...kv.keys()]).toEqual(["éé"]);
    expect(kv.get("éé")).toBe("水水");
  });

  it("hold by default: keys to 64 KiB, values to 8 MiB", () => {
    const kv = host();
    kv.set("k".repeat(65_536), "v".repeat(8 * 1024 * 1024));
    expect(() => kv.set("k".repeat(65_537), "v")).toThrow(refused("KEY_TOO_LARGE"));
    expect(() => kv.set("k", "v".repeat(8 * 1024 * 1024 + 1))).toThrow(refused("VALUE_TOO_LARGE"));
  });

  it.each<[string, (kv: Host) => unknown]>([
    ["set", (kv) => kv.set("\ud800", "x")],
    ["set", (kv) => kv.set("k", "\udc00")],
    ["increment", (kv) => kv.increment("\ud800")],
    ["expire", (kv) => kv.expire("\ud800", 1)],
    ["delete", (kv) => kv.delete("\ud800")],
    ["clear", (kv) => kv.clear({ prefix: "\ud800" })],
    ["setAdd", (kv) => kv.setAdd("k", "\ud800")],
    ["setRemove", (kv) => kv.setRemove("k", "\ud800")],
    ["listPush", (kv) => kv.listPush("k", "\ud800")],
    ["listInsert", (kv) => kv.listInsert("k", "before", "\ud800", "x")],
  ])("refuse half of a surrogate pair, in %s", (_, act) => {
    expect(() => act(host())).toThrow(refused("INVALID_STRING"));
  });

  it.each<[string, (kv: Host) => unknown]>([
    ["a key that is a number", (kv) => kv.set(5 as never, "x")],
    ["a value that is a number", (kv) => kv.set("k", 5 as never)],
    ["a value that is null", (kv) => kv.set("k", null as never)],
    ["a ttl of 0", (kv) => kv.set("k", "x", { ttl: 0 })],
    ["a ttl below 0", (kv) => kv.set("k", "x", { ttl: -1 })],
    ["a ttl that is no duration", (kv) => kv.set("k", "x", { ttl: "soon" as never })],
    ["a ttl and keepTtl", (kv) => kv.set("k", "x", { ttl: 1, keepTtl: true })],
    ["an expire that is no duration", (kv) => kv.expire("k", Number.NaN)],
    ["a count with a fraction", (kv) => kv.listRemove("k", "x", 1.5)],
    ["a cursor below 0", (kv) => kv.scan(-1)],
    ["a cursor beyond the last", (kv) => kv.scan(4_096)],
    ["a pattern that is none", (kv) => kv.keys({ match: 5 as never }).next()],
  ])("refuse %s", (_, act) => {
    expect(() => act(host())).toThrow(refused("INVALID_ARGUMENT"));
  });
});

describe("counters", () => {
  it("begin at 0, are read as strings, and answer with a number for a number and a bigint for a bigint", () => {
    const kv = host();
    expect([kv.increment("n"), kv.increment("n", 5), kv.increment("n", -7), kv.increment("n", 3n)]).toEqual([
      1,
      6,
      -1,
      2n,
    ]);
    expect([kv.get("n"), kv.type("n"), new TextDecoder().decode(kv.getBytes("n"))]).toEqual([
      "2",
      "string",
      "2",
    ]);
    expect([...kv.entries()]).toEqual([["n", "2"]]);
  });

  it("begin at the number that a string spells", () => {
    const kv = host();
    kv.set("n", "-41");
    expect(kv.increment("n", 83)).toBe(42);
    kv.set("n", "10");
    expect(kv.increment("n")).toBe(11);
  });

  it.each(["", "x", "1.5", " 1", "+1", "01", "-0", "1e3", "9223372036854775808", "99999999999999999999"])(
    "do not begin at %j",
    (text) => {
      const kv = host();
      kv.set("n", text);
      expect(() => kv.increment("n")).toThrow(refused("NOT_AN_INTEGER"));
      expect(kv.get("n")).toBe(text);
    },
  );

  it("do not begin at bytes, nor count by what is no integer", () => {
    const kv = host();
    kv.set("n", Uint8Array.of(0xff));
    expect(() => kv.increment("n")).toThrow(refused("NOT_AN_INTEGER"));
    for (const delta of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => kv.increment("m", delta)).toThrow(refused("NOT_AN_INTEGER"));
    }
    expect(kv.has("m")).toBe(false);
  });

  it("stay within 64 bits, and within a number where one is to be returned, before anything is applied", () => {
    const kv = host();
    const most = 2n ** 63n - 1n;
    expect(kv.increment("n", most)).toBe(most);
    expect(() => kv.increment("n", 1n)).toThrow(refused("OUT_OF_RANGE"));
    expect(() => kv.increment("n")).toThrow(refused("OUT_OF_RANGE"));
    expect(kv.get("n")).toBe(String(most));
    expect(kv.increment("n", -most - 1n)).toBe(-1n);
    expect(() => kv.increment("m", -(2n ** 63n) - 1n)).toThrow(refused("OUT_OF_RANGE"));
    kv.increment("m", Number.MAX_SAFE_INTEGER);
    expect(() => kv.increment("m")).toThrow(refused("OUT_OF_RANGE"));
    expect(kv.increment("m", 1n)).toBe(2n ** 53n);
  });
});

describe("an operation on another kind of value", () => {
  const fill = (kv: Host): void => {
    kv.set("string", "x");
    kv.setAdd("set", "x");
    kv.listPush("list", "x");
  };
  const operations: Record<string, Record<string, (kv: Host, key: string) => unknown>> = {
    string: {
      get: (kv, key) => kv.get(key),
      getBytes: (kv, key) => kv.getBytes(key),
      increment: (kv, key) => kv.increment(key),
    },
    set: {
      setAdd: (kv, key) => kv.setAdd(key, "y"),
      setRemove: (kv, key) => kv.setRemove(key, "x"),
      setMembers: (kv, key) => kv.setMembers(key),
      setHas: (kv, key) => kv.setHas(key, "x"),
      setSize: (kv, key) => kv.setSize(key),
      setUnion: (kv, key) => kv.setUnion("set", key),
      setIntersection: (kv, key) => kv.setIntersection("set", key),
      setDifference: (kv, key) => kv.setDifference("set", key),
    },
    list: {
      listPush: (kv, key) => kv.listPush(key, "y"),
      listUnshift: (kv, key) => kv.listUnshift(key, "y"),
      listPop: (kv, key) => kv.listPop(key),
      listShift: (kv, key) => kv.listShift(key),
      listRemove: (kv, key) => kv.listRemove(key, "x"),
      listInsert: (kv, key) => kv.listInsert(key, "before", "x", "y"),
      listSet: (kv, key) => kv.listSet(key, 0, "y"),
      listTrim: (kv, key) => kv.listTrim(key, 0, 0),
      listClear: (kv, key) => kv.listClear(key),
      listRange: (kv, key) => kv.listRange(key),
      listLength: (kv, key) => kv.listLength(key),
    },
  };
  const cases = Object.entries(operations).flatMap(([type, ofType]) =>
    Object.entries(ofType).flatMap(([name, act]) =>
      ["string", "set", "list"].filter((key) => key !== type).map((key) => [name, key, act] as const),
    ),
  );
  it.each(cases)("%s on a %s is refused, and changes nothing", (_, key, act) => {
    const kv = host();
    fill(kv);
    const before = kv.status().digest;
    expect(() => act(kv, key)).toThrow(refused("WRONG_TYPE"));
    expect(kv.status().digest).toBe(before);
  });
});

describe("sets", () => {
  it("hold members once, and are gone with the last one", () => {
    const kv = host();
    expect([kv.setAdd("s", "a", "b", "a"), kv.setAdd("s", "b", "c"), kv.setAdd("s")]).toEqual([2, 1, 0]);
    expect(kv.setMembers("s").sort()).toEqual(["a", "b", "c"]);
    expect([kv.setSize("s"), kv.setHas("s", "c"), kv.setHas("s", "d"), kv.type("s")]).toEqual([
      3,
      true,
      false,
      "set",
    ]);
    expect([kv.setRemove("s", "a", "x", "a"), kv.setRemove("s", "b", "c"), kv.setRemove("s", "c")]).toEqual([
      1, 2, 0,
    ]);
    expect([kv.has("s"), kv.setSize("s"), kv.setMembers("s"), kv.setHas("s", "a")]).toEqual([
      false,
      0,
      [],
      false,
    ]);
  });

  it("compare members as bytes", () => {
    const kv = host();
    kv.setAdd("s", "a", new TextEncoder().encode("a"), Uint8Array.of(0xff), Uint8Array.of(0xff));
    expect(kv.setSize("s")).toBe(2);
    expect(kv.setHas("s", Uint8Array.of(0xff))).toBe(true);
    expect(kv.setMembers("s")).toContainEqual(Uint8Array.of(0xff));
  });

  it("are united, intersected and subtracted, absent ones being empty", () => {
    const kv = host();
    kv.setAdd("a", "1", "2", "3");
    kv.setAdd("b", "2", "3", "4");
    kv.setAdd("c", "3");
    expect(kv.setUnion("a", "b", "none").sort()).toEqual(["1", "2", "3", "4"]);
    expect(kv.setIntersection("a", "b", "c")).toEqual(["3"]);
    expect(kv.setIntersection("a", "none")).toEqual([]);
    expect(kv.setDifference("a", "b", "none")).toEqual(["1"]);
    expect([kv.setUnion(), kv.setIntersection(), kv.setDifference()]).toEqual([[], [], []]);
  });
});

describe("lists", () => {
  it("grow and shrink at both ends", () => {
    const kv = host();
    expect([kv.listPush("l", "c", "d"), kv.listUnshift("l", "b", "a"), kv.listPush("l")]).toEqual([2, 4, 4]);
    expect(kv.listRange("l")).toEqual(["a", "b", "c", "d"]);
    expect([kv.listPop("l"), kv.listShift("l"), kv.listLength("l")]).toEqual(["d", "a", 2]);
    expect([kv.listPop("l"), kv.listPop("l"), kv.listPop("l"), kv.listShift("l"), kv.has("l")]).toEqual([
      "c",
      "b",
      undefined,
      undefined,
      false,
    ]);
  });

  it("are read by ranges as Redis has them", () => {
    const kv = host();
    kv.listPush("l", "a", "b", "c");
    expect([
      kv.listRange("l", 1),
      kv.listRange("l", 0, 0),
      kv.listRange("l", -2, -1),
      kv.listRange("l", -9, 9),
      kv.listRange("l", 2, 1),
      kv.listRange("l", 3),
      kv.listRange("none"),
    ]).toEqual([["b", "c"], ["a"], ["b", "c"], ["a", "b", "c"], [], [], []]);
  });

  it("are changed within", () => {
    const kv = host();
    kv.listPush("l", "a", "b", "a", "c", "a");
    expect([kv.listRemove("l", "a", -1), kv.listRemove("l", "a", 1), kv.listRemove("l", "x")]).toEqual([
      1, 1, 0,
    ]);
    expect(kv.listRange("l")).toEqual(["b", "a", "c"]);
    expect([kv.listSet("l", -1, "C"), kv.listSet("l", 3, "x"), kv.listSet("none", 0, "x")]).toEqual([
      true,
      false,
      false,
    ]);
    expect([
      kv.listInsert("l", "before", "b", "first"),
      kv.listInsert("l", "after", "C", "last"),
      kv.listInsert("l", "after", "b", "mid"),
      kv.listInsert("l", "after", "absent", "x"),
      kv.listInsert("none", "after", "b", "x"),
    ]).toEqual([4, 5, 6, -1, 0]);
    expect(kv.listRange("l")).toEqual(["first", "b", "mid", "a", "C", "last"]);
    kv.listTrim("l", 1, -2);
    expect(kv.listRange("l")).toEqual(["b", "mid", "a", "C"]);
    expect([kv.listClear("l"), kv.listClear("l"), kv.has("l")]).toEqual([4, 0, false]);
  });

  it("take a hundred insertions at one place in their order", () => {
    const kv = host();
    kv.listPush("l", "a", "z");
    for (let i = 0; i < 100; i++) kv.listInsert("l", "before", "z", String(i));
    expect(kv.listRange("l")).toEqual(["a", ...Array.from({ length: 100 }, (_, i) => String(i)), "z"]);
  });
});

describe("keys", () => {
  it("are deleted one or many, and counted", () => {
    const kv = host();
    kv.setMany(["a", "b", "c"].map((key) => [key, "x"]));
    kv.increment("n", 5);
    expect([kv.delete("a", "n", "a", "none"), kv.delete(), kv.size]).toEqual([2, 0, 2]);
    expect(kv.increment("n")).toBe(1);
  });

  it("are cleared all, or under a prefix", () => {
    const kv = host();
    kv.setMany(["user.1", "user.2", "users", "other"].map((key) => [key, "x"]));
    kv.setAdd("user.set", "m");
    kv.increment("user.n", 3);
    kv.clear({ prefix: "user." });
    expect([...kv.keys()].sort()).toEqual(["other", "users"]);
    expect(kv.increment("user.n")).toBe(1);
    kv.clear();
    expect([kv.size, [...kv.keys()]]).toEqual([0, []]);
  });

  it("are listed by prefix, pattern and type", () => {
    const kv = host();
    kv.set("user.1", "x");
    kv.setAdd("user.2", "x");
    kv.listPush("list", "x");
    expect([...kv.keys()].sort()).toEqual(["list", "user.1", "user.2"]);
    expect([...kv.keys({ prefix: "user." })].sort()).toEqual(["user.1", "user.2"]);
    expect([...kv.keys({ match: "*[12]", type: "set" })]).toEqual(["user.2"]);
    expect(new Map(kv.entries())).toEqual(
      new Map<string, unknown>([
        ["user.1", "x"],
        ["user.2", ["x"]],
        ["list", ["x"]],
      ]),
    );
  });

  it("are scanned step by step, each that was there throughout, while others come and go", () => {
    const kv = host();
    for (let i = 0; i < 1_000; i++) kv.set(`stays.${i}`, "x");
    const seen: string[] = [];
    let cursor = 0;
    let steps = 0;
    do {
      const step = kv.scan(cursor, { count: 20, match: "stays.*", type: "string" });
      seen.push(...step.keys);
      cursor = step.cursor;
      kv.set(`new.${steps}`, "x");
      kv.delete(`new.${steps - 5}`);
      steps++;
    } while (cursor !== 0);
    expect(new Set(seen).size).toBe(1_000);
    expect(steps).toBeGreaterThan(10);
    expect(kv.scan(0, { type: "list", count: 100_000 })).toEqual({ cursor: 0, keys: [] });
  });
});

describe("time to live", () => {
  it("hides a key from the instant of its deadline on, and removes it soon", () => {
    const { host: kv, time } = standalone();
    kv.set("key", "x", { ttl: "1s" });
    kv.setAdd("set", "m");
    kv.expire("set", 1_000);
    kv.increment("n");
    kv.expire("n", 1_000);
    expect([kv.ttl("key"), kv.ttl("set"), kv.ttl("n"), kv.ttl("none")]).toEqual([
      1_000,
      1_000,
      1_000,
      undefined,
    ]);
    time.run(999);
    expect([kv.ttl("key"), [...kv.keys()].length]).toEqual([1, 3]);
    time.run(1);
    for (const key of ["key", "set", "n"]) {
      expect([kv.has(key), kv.type(key), kv.ttl(key)]).toEqual([false, undefined, undefined]);
    }
    expect([kv.get("key"), kv.setSize("set"), [...kv.keys()], [...kv.entries()]]).toEqual([
      undefined,
      0,
      [],
      [],
    ]);
    time.run(5_000);
    expect([kv.size, kv.inspect().keys.size]).toEqual([0, 0]);
  });

  it("is set, moved and taken away", () => {
    const { host: kv, time } = standalone();
    kv.set("key", "x");
    expect([kv.ttl("key"), kv.persist("key"), kv.expire("none", 1), kv.persist("none")]).toEqual([
      Number.POSITIVE_INFINITY,
      false,
      false,
      false,
    ]);
    expect([kv.expire("key", "10s"), kv.ttl("key")]).toEqual([true, 10_000]);
    expect([kv.expire("key", "1s"), kv.ttl("key")]).toEqual([true, 1_000]);
    expect([kv.persist("key"), kv.ttl("key")]).toEqual([true, Number.POSITIVE_INFINITY]);
    time.run(20_000);
    expect(kv.get("key")).toBe("x");
    expect([kv.expire("key", 0), kv.has("key")]).toEqual([true, false]);
  });

  it("ends with a new value, unless it is to be kept", () => {
    const { host: kv } = standalone();
    kv.set("key", "x", { ttl: "10s" });
    kv.set("key", "y", { keepTtl: true });
    expect(kv.ttl("key")).toBe(10_000);
    kv.set("key", "z");
    expect(kv.ttl("key")).toBe(Number.POSITIVE_INFINITY);
    kv.set("key", "5", { ttl: "10s" });
    kv.increment("key");
    expect([kv.ttl("key"), kv.get("key")]).toEqual([10_000, "6"]);
    kv.setMany([["key", "q"]], { ttl: "3s" });
    expect(kv.ttl("key")).toBe(3_000);
  });

  it("has a default for keys that are made, not for what is done to them", () => {
    const { host: kv, time } = standalone({ ttl: "10s" });
    kv.set("key", "x");
    kv.increment("n");
    kv.setAdd("set", "a");
    kv.listPush("list", "a");
    kv.set("own", "x", { ttl: "1m" });
    kv.set("forever", "x", { ttl: Number.POSITIVE_INFINITY });
    time.run(4_000);
    kv.increment("n");
    kv.setAdd("set", "b");
    kv.listPush("list", "b");
    expect(["key", "n", "set", "list"].map((key) => kv.ttl(key))).toEqual([6_000, 6_000, 6_000, 6_000]);
    time.run(6_000);
    expect([...kv.keys()].sort()).toEqual(["forever", "own"]);
    kv.setAdd("set", "c");
    expect([kv.setMembers("set"), kv.ttl("set")]).toEqual([["c"], 10_000]);
  });

  it("does not bring back what had expired, when the key is used again", () => {
    const { host: kv, time } = standalone();
    kv.setAdd("set", "old");
    kv.listPush("list", "old");
    kv.increment("n", 41);
    kv.set("text", "5", { ttl: 1_000 });
    for (const key of ["set", "list", "n"]) kv.expire(key, 1_000);
    time.run(1_000);
    expect([
      kv.setAdd("set", "new"),
      kv.listPush("list", "new"),
      kv.increment("n"),
      kv.increment("text"),
    ]).toEqual([1, 1, 1, 1]);
    expect([kv.setMembers("set"), kv.listRange("list")]).toEqual([["new"], ["new"]]);
    for (const key of ["set", "list", "n", "text"]) expect(kv.ttl(key)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("watching", () => {
  async function take(changes: AsyncIterator<Change>, count: number): Promise<Change[]> {
    const taken: Change[] = [];
    for (let i = 0; i < count; i++) taken.push((await changes.next()).value);
    return taken;
  }

  it("begins with what is there, and a mark, also where nothing is", async () => {
    const { host: kv } = standalone();
    expect(await take(kv.watch(), 1)).toEqual([{ type: "synced" }]);
    kv.set("string", "x");
    kv.increment("n", 7);
    kv.setAdd("set", "m");
    kv.listPush("list", "a", "b");
    const first = await take(kv.watch(), 5);
    expect(first.at(-1)).toEqual({ type: "synced" });
    expect(
      first.slice(0, 4).sort((a, b) => ((a as { key: string }).key < (b as { key: string }).key ? -1 : 1)),
    ).toMatchObject([
      { type: "set", key: "list", kind: "list", added: ["a", "b"], origin: undefined },
      { type: "set", key: "n", kind: "string", value: "7" },
      { type: "set", key: "set", kind: "set", added: ["m"] },
      { type: "set", key: "string", kind: "string", value: "x", previous: undefined },
    ]);
  });

  it("goes on with every change of what a reader sees, and none that changes nothing", async () => {
    const { host: kv, world } = standalone();
    const changes = kv.watch({ prefix: "k" });
    await changes.next();
    kv.set("key", "1");
    kv.set("key", "1");
    kv.increment("key", 4);
    kv.expire("key", "1h");
    kv.set("unwatched", "x");
    kv.setAdd("k.set", "a", "b");
    kv.setRemove("k.set", "a");
    kv.set("k.set", "text");
    kv.delete("key", "k.set");
    expect(await take(changes, 7)).toMatchObject([
      { type: "set", key: "key", value: "1", previous: undefined, origin: kv.incarnation, at: world.now() },
      { type: "set", key: "key", value: "5", previous: "1" },
      { type: "set", key: "k.set", added: ["a"] },
      { type: "set", key: "k.set", added: ["b"] },
      { type: "set", key: "k.set", removed: ["a"] },
      { type: "set", key: "k.set", kind: "string", value: "text", removed: ["b"] },
      { type: "delete", key: "key", previous: "5" },
    ]);
    expect(await take(changes, 1)).toMatchObject([{ type: "delete", key: "k.set", previous: "text" }]);
  });

  it("tells an expiry from a deletion, once, and a key written over an expired one from both", async () => {
    const { host: kv, time } = standalone();
    const changes = kv.watch();
    await changes.next();
    kv.set("key", "x", { ttl: 1_000 });
    kv.listPush("list", "a", "b");
    kv.expire("list", 1_000);
    time.run(10_000);
    kv.set("key", "y", { ttl: 1_000 });
    time.run(1_000);
    kv.set("key", "z");
    const seen = await take(changes, 8);
    expect(seen.slice(3, 5).map((change) => change.type)).toEqual(["expire", "expire"]);
    expect(seen.slice(3, 5)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: "expire", key: "key", previous: "x", origin: kv.incarnation }),
        expect.objectContaining({ type: "expire", key: "list", removed: ["a", "b"] }),
      ]),
    );
    expect(seen.slice(5)).toMatchObject([
      { type: "set", key: "key", value: "y", previous: undefined },
      { type: "expire", key: "key", previous: "y" },
      { type: "set", key: "key", value: "z", previous: undefined },
    ]);
  });

  it("ends with its signal, with a break, and with the host", async () => {
    const { host: kv } = standalone();
    const controller = new AbortController();
    const aborted = kv.watch({ signal: controller.signal });
    const closed = kv.watch();
    for (const changes of [aborted, closed]) await changes.next();
    const waiting = [aborted.next(), closed.next()];
    controller.abort();
    expect(await waiting[0]).toEqual({ done: true, value: undefined });
    for await (const change of kv.watch()) if (change.type === "synced") break;
    await kv.close();
    expect(await waiting[1]).toEqual({ done: true, value: undefined });
  });
});

describe("a host without a network", () => {
  it("is ready at once, flushed, and replicated nowhere", async () => {
    const { host: kv } = standalone();
    kv.set("key", "x");
    await Promise.all([kv.ready(), kv.flush()]);
    expect(await kv.replicated({ hosts: 3 })).toBe(0);
    expect(kv.status()).toMatchObject({
      state: "standalone",
      reason: undefined,
      connected: false,
      hosts: [],
      keys: 1,
    });
    expect(kv.token()).toEqual({ incarnation: kv.incarnation, seq: 1 });
    await kv.waitFor(kv.token());
    await expect(kv.waitFor({ incarnation: "someone", seq: 1 })).rejects.toThrow(refused("TIMEOUT"));
    await expect(kv.replicated({ hosts: 1.5 })).rejects.toThrow(refused("INVALID_ARGUMENT"));
  });

  it("names each of its starts anew", () => {
    const [one, other] = [open(), open()];
    return Promise.all([one, other]).then(async ([left, right]) => {
      expect(left.incarnation).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
      expect(left.incarnation).not.toBe(right.incarnation);
      await Promise.all([left.close(), right.close()]);
    });
  });

  it("counts every event it makes, and has one digest for one content", () => {
    const { host: kv } = standalone();
    const empty = kv.status().digest;
    kv.set("key", "x");
    expect(kv.status().digest).not.toBe(empty);
    kv.delete("key");
    expect(kv.status()).toMatchObject({ digest: empty, counts: { eventsWritten: 2 } });
  });
});

describe("closing", () => {
  const acts: Record<string, (kv: Host) => unknown> = {
    set: (kv) => kv.set("k", "x"),
    setMany: (kv) => kv.setMany([]),
    increment: (kv) => kv.increment("n"),
    expire: (kv) => kv.expire("k", 1),
    persist: (kv) => kv.persist("k"),
    delete: (kv) => kv.delete("k"),
    clear: (kv) => kv.clear(),
    setAdd: (kv) => kv.setAdd("s", "x"),
    setRemove: (kv) => kv.setRemove("s", "x"),
    listPush: (kv) => kv.listPush("l", "x"),
    listUnshift: (kv) => kv.listUnshift("l", "x"),
    listPop: (kv) => kv.listPop("l"),
    listShift: (kv) => kv.listShift("l"),
    listRemove: (kv) => kv.listRemove("l", "x"),
    listInsert: (kv) => kv.listInsert("l", "after", "x", "y"),
    listSet: (kv) => kv.listSet("l", 0, "x"),
    listTrim: (kv) => kv.listTrim("l", 0, 0),
    listClear: (kv) => kv.listClear("l"),
    watch: (kv) => kv.watch(),
  };

  it.each(Object.entries(acts))("ends %s: it throws CLOSED", async (_, act) => {
    const kv = host();
    await kv.close();
    expect(() => act(kv)).toThrow(refused("CLOSED"));
  });

  it.each<[string, (kv: Host) => Promise<unknown>]>([
    ["ready", (kv) => kv.ready()],
    ["flush", (kv) => kv.flush()],
    ["replicated", (kv) => kv.replicated()],
    ["waitFor", (kv) => kv.waitFor(kv.token())],
  ])("ends %s: it rejects with CLOSED", async (_, act) => {
    const kv = host();
    await kv.close();
    await expect(act(kv)).rejects.toThrow(refused("CLOSED"));
  });

  it("may be done twice, by a scope too, and stops what time drives", async () => {
    const { host: kv, time } = standalone();
    kv.set("key", "x", { ttl: 1_000 });
    {
      await using scoped = kv;
      expect(scoped.get("key")).toBe("x");
    }
    await Promise.all([kv.close(), kv.close(), kv[Symbol.asyncDispose]()]);
    expect(kv.status().state).toBe("closed");
    time.run(60_000);
    expect(kv.inspect().keys.size, "nothing is removed any more").toBe(1);
  });
});
