import fc from "fast-check";
import { describe, it } from "vitest";
import { compileGlob } from "../../src/crdt/glob.ts";

/**
 * Redis's `stringmatchlen` line by line, recursion included: the reference. Exponential, so for small
 * inputs only.
 */
function reference(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  while (p < pattern.length && t < text.length) {
    const left = pattern.length - p;
    if (pattern[p] === "*") {
      while (pattern[p + 1] === "*") p++;
      if (p + 1 === pattern.length) return true;
      for (; t <= text.length; t++) if (reference(pattern.slice(p + 1), text.slice(t))) return true;
      return false;
    }
    if (pattern[p] === "[") {
      const inside = referenceClass(pattern, p + 1, text[t]!);
      if (!inside.match) return false;
      p = inside.end;
    } else if (pattern[p] === "\\" && left >= 2) {
      p++;
      if (pattern[p] !== text[t]) return false;
    } else if (pattern[p] !== "?" && pattern[p] !== text[t]) return false;
    t++;
    p++;
  }
  if (t === text.length) while (pattern[p] === "*") p++;
  return p >= pattern.length && t === text.length;
}

/** `end` is the last character of the class. */
function referenceClass(pattern: string, from: number, character: string): { match: boolean; end: number } {
  let p = from;
  const not = pattern[p] === "^";
  if (not) p++;
  let match = false;
  for (; ; p++) {
    const left = pattern.length - p;
    if (pattern[p] === "\\" && left >= 2) {
      p++;
      if (pattern[p] === character) match = true;
    } else if (left <= 0) {
      p--;
      break;
    } else if (pattern[p] === "]") break;
    else if (left >= 3 && pattern[p + 1] === "-") {
      const [low, high] = [pattern[p]!, pattern[p + 2]!].sort();
      if (character >= low! && character <= high!) match = true;
      p += 2;
    } else if (pattern[p] === character) match = true;
  }
  return { match: match !== not, end: p };
}

const small = (alphabet: string, maxLength: number) =>
  fc.array(fc.constantFrom(...alphabet), { maxLength }).map((characters) => characters.join(""));

describe("compileGlob", () => {
  it("agrees with Redis's own matcher on stars and questions", () => {
    fc.assert(
      fc.property(
        small("ab*?", 8),
        small("ab", 8),
        (pattern, text) => compileGlob(pattern)(text) === reference(pattern, text),
      ),
      { numRuns: 20_000 },
    );
  });

  it("agrees with Redis's own matcher on everything", () => {
    fc.assert(
      fc.property(
        small("abc*?[]^-\\", 9),
        small("abc-]\\", 5),
        (pattern, text) => compileGlob(pattern)(text) === reference(pattern, text),
      ),
      { numRuns: 40_000 },
    );
  });

  it("matches a text from which the pattern was made", () => {
    const part = fc.oneof(
      fc
        .string({ unit: "binary", maxLength: 4 })
        .map((text) => ({ text, pattern: text.replace(/[*?[\\]/g, "\\$&") })),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }).map((text) => ({ text, pattern: "?" })),
      fc.string({ unit: "binary", maxLength: 4 }).map((text) => ({ text, pattern: "*" })),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) =>
        compileGlob(parts.map((each) => each.pattern).join(""))(parts.map((each) => each.text).join("")),
      ),
      { numRuns: 5_000 },
    );
  });
});
