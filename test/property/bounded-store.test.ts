/** The laws of expiry and of bounds, each by itself, on a standalone host in virtual time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TidemarkError } from "../../src/errors.ts";
import type { Host } from "../../src/host.ts";
import { standalone } from "../unit/support/standalone.ts";
import { check } from "./support/check.ts";

const MAKE: Record<string, (host: Host, key: string) => unknown> = {
  string: (host, key) => host.set(key, "x"),
  set: (host, key) => host.setAdd(key, "a", "b"),
  list: (host, key) => host.listPush(key, "a", "b"),
  counter: (host, key) => host.increment(key),
};
const kind = fc.constantFrom(...Object.keys(MAKE));
const ttl = fc.oneof(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 501, max: 120_000 }));

function isThere(host: Host, key: string): boolean[] {
  const held = host.inspect().keys;
  return [
    host.has(key),
    host.type(key) !== undefined,
    host.ttl(key) !== undefined,
    [...host.keys()].includes(key),
    [...host.entries()].some(([each]) => each === key),
    host.scan(0, { count: 10_000 }).keys.includes(key),
    held.has(key) && host.type(key) !== undefined,
  ];
}

describe("expiry", () => {
  it("hides from the first millisecond of its deadline on, and not one earlier", () => {
    const way = fc.constantFrom("default", "set", "expire", "keepTtl");
    check(
      fc.property(
        fc.array(fc.tuple(kind, way, ttl), { minLength: 1, maxLength: 5 }),
        fc.nat(60),
        (keys, phase) => {
          for (const [type, how, ms] of keys) {
            const { host, time } = standalone(how === "default" ? { ttl: ms } : {});
            time.run(phase);
            MAKE[type]!(host, "key");
            if (how === "set" || how === "keepTtl") host.set("key", "y", { ttl: ms });
            if (how === "keepTtl") host.set("key", "z", { keepTtl: true });
            if (how === "expire") host.expire("key", ms);
            host.set("other", "x", { ttl: Number.POSITIVE_INFINITY });
            time.run(ms - 1);
            expect(isThere(host, "key")).not.toContain(false);
            expect(host.ttl("key")).toBe(1);
            time.run(1);
            expect(isThere(host, "key")).not.toContain(true);
            time.run(200);
            expect([...host.inspect().keys.keys()]).toEqual(["other"]);
          }
        },
      ),
      0.2,
    );
  });

  it("is told exactly once for each time a key expires, and never for one that was written anew in time", async () => {
    const write = fc.record({
      key: fc.constantFrom("a", "b", "c"),
      kind,
      ttl: fc.integer({ min: 1, max: 400 }),
      pass: fc.nat(300),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 30 }), async (writes) => {
        const { host, time } = standalone();
        const changes = host.watch({ buffer: 10_000 });
        expect((await changes.next()).value.type).toBe("synced");
        const deadlines = new Map<string, number>();
        const due = new Map<string, number>();
        let now = 0;
        const settle = (): void => {
          for (const [key, deadline] of deadlines) {
            if (deadline > now) continue;
            deadlines.delete(key);
            due.set(key, (due.get(key) ?? 0) + 1);
          }
        };
        for (const step of writes) {
          if (host.type(step.key) !== undefined) host.delete(step.key);
          deadlines.delete(step.key);
          MAKE[step.kind]!(host, step.key);
          host.expire(step.key, step.ttl);
          deadlines.set(step.key, now + step.ttl);
          time.run(step.pass);
          now += step.pass;
          settle();
        }
        time.run(2_000);
        now += 2_000;
        settle();
        host.set("end", "x");
        const told = new Map<string, number>();
        for await (const change of changes) {
          if (change.type === "synced" || change.key === "end") break;
          if (change.type === "expire") told.set(change.key, (told.get(change.key) ?? 0) + 1);
        }
        expect([...told].sort()).toEqual([...due].sort());
        await host.close();
      }),
      { numRuns: 200 },
    );
  });
});

interface Act {
  readonly key: string;
  readonly what:
    | "set"
    | "get"
    | "delete"
    | "setAdd"
    | "listPush"
    | "increment"
    | "expire"
    | "pass"
    | "setMany";
  readonly size: number;
}

const act: fc.Arbitrary<Act> = fc.record({
  key: fc.integer({ min: 0, max: 40 }).map((number) => `key-${number}`),
  what: fc.constantFrom(
    ...([
      "set",
      "set",
      "set",
      "set",
      "get",
      "get",
      "delete",
      "setAdd",
      "listPush",
      "increment",
      "expire",
      "pass",
      "setMany",
    ] as const),
  ),
  size: fc.integer({ min: 0, max: 400 }),
});

/** Does it, and says what it was refused with. */
function perform(host: Host, { key, what, size }: Act, pass: (ms: number) => void): string | undefined {
  try {
    if (what === "set") host.set(key, "x".repeat(size));
    else if (what === "get") host.getBytes(key);
    else if (what === "delete") host.delete(key);
    else if (what === "setAdd") host.setAdd(`set of ${key.slice(0, 5)}`, `${size}`);
    else if (what === "listPush") host.listPush(`list of ${key.slice(0, 5)}`, `${size}`);
    else if (what === "increment") host.increment(`counter of ${key.slice(0, 5)}`, size);
    else if (what === "expire") host.expire(key, size + 1);
    else if (what === "pass") pass(size);
    else host.setMany([0, 1, 2].map((i) => [`${key}-${i}`, "x".repeat(size)] as const));
    return undefined;
  } catch (error) {
    if (error instanceof TidemarkError) return error.code;
    throw error;
  }
}

