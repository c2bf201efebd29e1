/**
 * Redis's glob (`stringmatchlen` in its `util.c`, quirks included): `*`, `?`, `[abc]`, `[^a-z]`, `\` takes
 * the next character literally. Unlike Redis's it counts characters and not bytes, so that `?` is one
 * `é`. Never a RegExp and never recursion: going back only to the last star is enough, which bounds the
 * work by pattern times text whatever the pattern.
 */
import { TidemarkError } from "../errors.ts";

/** Where a match can cost pattern times text, the pattern has a limit; keys have theirs. */
export const MAX_GLOB_LENGTH = 1_024;

// A token is a code point, or one of these, or FIRST_CLASS - n for the nth class.
const STAR = -1;
const ANY = -2;
const FIRST_CLASS = -3;

interface CharacterClass {
  readonly negated: boolean;
  /** Flat pairs, from and to inclusive. */
  readonly ranges: readonly number[];
}

interface Glob {
  readonly tokens: readonly number[];
  readonly classes: readonly CharacterClass[];
}

/** A function that tells whether a text matches the whole pattern. Throws `INVALID_ARGUMENT`. */
export function compileGlob(pattern: string): (text: string) => boolean {
  if (typeof pattern !== "string") throw new TidemarkError("INVALID_ARGUMENT", "a glob is a string");
  const glob = parseGlob(pattern);
  return simpleMatcher(glob) ?? backtrackingMatcher(glob, pattern.length);
}

/** The shapes that people use most, by what the engine has built in. */
function simpleMatcher({ tokens }: Glob): ((text: string) => boolean) | undefined {
  const first = tokens[0] === STAR;
  const last = tokens.length > 1 && tokens.at(-1) === STAR;
  const middle = tokens.slice(first ? 1 : 0, last ? -1 : undefined);
  if (middle.some((token) => token < 0)) return undefined;
  const literal = middle.map((token) => String.fromCodePoint(token)).join("");
  if (literal === "" && first) return () => true;
  if (first && last) return (text) => text.includes(literal);
  if (first) return (text) => text.endsWith(literal);
  if (last) return (text) => text.startsWith(literal);
  return (text) => text === literal;
}

function backtrackingMatcher(glob: Glob, length: number): (text: string) => boolean {
  if (length > MAX_GLOB_LENGTH) {
    const message = `a glob takes at most ${MAX_GLOB_LENGTH} characters, not ${length}; match by prefix and filter the rest`;
    throw new TidemarkError("INVALID_ARGUMENT", message);
  }
  return (text) => matches(glob, text);
}

function matches({ tokens, classes }: Glob, text: string): boolean {
  let at = 0;
  let token = 0;
  // What to go back to: the token behind the last star, and the next place in the text to try it at.
  let afterStar = -1;
  let retryAt = 0;
  while (at < text.length) {
    const expected = tokens[token];
    if (expected === STAR) {
      afterStar = ++token;
      retryAt = at;
      continue;
    }
    const character = text.codePointAt(at)!;
    if (expected !== undefined && accepts(expected, classes, character)) {
      token++;
      at += width(character);
    } else if (afterStar >= 0) {
      retryAt += width(text.codePointAt(retryAt)!);
      at = retryAt;
      token = afterStar;
    } else return false;
  }
  while (tokens[token] === STAR) token++;
  return token === tokens.length;
}

function accepts(token: number, classes: readonly CharacterClass[], character: number): boolean {
  if (token >= 0) return token === character;
  if (token === ANY) return true;
  const { negated, ranges } = classes[FIRST_CLASS - token]!;
  for (let index = 0; index < ranges.length; index += 2) {
    if (character >= ranges[index]! && character <= ranges[index + 1]!) return !negated;
  }
  return negated;
}

/** Code units of a code point. */
function width(character: number): number {
  return character > 0xffff ? 2 : 1;
}

function parseGlob(pattern: string): Glob {
  const characters = Array.from(pattern);
  const tokens: number[] = [];
  const classes: CharacterClass[] = [];
  let index = 0;
  while (index < characters.length) {
    const character = characters[index++]!;
    if (character === "*") {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (character === "?") tokens.push(ANY);
    else if (character === "[") {
      tokens.push(FIRST_CLASS - classes.length);
      const negated = characters[index] === "^";
      const ranges: number[] = [];
      index = parseClass(characters, negated ? index + 1 : index, ranges);
      classes.push({ negated, ranges });
    } else if (character === "\\" && index < characters.length)
      tokens.push(characters[index++]!.codePointAt(0)!);
    else tokens.push(character.codePointAt(0)!);
  }
  return { tokens, classes };
}

/**
 * Reads the inside of a class and returns where it ends. As in Redis: `]` at the start ends it, a class
 * without an end reaches to the end of the pattern, a range may be given backwards and may end in `]`
 * or `\`.
 */
function parseClass(characters: readonly string[], from: number, ranges: number[]): number {
  let index = from;
  while (index < characters.length) {
    let character = characters[index++]!;
    if (character === "]") break;
    let to = character;
    if (character === "\\" && index < characters.length) {
      character = characters[index++]!;
      to = character;
    } else if (characters[index] === "-" && index + 1 < characters.length) {
      to = characters[index + 1]!;
      index += 2;
    }
    const ends = [character.codePointAt(0)!, to.codePointAt(0)!];
    ranges.push(Math.min(...ends), Math.max(...ends));
  }
  return index;
}
