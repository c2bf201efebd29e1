/**
 * Values in their one canonical form: text as a string, anything that is not UTF-8 as a Uint8Array of our
 * own. Text and bytes are thereby one kind of value, compared as bytes, and two equal values are equal
 * strings in the common case. Also the 64-bit integers of counters, which are numbers as long as those
 * are exact, because a bigint costs ten times as much.
 */
import { Buffer, isUtf8 } from "node:buffer";
import { TidemarkError } from "../errors.ts";
import type { Value } from "./entry.ts";

/** The range of a counter, as in Redis. */
export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;

/** Marks binary values among strings: no well-formed text starts with it. */
const BINARY_MARK = "\ud800";
/** No UTF-16 code unit takes more bytes in UTF-8. */
const MOST_BYTES_PER_UNIT = 3;
/** `-9223372036854775808`. */
const MOST_INTEGER_LENGTH = 20;
/** Integers of fewer characters are safe whatever their digits. */
const SAFE_INTEGER_LENGTH = 15;

const encoder = new TextEncoder();

/**
 * The canonical form of what a caller gave: never aliases the caller's memory. Throws
 * `INVALID_ARGUMENT`, `INVALID_STRING`, `VALUE_TOO_LARGE`.
 */
export function toValue(input: string | Uint8Array, maxBytes: number): Value {
  if (typeof input === "string") {
    if (input.length * MOST_BYTES_PER_UNIT > maxBytes) checkValueSize(Buffer.byteLength(input), maxBytes);
    if (!isWellFormed(input)) throw malformed("value");
    return input;
  }
  if (!(input instanceof Uint8Array)) {
    const given = input === null ? "null" : typeof input;
    const message = `a value is a string or a Uint8Array, not ${given}; convert it, such as with JSON.stringify`;
    throw new TidemarkError("INVALID_ARGUMENT", message);
  }
  checkValueSize(input.byteLength, maxBytes);
  if (!isUtf8(input)) return new Uint8Array(input);
  return Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString("utf8");
}

/** The key, if it can be one. Throws `INVALID_ARGUMENT`, `INVALID_STRING`, `KEY_TOO_LARGE`. */
export function toKey(key: string, maxBytes: number): string {
  if (typeof key !== "string") {
    const given = key === null ? "null" : typeof key;
    throw new TidemarkError("INVALID_ARGUMENT", `a key is a string, not ${given}; convert it first`);
  }
  if (key.length * MOST_BYTES_PER_UNIT > maxBytes) checkKeySize(key, maxBytes);
  if (!isWellFormed(key)) throw malformed("key");
  return key;
}

/** The value as UTF-8 or as the bytes it is; a fresh copy. */
export function toBytes(value: Value): Uint8Array {
  return typeof value === "string" ? encoder.encode(value) : new Uint8Array(value);
}

/** The value as text. Throws `NOT_TEXT`. */
export function toText(value: Value): string {
  if (typeof value === "string") return value;
  throw new TidemarkError("NOT_TEXT", "the value is not valid UTF-8; read it as bytes with getBytes");
}

/** Length in bytes, as all limits count. */
export function valueByteLength(value: Value): number {
  return typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
}

/**
 * What V8 takes for a string: header, and one byte per character, or two as soon as one of them is beyond
 * Latin-1 (told here from being beyond ASCII, which counts what lies between twice), rounded up to 8.
 */
export function stringBytes(text: string): number {
  const { length } = text;
  const bytes = Buffer.byteLength(text) === length ? length : 2 * length;
  return 16 + ((bytes + 7) & ~7);
}

/** What V8 takes for a value in memory. */
export function valueBytes(value: Value): number {
  return typeof value === "string" ? stringBytes(value) : 200 + value.byteLength;
}

/** Whether two canonical values are the same bytes. */
export function sameValue(a: Value, b: Value): boolean {
  if (a === b) return true;
  return typeof a !== "string" && typeof b !== "string" && Buffer.compare(a, b) === 0;
}

/**
 * A string that is equal for equal values and for no others, for the keys of a Map: text is itself,
 * binary is its bytes as characters behind a lone surrogate, which no well-formed text can begin with.
 */
export function memberKey(value: Value): string {
  if (typeof value === "string") return value;
  return BINARY_MARK + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1");
}

/**
 * The 64-bit integer that a value spells exactly as Redis would print it: no spaces, no plus, no leading
 * zeros, no `-0`. A number where that is exact, else a bigint; `undefined` for anything else.
 */
export function parseInteger(value: Value): bigint | number | undefined {
  if (typeof value !== "string") return undefined;
  const { length } = value;
  if (length === 0 || length > MOST_INTEGER_LENGTH) return undefined;
  const negative = value.charCodeAt(0) === 0x2d;
  const start = negative ? 1 : 0;
  if (value.charCodeAt(start) === 0x30) return length === 1 ? 0 : undefined;
  if (start === length) return undefined;
  for (let index = start; index < length; index++) {
    const digit = value.charCodeAt(index);
    if (digit < 0x30 || digit > 0x39) return undefined;
  }
  if (length <= SAFE_INTEGER_LENGTH) return Number(value);
  const exact = BigInt(value);
  return inInt64(exact) ? normalised(exact) : undefined;
}

/** The exact sum of two integers: a number if it is a safe one, else a bigint. */
export function addIntegers(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    // A safe sum is exact; adding 0 turns -0 into 0.
    if (Number.isSafeInteger(sum)) return sum + 0;
  }
  return normalised(BigInt(a) + BigInt(b));
}

/** Whether an integer is within the range of a counter. */
export function inInt64(integer: number | bigint): boolean {
  return integer >= INT64_MIN && integer <= INT64_MAX;
}

function normalised(exact: bigint): number | bigint {
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

// In every Node we support, but in the library declarations only from ES2024 on.
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

function checkValueSize(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  const message = `the value has ${bytes} bytes, above the limit of ${maxBytes}; split it or raise maxValueBytes on every host`;
  throw new TidemarkError("VALUE_TOO_LARGE", message);
}

function checkKeySize(key: string, maxBytes: number): void {
  const bytes = Buffer.byteLength(key);
  if (bytes <= maxBytes) return;
  const start = JSON.stringify(`${key.slice(0, 32)}…`);
  const message = `the key ${start} has ${bytes} bytes, above the limit of ${maxBytes}; shorten it or raise maxKeyBytes on every host`;
  throw new TidemarkError("KEY_TOO_LARGE", message);
}

function malformed(what: string): TidemarkError {
  const message = `the ${what} holds half of a surrogate pair, which UTF-8 cannot carry; give bytes or call toWellFormed() on it`;
  return new TidemarkError("INVALID_STRING", message);
}