/** All that a reader can see, as text by key. */
function everything(host: Host): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of host.entries())
    all.set(key, `${host.type(key)} ${String(value)} ${host.ttl(key)}`);
  return all;
}

const NEEDS_ROOM = new Set<Act["what"]>(["set", "setAdd", "listPush", "increment", "setMany"]);

describe.each(["lru", "s3fifo"] as const)("a bound that is kept by %s", (eviction) => {
  it("is never exceeded in keys", () => {
    check(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.array(act, { maxLength: 150 }), (maxEntries, acts) => {
        const { host, time } = standalone({ maxEntries, eviction });
        for (const each of acts) {
          perform(host, each, (ms) => time.run(ms));
          expect(host.size).toBeLessThanOrEqual(maxEntries);
          expect(host.inspect().keys.size).toBeLessThanOrEqual(maxEntries);
        }
      }),
      0.2,
    );
  });

  it("is never exceeded in bytes, unless what may not be let go exceeds it by itself, which is said", () => {
    check(
      fc.property(
        fc.integer({ min: 1_000, max: 9_000 }),
        fc.array(act, { maxLength: 150 }),
        (maxBytes, acts) => {
          const { host, time } = standalone({ maxBytes, eviction });
          for (const each of acts) {
            perform(host, each, (ms) => time.run(ms));
            const { bytes, exceeded } = host.status().bounds!;
            expect(exceeded).toBe(bytes > maxBytes);
            if (!exceeded) continue;
            for (const key of host.inspect().keys.keys())
              expect(key).toMatch(/^(set|list|counter) of |^key-.*/);
            const plain = [...host.inspect().keys.values()].filter(
              ({ entries, cells }) =>
                cells.length === 0 && entries.length === 1 && entries[0]!.kind === "value",
            );
            expect(plain).toEqual([]);
          }
        },
      ),
      0.2,
    );
  });

  it("makes what it lets go read as absent, and changes nothing else", () => {
    check(
      fc.property(fc.integer({ min: 5, max: 30 }), fc.array(act, { maxLength: 120 }), (maxEntries, acts) => {
        const bounded = standalone({ maxEntries, eviction });
        const free = standalone();
        for (const each of acts) {
          // What is gone here must be gone there, for the next operation to see the same.
          for (const key of free.host.keys()) if (!bounded.host.has(key)) free.host.delete(key);
          const refused = perform(bounded.host, each, (ms) => bounded.time.run(ms));
          if (refused === "STORE_FULL") continue;
          expect(perform(free.host, each, (ms) => free.time.run(ms))).toBe(refused);
          const ours = everything(bounded.host);
          const all = everything(free.host);
          for (const [key, seen] of ours) expect(seen, key).toBe(all.get(key));
          if (!NEEDS_ROOM.has(each.what)) expect(ours).toEqual(all);
          for (const [key, seen] of all) {
            if (ours.has(key)) continue;
            expect(seen).toMatch(/^string/);
            expect([bounded.host.get(key), bounded.host.ttl(key), bounded.host.type(key)]).toEqual([
              undefined,
              undefined,
              undefined,
            ]);
          }
        }
      }),
      0.2,
    );
  });

  it("always has what was written last", () => {
    check(
      fc.property(fc.array(act, { maxLength: 150 }), (acts) => {
        const { host, time } = standalone({ maxEntries: 10, eviction });
        for (const each of acts) {
          const refused = perform(host, each, (ms) => time.run(ms));
          if (each.what !== "set" || refused !== undefined) continue;
          expect(host.get(each.key)).toBe("x".repeat(each.size));
        }
      }),
      0.2,
    );
  });

  it("tells of every key that it lets go, once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 20, maxLength: 150 }), async (acts) => {
        const { host, time } = standalone({ maxEntries: 8, eviction });
        const changes = host.watch({ buffer: 10_000 });
        expect((await changes.next()).value.type).toBe("synced");
        for (const each of acts) perform(host, each, (ms) => time.run(ms));
        const { evicted } = host.status().bounds!;
        const left = host.inspect().keys;
        host.delete(...left.keys());
        host.set("end", "x");
        let told = 0;
        for await (const change of changes) {
          if (change.type === "evict") told++;
          if (change.type === "synced" || change.key === "end") break;
        }
        expect(told).toBe(evicted);
        await host.close();
      }),
      { numRuns: 100 },
    );
  });
});

