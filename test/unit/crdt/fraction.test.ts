import { describe, expect, it } from "vitest";
import { fractionBetween } from "../../../src/crdt/fraction.ts";
import { Random } from "../../../src/testing/random.ts";

describe("fractionBetween", () => {
  it.each([
    ["", undefined],
    ["", '"'],
    ["P", "Q"],
    ["P", "PP"],
    ["~", undefined],
    ["~~~", undefined],
    ["Pz", "Q"],
  ])("is above %j and below %j", (low, high) => {
    const between = fractionBetween(low, high);
    expect(between > low).toBe(true);
    if (high !== undefined) expect(between < high).toBe(true);
  });

  it("finds room again and again, between any two neighbours", () => {
    const random = new Random(3);
    const fractions: (string | undefined)[] = ["", undefined];
    for (let i = 0; i < 2_000; i++) {
      const at = random.integer(0, fractions.length - 2);
      const between = fractionBetween(fractions[at]!, fractions[at + 1]);
      fractions.splice(at + 1, 0, between);
    }
    const texts = fractions.slice(0, -1) as string[];
    expect(texts).toEqual([...texts].sort((x, y) => (x < y ? -1 : 1)));
    expect(new Set(texts).size).toBe(texts.length);
    for (const text of texts.slice(1)) {
      expect(text).toMatch(/^[!-~]+$/);
      expect(text.endsWith("!"), "there is room below each").toBe(false);
    }
  });

  it("grows by a character for about six insertions at one place, not for each", () => {
    let low = "";
    const high = fractionBetween("", undefined);
    for (let i = 0; i < 600; i++) low = fractionBetween(low, high);
    expect(low.length).toBeLessThan(130);
  });
});
