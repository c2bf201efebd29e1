import { describe, expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import { hex32, VersionVector } from "../../../src/causality/version-vector.ts";

describe("VersionVector", () => {
  it("stands for the events up to each row, and for none of an origin it has no row of", () => {
    const vector = new VersionVector([3, 0, 7]);
    expect([0, 1, 2, 3, 99].map((origin) => vector.get(origin))).toEqual([3, 0, 7, 0, 0]);
    expect([vector.covers(0, 3), vector.covers(0, 4), vector.covers(5, 1), vector.covers(5, 0)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect([...vector.entries()]).toEqual([
      [0, 3],
      [2, 7],
    ]);
    expect(vector.total()).toBe(10);
  });

  it("is raised and never lowered, but by set", () => {
    const vector = new VersionVector();
    vector.raise(2, 5);
    vector.raise(2, 4);
    expect(vector.get(2)).toBe(5);
    vector.set(2, 1);
    expect(vector.get(2)).toBe(1);
  });

  it("merges to the union, and includes what it was merged with", () => {
    const left = new VersionVector([1, 5]);
    const right = new VersionVector([3, 2, 4]);
    expect([left.includes(right), right.includes(left)]).toEqual([false, false]);
    left.merge(right);
    expect([...left.entries()]).toEqual([
      [0, 3],
      [1, 5],
      [2, 4],
    ]);
    expect([left.includes(right), right.includes(left), left.includes(new VersionVector())]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("shares nothing with a copy of it, nor with the rows it was made of", () => {
    const rows = [1, 2];
    const vector = new VersionVector(rows);
    const copy = vector.copy();
    vector.set(0, 9);
    rows[1] = 9;
    expect([...copy.entries()]).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(vector.get(1)).toBe(2);
  });

  it("has one hash wherever the same rows are numbered otherwise, and another for other rows", () => {
    const here = new Origins("a");
    const there = new Origins("b");
    const left = new VersionVector();
    const right = new VersionVector();
    for (const [name, seq] of [
      ["a", 5],
      ["b", 2 ** 40 + 1],
      ["c", 0],
    ] as const) {
      left.set(here.intern(name), seq);
      right.set(there.intern(name), seq);
    }
    expect(left.hash(here)).toMatch(/^[0-9a-f]{16}$/);
    expect(right.hash(there)).toBe(left.hash(here));
    const hashes = new Set([left.hash(here)]);
    for (const [origin, seq] of [
      [0, 6],
      [1, 1],
      [1, 2 ** 41 + 1],
      [2, 1],
    ] as const) {
      const other = left.copy();
      other.set(origin, seq);
      hashes.add(other.hash(here));
    }
    expect(hashes.size).toBe(5);
    expect(new VersionVector().hash(here)).toBe("0000000000000000");
  });
});

it("hex32 writes eight digits of any 32-bit integer", () => {
  expect([0, -1, 255, 2 ** 31, 1.5].map(hex32)).toEqual([
    "00000000",
    "ffffffff",
    "000000ff",
    "80000000",
    "00000001",
  ]);
});