describe("lru", () => {
  it("lets no key go that was read while one is there that was not", () => {
    check(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.infiniteStream(fc.boolean()), (maxEntries, coins) => {
        const { host } = standalone({ maxEntries, eviction: "lru" });
        const read: string[] = [];
        for (let i = 0; i < maxEntries; i++) host.set(`key-${i}`, "x");
        for (let i = 1; i < maxEntries; i++) {
          if (coins.next().value) read.push(`key-${i}`);
        }
        for (const key of read) host.get(key);
        host.set("new", "x");
        for (const key of read) expect(host.get(key), key).toBe("x");
        expect(host.size).toBe(maxEntries);
      }),
      0.3,
    );
  });
});

describe("a bound without eviction", () => {
  it("refuses what needs room, and changes nothing", () => {
    check(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(act, { maxLength: 100 }), (maxEntries, acts) => {
        const { host, time } = standalone({ maxEntries, eviction: "none" });
        const free = standalone();
        for (const each of acts) {
          const before = host.inspect();
          const sizeBefore = host.size;
          const seenBefore = everything(host);
          const refused = perform(host, each, (ms) => time.run(ms));
          if (refused === "STORE_FULL") {
            expect(NEEDS_ROOM.has(each.what)).toBe(true);
            const after = host.inspect();
            expect([after.digest, [...after.vector], host.size]).toEqual([
              before.digest,
              [...before.vector],
              sizeBefore,
            ]);
            expect(everything(host)).toEqual(seenBefore);
            expect(host.status().bounds!.evicted).toBe(0);
          } else expect(perform(free.host, each, (ms) => free.time.run(ms))).toBe(refused);
          expect(everything(host)).toEqual(everything(free.host));
          expect(host.size).toBeLessThanOrEqual(maxEntries);
        }
      }),
      0.2,
    );
  });
});
