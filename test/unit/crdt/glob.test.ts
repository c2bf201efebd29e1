import { describe, expect, it } from "vitest";
import { compileGlob, MAX_GLOB_LENGTH } from "../../../src/crdt/glob.ts";

const matches = (pattern: string, text: string) => compileGlob(pattern)(text);

/** A text that counts how often the matcher looks at it: the steps of a match, whatever the machine. */
function counted(text: string): { text: string; steps(): number } {
  let steps = 0;
  const stub = {
    length: text.length,
    codePointAt(index: number) {
      steps++;
      return text.codePointAt(index);
    },
  };
  return { text: stub as unknown as string, steps: () => steps };
}

describe("compileGlob", () => {
  // The behaviour of Redis 7's stringmatchlen, traced by hand for the quirks.
  it.each<[pattern: string, text: string, expected: boolean]>([
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["*", "anything", true],
    ["**", "anything", true],
    ["a*", "abc", true],
    ["a*", "a", true],
    ["a*", "ba", false],
    ["*c", "abc", true],
    ["*c", "cb", false],
    ["*b*", "abc", true],
    ["*b*", "ac", false],
    ["a*c", "ac", true],
    ["a*c", "abbc", true],
    ["a*c", "abb", false],
    ["*a*b*", "xaxbx", true],
    ["*ab", "aab", true],
    ["h?llo", "hello", true],
    ["h?llo", "hllo", false],
    ["?", "", false],
    ["?*", "", false],
    ["?*", "x", true],
    ["h[ae]llo", "hallo", true],
    ["h[ae]llo", "hillo", false],
    ["h[^e]llo", "hallo", true],
    ["h[^e]llo", "hello", false],
    ["[a-c]1", "b1", true],
    ["[a-c]1", "d1", false],
    ["[c-a]1", "b1", true],
    ["[a-cx-z]", "y", true],
    ["[^a-c]", "b", false],
    ["[*]", "*", true],
    ["[*]", "x", false],
    ["a\\*c", "a*c", true],
    ["a\\*c", "abc", false],
    ["\\[a]", "[a]", true],
    ["a\\", "a\\", true],
    ["[\\]]", "]", true],
    ["[\\a-c]", "b", false],
    ["[\\a-c]", "-", true],
    ["[]a]", "]", false],
    ["[^]", "x", true],
    ["[", "[", false],
    ["[ab", "a", true],
    ["[a", "", false],
    ["[a-]x", "a-x", false],
    ["[a-]x", "_", true],
    ["[a-]x", "x", true],
    ["[-a]", "-", true],
    ["[\\", "\\", true],
    ["?", "é", true],
    ["?", "😀", true],
    ["??", "😀", false],
    ["[😀-😂]", "😁", true],
    ["*😀", "x😀", true],
    ["*[^😀]", "😀", false],
    ["user.*.name", "user.7.name", true],
    ["user.*.name", "user.7.nam", false],
  ])("%j on %j is %j", (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it("takes at most pattern times text steps where a naive matcher explodes", () => {
    const pattern = `${"a*".repeat(32)}b`;
    const { text, steps } = counted("a".repeat(10_000));
    expect(compileGlob(pattern)(text)).toBe(false);
    // Going back to every star would take more than 10^80.
    expect(steps()).toBeLessThan(3 * pattern.length * 10_000);
  });

  it("takes at most pattern times text steps where every attempt fails late", () => {
    const pattern = `?*${"a".repeat(50)}b`;
    const { text, steps } = counted("a".repeat(2_000));
    expect(compileGlob(pattern)(text)).toBe(false);
    expect(steps()).toBeGreaterThan(50_000);
    expect(steps()).toBeLessThan(3 * pattern.length * 2_000);
  });

  it("limits patterns that can cost pattern times text, and only those", () => {
    const long = "a".repeat(MAX_GLOB_LENGTH);
    expect(() => compileGlob(`?${long}`)).toThrow(/at most 1024/);
    expect(matches(`?${long.slice(1)}`, long)).toBe(true);
    expect(matches(`${long}${long}*`, `${long}${long}b`)).toBe(true);
  });

  it("refuses what is no string", () => {
    expect(() => compileGlob(/a/ as unknown as string)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});
