/** What a store makes of events: the table of concurrent outcomes, and the two ways by which a value goes in. */
import { describe, expect, it } from "vitest";
import type { ReplicatedEvent } from "../../../src/crdt/event.ts";
import { ShardMap } from "../../../src/store/shard-map.ts";
import { digestsFromScratch, dump, Site, START_MS, Transfer } from "../support/site.ts";

/** Two sites that wrote at the same time; then each hears of the other. */
function concurrent(left: (site: Site) => void, right: (site: Site) => void, before?: (site: Site) => void) {
  const clock = { now: START_MS };
  const [a, b] = [new Site("a", { clock }), new Site("b", { clock })];
  before?.(a);
  b.receive(a);
  left(a);
  right(b);
  a.receive(b);
  b.receive(a);
  expect(dump(a)).toEqual(dump(b));
  return { a, b, clock, reads: a.reads };
}

describe("concurrent writes come out the same everywhere", () => {
  it("two values: the later stamp, of one stamp the greater name; the loser stays until somebody writes", () => {
    const { a, b, reads } = concurrent(
      (site) => site.writes.set("k", "of a", undefined),
      (site) => site.writes.set("k", "of b", undefined),
    );
    expect(reads.get("k")).toBe("of b");
    expect(a.store.state("k")!.values).toHaveLength(2);
    a.writes.set("k", "of both", undefined);
    b.receive(a);
    expect([b.reads.get("k"), b.store.state("k")!.values.length]).toEqual(["of both", 1]);
  });

  it("a value and a removal: the value, which the removal had not seen", () => {
    const { reads } = concurrent(
      (site) => site.writes.set("k", "new", undefined),
      (site) => site.writes.delete(["k"]),
      (site) => site.writes.set("k", "old", undefined),
    );
    expect(reads.get("k")).toBe("new");
  });

  it("a member added and removed: added", () => {
    const { reads } = concurrent(
      (site) => site.writes.setAdd("k", ["m"]),
      (site) => site.writes.setRemove("k", ["m", "n"]),
      (site) => site.writes.setAdd("k", ["m", "n"]),
    );
    expect(reads.setMembers("k")).toEqual(["m"]);
  });

  it("two pushes: both elements", () => {
    const { reads } = concurrent(
      (site) => site.writes.listAdd("k", ["a1", "a2"], "tail"),
      (site) => site.writes.listAdd("k", ["b1"], "tail"),
    );
    expect(reads.listRange("k").toSorted()).toEqual(["a1", "a2", "b1"]);
    expect(reads.listRange("k").filter((each) => each !== "b1")).toEqual(["a1", "a2"]);
  });

  it("two pops of one element: it goes once, and no other", () => {
    const { reads } = concurrent(
      (site) => site.writes.listTake("k", "head"),
      (site) => site.writes.listTake("k", "head"),
      (site) => site.writes.listAdd("k", ["1", "2", "3"], "tail"),
    );
    expect(reads.listRange("k")).toEqual(["2", "3"]);
  });

  it("increments: their sum; with a removal, what it had not seen", () => {
    expect(
      concurrent(
        (site) => site.writes.increment("n", 5),
        (site) => site.writes.increment("n", 7),
        (site) => site.writes.increment("n", 1),
      ).reads.get("n"),
    ).toBe("13");
    expect(
      concurrent(
        (site) => site.writes.increment("n", 5),
        (site) => site.writes.delete(["n"]),
        (site) => site.writes.increment("n", 100),
      ).reads.get("n"),
    ).toBe("5");
  });

  it("an increment and a value: both count, if the value is a number", () => {
    const act = (text: string) =>
      concurrent(
        (site) => site.writes.increment("n", 5),
        (site) => site.writes.set("n", text, undefined),
        (site) => site.writes.increment("n", 1),
      ).reads.get("n");
    expect([act("100"), act("text")]).toEqual(["105", "text"]);
  });

  it("two types: the string hides the set, the set the list, until the next write removes what is hidden", () => {
    const { a, reads } = concurrent(
      (site) => site.writes.setAdd("k", ["m"]),
      (site) => site.writes.listAdd("k", ["e"], "tail"),
    );
    expect([reads.type("k"), reads.setMembers("k")]).toEqual(["set", ["m"]]);
    a.writes.setAdd("k", ["n"]);
    a.writes.delete(["k"]);
    expect([reads.has("k"), a.store.isAbsent("k")]).toEqual([false, true]);
    const second = concurrent(
      (site) => site.writes.set("k", "text", undefined),
      (site) => site.writes.setAdd("k", ["m"]),
    );
    expect([second.reads.type("k"), second.reads.get("k")]).toEqual(["string", "text"]);
  });

  it("two deadlines: the longest; with a new value, that value's own", () => {
    const { reads } = concurrent(
      (site) => site.writes.expire("k", 5_000),
      (site) => site.writes.expire("k", 9_000),
      (site) => site.writes.set("k", "x", undefined),
    );
    expect(reads.ttl("k")).toBe(9_000);
    const second = concurrent(
      (site) => site.writes.expire("k", 5_000),
      (site) => site.writes.set("k", "y", undefined),
      (site) => site.writes.set("k", "x", undefined),
    );
    expect([second.reads.get("k"), second.reads.ttl("k")]).toEqual(["y", Number.POSITIVE_INFINITY]);
  });

  it("a clear and a write under it: the write, which the clear had not seen", () => {
    const { reads } = concurrent(
      (site) => site.writes.clear("user."),
      (site) => {
        site.writes.set("user.2", "new", undefined);
        site.writes.increment("user.n", 2);
      },
      (site) => {
        site.writes.set("user.1", "old", undefined);
        site.writes.increment("user.n", 40);
        site.writes.set("other", "x", undefined);
      },
    );
    expect([...reads.keys()].sort()).toEqual(["other", "user.2", "user.n"]);
    expect(reads.get("user.n")).toBe("2");
  });

  it("a deadline and a removal: nothing is left that a reader sees", () => {
    const { reads, a } = concurrent(
      (site) => site.writes.expire("k", 5_000),
      (site) => site.writes.delete(["k"]),
      (site) => site.writes.setAdd("k", ["m"]),
    );
    expect([reads.has("k"), a.store.size, [...reads.keys()]]).toEqual([false, 0, []]);
    a.writes.setAdd("k", ["again"]);
    expect(reads.ttl("k"), "and what is left does not reach what comes").toBe(Number.POSITIVE_INFINITY);
  });
});

