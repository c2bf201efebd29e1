import { describe, expect, it } from "vitest";
import { VersionVector } from "../../../src/causality/version-vector.ts";
import type { Entry } from "../../../src/crdt/entry.ts";
import { clearNames, PendingRemovals, sweepNames } from "../../../src/crdt/pending-removals.ts";

function value(origin: number, seq: number, deadline = Number.POSITIVE_INFINITY): Entry {
  return { kind: "value", origin, seq, stamp: 1, value: "x", deadline, loaded: false };
}

const sweep = { origin: 1, upTo: 9, from: 100, to: 200, except: [5] };

describe("PendingRemovals", () => {
  it("cover what they name until it has come, and are then forgotten", () => {
    const pending = new PendingRemovals();
    pending.add({ kind: "dot", key: "k", origin: 1, until: 5 });
    pending.add({ kind: "upTo", key: "k", origin: 2, until: 3 });
    expect([
      pending.covers("k", value(1, 5)),
      pending.covers("k", value(1, 4)),
      pending.covers("other", value(1, 5)),
      pending.covers("k", value(2, 1)),
      pending.covers("k", value(2, 3)),
      pending.covers("k", value(2, 4)),
    ]).toEqual([true, false, false, true, true, false]);
    pending.advance(1, 4);
    expect(pending.size).toBe(2);
    pending.advance(1, 7);
    pending.advance(2, 3);
    expect([pending.size, pending.covers("k", value(1, 5)), pending.covers("k", value(2, 1))]).toEqual([
      0,
      false,
      false,
    ]);
  });

  it("keep one removal of a kind, the farthest", () => {
    const pending = new PendingRemovals();
    for (const until of [5, 9, 7, 9]) pending.add({ kind: "upTo", key: "k", origin: 1, until });
    pending.add({ kind: "dot", key: "k", origin: 1, until: 5 });
    pending.add({ kind: "dot", key: "k", origin: 1, until: 5 });
    pending.advance(1, 5);
    expect(pending.covers("k", value(1, 9))).toBe(true);
    pending.advance(1, 9);
    expect([pending.size, pending.covers("k", value(1, 9))]).toEqual([0, false]);
  });

  it("cover what a sweep or a clear names, on every key", () => {
    const pending = new PendingRemovals();
    pending.add({ kind: "sweep", sweep, origin: 1, until: 9 });
    const vector = new VersionVector([0, 4, 0]);
    pending.addClear({ prefix: "user.", vector: [1, 3, 2, 8] }, vector);
    expect(pending.size, "of the clear only what is beyond the vector waits").toBe(2);
    expect([
      pending.covers("any", value(1, 6, 150)),
      pending.covers("any", value(1, 5, 150)),
      pending.covers("user.1", value(2, 8)),
      pending.covers("users", value(2, 8)),
    ]).toEqual([true, false, true, false]);
    expect([...pending.removals()].map(({ kind }) => kind).sort()).toEqual(["clear", "sweep"]);
    pending.advance(1, 9);
    pending.advance(2, 8);
    expect([pending.size, [...pending.removals()], pending.covers("user.1", value(2, 8))]).toEqual([
      0,
      [],
      false,
    ]);
  });

  it("give a clear that waits for several origins once, and until the last of them has come", () => {
    const pending = new PendingRemovals();
    pending.addClear({ prefix: "", vector: [1, 3, 2, 8] }, new VersionVector());
    expect([...pending.removals()]).toHaveLength(1);
    pending.advance(1, 3);
    expect([[...pending.removals()].length, pending.covers("k", value(2, 8))]).toEqual([1, true]);
    pending.advance(2, 8);
    expect([[...pending.removals()].length, pending.size]).toEqual([0, 0]);
  });

  it("answer the marks whose target has come, and keep them out of snapshots", () => {
    const pending = new PendingRemovals();
    for (const until of [9, 3, 6]) pending.add({ kind: "mark", key: `k${until}`, origin: 1, until });
    expect([...pending.removals()]).toEqual([]);
    expect(pending.advance(1, 2)).toEqual([]);
    expect(pending.advance(1, 6).map((item) => item.until)).toEqual([3, 6]);
    expect(pending.advance(2, 99)).toEqual([]);
    expect(pending.size).toBe(1);
  });
});

describe("sweepNames", () => {
  it.each<[string, Entry, boolean]>([
    ["a value at the first deadline", value(1, 1, 100), true],
    ["a value at the last deadline", value(1, 9, 200), true],
    ["an earlier one", value(1, 1, 99), false],
    ["a later one", value(1, 1, 201), false],
    ["one without deadline", value(1, 1), false],
    ["one written after it", value(1, 10, 150), false],
    ["one that is spared", value(1, 5, 150), false],
    ["another's", value(2, 1, 150), false],
    ["what is no value", { kind: "member", origin: 1, seq: 1, value: "x" }, false],
  ])("%s: %#", (_, entry, expected) => {
    expect(sweepNames(sweep, entry)).toBe(expected);
  });
});

describe("clearNames", () => {
  const clear = { prefix: "a.", vector: [1, 3] };
  it.each([
    ["a.1", 1, 3, true],
    ["a.1", 1, 4, false],
    ["a.1", 2, 1, false],
    ["a", 1, 1, false],
    ["b.1", 1, 1, false],
  ] as const)("%s of %i/%i: %s", (key, origin, seq, expected) => {
    expect(clearNames(clear, key, origin, seq)).toBe(expected);
  });
});
