import { expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";

it("origins are numbered in the order they are heard of, the host itself first, and never forgotten", () => {
  const origins = new Origins("self");
  expect([origins.intern("b"), origins.intern("a"), origins.intern("b"), origins.intern("self")]).toEqual([
    1, 2, 1, 0,
  ]);
  expect(origins.size).toBe(3);
  expect([origins.find("a"), origins.find("unheard")]).toEqual([2, undefined]);
  expect([0, 1, 2].map((index) => origins.name(index))).toEqual(["self", "b", "a"]);
  expect(() => origins.name(3)).toThrow(TypeError);
});

it("origins are ordered and hashed by name, so that every host agrees", () => {
  const here = new Origins("x");
  const there = new Origins("a");
  for (const name of ["x", "a", "m"]) there.intern(name);
  for (const name of ["m", "a"]) here.intern(name);
  for (const origins of [here, there]) {
    const [a, m, x] = ["a", "m", "x"].map((name) => origins.find(name)!) as [number, number, number];
    expect(origins.compare(a, m)).toBeLessThan(0);
    expect(origins.compare(x, m)).toBeGreaterThan(0);
    expect(origins.compare(m, m)).toBe(0);
  }
  for (const name of ["a", "m", "x"]) {
    expect(here.hash(here.find(name)!)).toBe(there.hash(there.find(name)!));
  }
  expect(new Set([0, 1, 2].map((index) => here.hash(index))).size).toBe(3);
});