describe("a removal that comes before what it names", () => {
  it("waits for it, and is forgotten then", () => {
    const [a, b, reader] = [new Site("a"), new Site("b"), new Site("reader")];
    a.writes.set("k", "x", undefined);
    a.writes.setAdd("s", ["m", "n"]);
    b.receive(a);
    b.writes.delete(["k"]);
    b.writes.setRemove("s", ["m"]);
    reader.receive(b);
    expect([reader.reads.has("k"), reader.store.pending.size > 0]).toEqual([false, true]);
    reader.receive(a);
    expect([reader.reads.has("k"), reader.reads.setMembers("s"), reader.store.pending.size]).toEqual([
      false,
      ["n"],
      0,
    ]);
  });
});

describe("the short way for plain values", () => {
  /** The same event as the long way takes it: it also removes an event 0, which nobody ever wrote. */
  const longWay = (event: ReplicatedEvent): ReplicatedEvent =>
    event.sweep === null && event.clear === null && event.removes === null
      ? { ...event, removes: [event.origin, 0] }
      : event;

  it("makes of every event what the long way makes of it, and tells watchers the same", () => {
    const clock = { now: START_MS };
    const [a, b] = [new Site("a", { clock }), new Site("b", { clock })];
    const acts: ((site: Site) => void)[] = [
      (site) => site.writes.set("k", "x", undefined),
      (site) => site.writes.set("k", "x", { ttl: 500 }),
      (site) => site.writes.delete(["k"]),
      (site) => site.writes.set("k", Uint8Array.of(0xff), undefined),
      (site) => site.writes.increment("n", 1),
      (site) => site.writes.set("n", "5", undefined),
      (site) => site.writes.expire("k", 700),
      (site) => site.writes.setAdd("k", ["m"]),
      (site) => site.writes.set("l", "y", undefined),
      (site) => site.writes.clear("k"),
    ];
    for (let round = 0; round < 200; round++) {
      const site = round % 3 === 0 ? b : a;
      try {
        acts[(round * 7 + (round >> 3)) % acts.length]!(site);
      } catch {
        // Another type is there: nothing was written.
      }
      clock.now += round % 5 === 0 ? 100 : 0;
      if (round % 4 === 0) a.receive(b, 2);
      if (round % 7 === 0) b.receive(a, 3);
    }
    const [short, long] = [new Site("r", { clock, watched: true }), new Site("r", { clock, watched: true })];
    for (const site of [a, b]) {
      short.receive(site);
      for (const event of site.made) long.apply(longWay(event), site.origins);
    }
    expect(dump(short)).toEqual(dump(long));
    expect(short.changes).toEqual(long.changes);
    expect(short.changes.length).toBeGreaterThan(50);
  });
});

describe("more keys than one shard holds", () => {
  it("are all found, listed, scanned, counted and given in an image, before and after a shard is halved", () => {
    const site = new Site("a");
    const count = ShardMap.splitAbove + 4_000;
    for (let i = 0; i < count; i++) site.writes.set(`key.${i}`, "x", undefined);
    for (let i = 0; i < count; i += 100) site.writes.increment(`key.n.${i}`, i);
    for (let i = 0; i < count; i += 3) site.writes.delete([`key.${i}`]);
    const { store, reads } = site;
    expect(store.shards.all().length).toBeGreaterThanOrEqual(2);
    const left = count - Math.ceil(count / 3) + Math.ceil(count / 100);
    expect(store.size).toBe(left);
    let found = 0;
    for (const key of reads.keys()) if (reads.has(key)) found++;
    expect(found).toBe(left);
    for (let i = 0; i < count; i += 777) expect(reads.has(`key.${i}`), `key.${i}`).toBe(i % 3 !== 0);
    const scanned = new Set<string>();
    let cursor = 0;
    do {
      const step = reads.scan(cursor, { count: 5_000 });
      for (const key of step.keys) scanned.add(key);
      cursor = step.cursor;
    } while (cursor !== 0);
    expect(scanned.size).toBe(left);
    expect(digestsFromScratch(store).root()).toBe(store.digests.root());
    for (const [at, shard] of store.shards.all().entries()) {
      expect(shard.first).toBe(at === 0 ? 0 : store.shards.all()[at - 1]!.end);
      for (const key of shard.keys())
        if (store.shards.of(key) !== shard) throw new Error(`${key} is misplaced`);
    }
    const taker = new Site("b");
    new Transfer(site, taker).finish(50_000);
    expect(taker.store.digests.root()).toBe(store.digests.root());
    expect(taker.store.size).toBe(left);
  }, 30_000);
});
