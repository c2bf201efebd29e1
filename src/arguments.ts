/**
 * Checking what callers give: durations, sizes, and objects of options. Every wrong argument is refused at
 * once with a sentence that names it and says what it takes.
 */
import { TidemarkError } from "./errors.ts";

/** Milliseconds, or text such as `"250ms"`, `"10s"`, `"5m"`, `"2h"`, `"1d"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

/** Bytes, or text such as `"64kb"`, `"512mb"`, `"2gb"` (powers of 1,024). */
export type Size = number | `${number}${"b" | "kb" | "mb" | "gb"}`;

/** Added to any wall clock it is still a safe integer; 142,000 years. */
const MAX_DURATION_MS = 2 ** 52;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const UNIT_BYTES = { b: 1, kb: 1_024, mb: 1_024 ** 2, gb: 1_024 ** 3 } as const;
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const SIZE = /^(\d+(?:\.\d+)?)(b|kb|mb|gb)$/;

/**
 * A duration in whole milliseconds, or `Infinity`; a positive one is never rounded to 0. `name` is what
 * the error calls it.
 */
export function parseDuration(value: Duration, name: string): number {
  const ms = amount(value, DURATION, UNIT_MS);
  if (ms === Number.POSITIVE_INFINITY && typeof value === "number") return ms;
  if (ms === undefined || ms < 0 || ms > MAX_DURATION_MS) {
    throw invalid(name, value, `milliseconds (0 or more) or text such as "250ms", "10s", "5m", "2h", "1d"`);
  }
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0;
}

/** A size in whole bytes. `name` is what the error calls it. */
export function parseSize(value: Size, name: string): number {
  const bytes = amount(value, SIZE, UNIT_BYTES);
  if (bytes === undefined || bytes < 0 || bytes > Number.MAX_SAFE_INTEGER) {
    throw invalid(name, value, `bytes (0 or more) or text such as "64kb", "512mb", "2gb"`);
  }
  return Math.round(bytes);
}

function amount(
  value: unknown,
  pattern: RegExp,
  units: Readonly<Record<string, number>>,
): number | undefined {
  if (typeof value === "number") return Number.isNaN(value) ? undefined : value;
  if (typeof value !== "string") return undefined;
  const match = pattern.exec(value);
  return match === null ? undefined : Number(match[1]) * units[match[2]!]!;
}

/**
 * Throws `INVALID_ARGUMENT` for what is no object of options, and for a name that is not among `known`: a
 * misspelt option must not silently do something else.
 */
export function checkOptions(options: unknown, known: readonly string[], of: string): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TidemarkError("INVALID_ARGUMENT", `${of} takes an object of options, not ${shown(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined ? `known are ${known.join(", ")}` : `did you mean "${near}"?`;
    throw new TidemarkError("INVALID_ARGUMENT", `${of} has no option ${shown(name)}: ${hint}`);
  }
}

/** The candidate fewest edits away, if that is at most a third of the word. */
function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(word.toLowerCase().slice(0, 64), candidate.toLowerCase());
    if (edits >= least) continue;
    least = edits;
    best = candidate;
  }
  return best;
}

/** Levenshtein's, one row at a time. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const swap = above[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(swap, above[column]! + 1, current[column - 1]! + 1));
    }
    above = current;
  }
  return above[b.length]!;
}

/** What is thrown at a wrong argument: its name, what it takes, and what was given. */
export function invalid(name: string, value: unknown, takes: string): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", `${name} takes ${takes}, not ${shown(value)}`);
}

/** A value as an error shows it: short, and never an object's content, which may be a secret. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  if (typeof value === "function") return "a function";
  return String(value);
}
