import { describe, expect, it } from "vitest";
import { type Candidate, chooseSource, Needs, retryDelay } from "../../../src/replication/recovery.ts";

describe("retryDelay", () => {
  it.each([
    [0, 100, 200],
    [1, 200, 400],
    [2, 400, 800],
    [3, 800, 1_600],
    [4, 1_600, 3_200],
    [5, 2_500, 5_000],
    [100, 2_500, 5_000],
    [10_000, 2_500, 5_000],
  ])("after %i tries is between %i and %i ms", (tries, least, most) => {
    expect(retryDelay(tries, 0)).toBe(least);
    expect(retryDelay(tries, 0.5)).toBe((least + most) / 2);
    expect(retryDelay(tries, 1)).toBe(most);
  });
});

describe("chooseSource", () => {
  const host = (origin: number, row: number, ready = true): Candidate => {
    return { incarnation: `host-${origin}`, origin, row, ready };
  };
  const author = host(1, 9);
  const ahead = host(2, 8);
  const behind = host(3, 5);

  it.each<[string, Candidate[], number, number, Candidate | undefined]>([
    ["nobody, where nobody is", [], 0, 0, undefined],
    ["the author first", [ahead, behind, author], 0, 0.99, author],
    ["the author first, even if it has not said so yet", [host(1, 0), ahead], 0, 0.99, host(1, 0)],
    ["any that has more, the next time", [ahead, behind, author], 1, 0, ahead],
    ["the author among them", [ahead, behind, author], 1, 0.99, author],
    ["one that has more, where the author is gone", [behind, ahead], 0, 0.99, ahead],
    ["anybody at all, where nobody says to have more", [behind, host(4, 0)], 0, 0.99, host(4, 0)],
    ["one that is joining, if it has more", [host(5, 7, false), behind], 0, 0.5, host(5, 7, false)],
  ])("asks %s", (_, candidates, tries, random, expected) => {
    expect(chooseSource(candidates, 1, 5, tries, random)).toEqual(expected);
  });
});

describe("Needs", () => {
  it("remember how far each origin is known to go, and count each gap once", () => {
    const needs = new Needs();
    needs.want(1, 5, 100);
    needs.want(1, 4, 110);
    needs.want(1, 9, 120);
    needs.want(2, 1, 130);
    expect([needs.size, needs.found, needs.get(1)?.known, needs.get(1)?.since]).toEqual([2, 2, 9, 100]);
    needs.satisfied(1);
    expect([needs.get(1), needs.size]).toEqual([undefined, 1]);
    needs.want(1, 12, 140);
    expect(needs.found).toBe(3);
  });

  it("give a gap a little time to close by itself", () => {
    const needs = new Needs();
    needs.want(1, 5, 100);
    expect(needs.get(1)).toMatchObject({ nextAt: 120, tries: 0 });
  });

  it("begin anew with every wait when told to", () => {
    const needs = new Needs();
    needs.want(1, 5, 100);
    Object.assign(needs.get(1)!, { tries: 7, nextAt: 9_999 });
    needs.resetBackOff(200);
    expect(needs.get(1)).toMatchObject({ tries: 0, nextAt: 200, known: 5 });
  });

  it("count an image as progress: what follows it could not be asked for before", () => {
    const needs = new Needs();
    needs.want(1, 5, 100);
    needs.progressed(60_000);
    expect(needs.get(1)).toMatchObject({ progressAt: 60_000, nextAt: 60_000, since: 100 });
  });
});
