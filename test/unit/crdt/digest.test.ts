import { describe, expect, it } from "vitest";
import { BUCKETS, bucketOf, DigestTable, hashContent, hashKey, hashValue } from "../../../src/crdt/digest.ts";
import type { Entry } from "../../../src/crdt/entry.ts";

const value: Entry = {
  kind: "value",
  origin: 1,
  seq: 1,
  stamp: 1,
  value: "x",
  deadline: 1 / 0,
  loaded: false,
};

describe("hashes", () => {
  it("spread keys evenly over the buckets", () => {
    const counts = new Uint32Array(BUCKETS);
    for (let i = 0; i < 100 * BUCKETS; i++) counts[bucketOf(hashKey(`user:${i}:session`))]!++;
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(170);
  });

  it("tell long keys and values apart by their ends and by their length", () => {
    const long = "x".repeat(1_000);
    expect(new Set([long, `${long}x`, `z${long}`, `${long}z`].map(hashKey)).size).toBe(4);
    expect(
      new Set([long, `${long}x`, `z${long}`, `${long.slice(0, 500)}z${long.slice(501)}`].map(hashValue)).size,
    ).toBe(4);
  });

  it("tell entries of one dot apart by everything that a reader may see", () => {
    const entries: Entry[] = [
      value,
      { ...value, value: "y" },
      { ...value, value: Uint8Array.of(0xff) },
      { ...value, deadline: 1 },
      { ...value, deadline: 2 ** 40 },
      { ...value, loaded: true },
      { kind: "member", origin: 1, seq: 1, value: "x" },
      { kind: "element", origin: 1, seq: 1, position: 1, fraction: "", value: "x" },
      { kind: "element", origin: 1, seq: 1, position: -1, fraction: "", value: "x" },
      { kind: "element", origin: 1, seq: 1, position: 1, fraction: "P", value: "x" },
      { kind: "deadline", origin: 1, seq: 1, at: 1, targetOrigin: 0, targetSeq: 0 },
      { kind: "deadline", origin: 1, seq: 1, at: 1 / 0, targetOrigin: 0, targetSeq: 0 },
      { kind: "deadline", origin: 1, seq: 1, at: 1, targetOrigin: 2, targetSeq: 7 },
    ];
    expect(new Set(entries.map(hashContent)).size).toBe(entries.length);
  });
});

describe("DigestTable", () => {
  const toggle = (table: DigestTable, key: string, origin: number, seq: number) =>
    table.toggleEntry(hashKey(key), origin * 7919, seq, hashContent(value));

  it("is what it was when everything that came has gone, in any order", () => {
    const table = new DigestTable();
    const empty = table.root();
    for (const key of ["a", "b", "c"]) toggle(table, key, 1, 5);
    expect(table.root()).not.toBe(empty);
    for (const key of ["c", "a", "b"]) toggle(table, key, 1, 5);
    expect([table.root(), table.entriesLow.every((low) => low === 0)]).toEqual([empty, true]);
  });

  it("tells the same entry under another key, of another origin, and of another seq", () => {
    const roots = [
      ["k", 1, 5],
      ["l", 1, 5],
      ["k", 2, 5],
      ["k", 1, 6],
      ["k", 1, 5 + 2 ** 32],
    ].map(([key, origin, seq]) => {
      const table = new DigestTable();
      toggle(table, key as string, origin as number, seq as number);
      return table.root();
    });
    expect(new Set(roots).size).toBe(roots.length);
    for (const root of roots) expect(root).toMatch(/^[0-9a-f]{16}$/);
  });

  it("counts a counter segment by its worth, and a fully reset one not at all", () => {
    const cell = { origin: 1, segment: 3, high: 5, total: 10, resetUpTo: 2, resetTotal: 0, resetBy: null };
    const root = (changes: object) => {
      const table = new DigestTable();
      table.toggleCell(hashKey("n"), 7, { ...cell, ...changes });
      return table.root();
    };
    expect(root({ resetUpTo: 5, resetTotal: 10 })).toBe(new DigestTable().root());
    expect(
      new Set([
        root({}),
        root({ total: 11 }),
        root({ high: 6 }),
        root({ segment: 4 }),
        root({ total: 2n ** 63n }),
      ]).size,
    ).toBe(5);
    expect(root({ total: 20, resetTotal: 10 }), "how it came to be worth that is not told").toBe(root({}));
    expect(root({ total: 10n })).toBe(root({}));
  });

  it("can be emptied", () => {
    const table = new DigestTable();
    toggle(table, "k", 1, 1);
    table.clear();
    expect(table.root()).toBe(new DigestTable().root());
  });
});
