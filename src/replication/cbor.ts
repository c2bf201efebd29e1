/**
 * Standard CBOR (RFC 8949) for the two bulk formats, event frames and snapshot chunks: one flat sequence
 * of items in a fixed order, written and read item by item. Written by hand for three reasons, each
 * measured (`npm run bench -- codec`): no intermediate arrays, stored strings that are not slices of the
 * batch they came in, and lengths that are checked against what is there before anything is allocated.
 * Everything else on the wire goes through `cbor-x` (`messages.ts`).
 */
import { Buffer, isUtf8 } from "node:buffer";
import type { Value } from "../crdt/entry.ts";
import { TidemarkError } from "../errors.ts";

const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const TAG = 6;

const NULL = 0xf6;
const FLOAT64 = 0xfb;
const POSITIVE_BIGNUM = 2;
const NEGATIVE_BIGNUM = 3;
const MAX_BIGNUM_BYTES = 16;
const TWO_32 = 0x100000000;

export function malformed(what: string): TidemarkError {
  return new TidemarkError(
    "MALFORMED_MESSAGE",
    `a message of another host cannot be read: ${what}; it is treated as lost`,
  );
}

/** Appends items to a buffer that grows. Reused: `clear` keeps the memory. */
export class CborWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 1024) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** What was written; a view that the next write may change. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return new Uint8Array(this.view());
  }

  uint(value: number): void {
    this.#reserve(9);
    this.#head(UINT, value);
  }

  int(value: number): void {
    this.#reserve(9);
    if (value >= 0) this.#head(UINT, value);
    else this.#head(NEGATIVE, -1 - value);
  }

  /** A whole number of any size up to 128 bits. */
  integer(value: number | bigint): void {
    if (typeof value === "number") {
      this.int(value);
      return;
    }
    const magnitude = value >= 0n ? value : -1n - value;
    const hex = magnitude.toString(16);
    const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
    this.#reserve(10 + bytes.length);
    this.#head(TAG, value >= 0n ? POSITIVE_BIGNUM : NEGATIVE_BIGNUM);
    this.#head(BYTES, bytes.length);
    this.#append(bytes);
  }

  float(value: number): void {
    this.#reserve(9);
    this.#buffer[this.#length] = FLOAT64;
    this.#buffer.writeDoubleBE(value, this.#length + 1);
    this.#length += 9;
  }

  null(): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = NULL;
  }

  text(value: string): void {
    const chars = value.length;
    this.#reserve(chars * 3 + 9);
    if (chars < 64) {
      // Almost always ASCII: one pass writes it; otherwise it is written again with its real length.
      const start = this.#length;
      this.#head(TEXT, chars);
      const buffer = this.#buffer;
      let at = this.#length;
      let all = 0;
      for (let i = 0; i < chars; i++) {
        const code = value.charCodeAt(i);
        all |= code;
        buffer[at++] = code;
      }
      if (all < 0x80) {
        this.#length = at;
        return;
      }
      this.#length = start;
    }
    this.#head(TEXT, Buffer.byteLength(value));
    this.#length += this.#buffer.write(value, this.#length);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length + 9);
    this.#head(BYTES, value.length);
    this.#append(value);
  }

  value(value: Value): void {
    if (typeof value === "string") this.text(value);
    else this.bytes(value);
  }

  array(length: number): void {
    this.#reserve(9);
    this.#head(ARRAY, length);
  }

  /** Four bytes of unsigned integer whatever its size, so that its place is known. */
  uint32(value: number): void {
    this.#reserve(5);
    this.#buffer[this.#length] = (UINT << 5) | 26;
    this.#buffer.writeUInt32BE(value >>> 0, this.#length + 1);
    this.#length += 5;
  }

  /** Appends items that were encoded elsewhere. */
  raw(items: Uint8Array): void {
    this.#reserve(items.length);
    this.#append(items);
  }

  #append(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #head(major: number, value: number): void {
    const buffer = this.#buffer;
    const at = this.#length;
    const type = major << 5;
    if (value < 24) {
      buffer[at] = type | value;
      this.#length = at + 1;
    } else if (value < 0x100) {
      buffer[at] = type | 24;
      buffer[at + 1] = value;
      this.#length = at + 2;
    } else if (value < 0x10000) {
      buffer[at] = type | 25;
      buffer[at + 1] = value >>> 8;
      buffer[at + 2] = value;
      this.#length = at + 3;
    } else if (value < TWO_32) {
      buffer[at] = type | 26;
      buffer[at + 1] = value >>> 24;
      buffer[at + 2] = value >>> 16;
      buffer[at + 3] = value >>> 8;
      buffer[at + 4] = value;
      this.#length = at + 5;
    } else {
      if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is no safe integer`);
      buffer[at] = type | 27;
      buffer.writeUInt32BE(Math.floor(value / TWO_32), at + 1);
      buffer.writeUInt32BE(value % TWO_32, at + 5);
      this.#length = at + 9;
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** In every Node we support, but not in the declarations; `toString` costs as much again on top of it. */
interface Utf8Slice {
  utf8Slice(start: number, end: number): string;
}

/** Reads items one by one; throws `MALFORMED_MESSAGE` at anything but what is asked for. */
export class CborReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  uint(): number {
    const buffer = this.#buffer;
    const head = buffer[this.#at];
    if (head !== undefined && head < 24) {
      this.#at++;
      return head;
    }
    return this.#head(UINT);
  }

  int(): number {
    const head = this.#buffer[this.#at];
    if (head !== undefined && head >> 5 === NEGATIVE) return -1 - this.#head(NEGATIVE);
    return this.uint();
  }

  integer(): number | bigint {
    const head = this.#buffer[this.#at];
    if (head === undefined || head >> 5 !== TAG) return this.int();
    const tag = this.#head(TAG);
    if (tag !== POSITIVE_BIGNUM && tag !== NEGATIVE_BIGNUM) throw malformed("an unknown tag");
    const length = this.#head(BYTES);
    if (length === 0 || length > MAX_BIGNUM_BYTES) throw malformed("an integer of unreasonable size");
    const magnitude = BigInt(`0x${this.#slice(length).toString("hex")}`);
    return tag === POSITIVE_BIGNUM ? magnitude : -1n - magnitude;
  }

  float(): number {
    if (this.#buffer[this.#at] !== FLOAT64 || this.remaining < 9) throw malformed("a number was expected");
    const value = this.#buffer.readDoubleBE(this.#at + 1);
    this.#at += 9;
    return value;
  }

  /** Whether the next item is null, which is then skipped. */
  isNull(): boolean {
    if (this.#buffer[this.#at] !== NULL) return false;
    this.#at++;
    return true;
  }

  /** A string of its own, never a slice of a larger one. */
  text(maxBytes: number): string {
    const length = this.#head(TEXT);
    if (length > maxBytes || length > this.remaining) throw malformed("a text longer than allowed");
    const start = this.#at;
    this.#at = start + length;
    const text = (this.#buffer as unknown as Utf8Slice).utf8Slice(start, this.#at);
    // The decoder puts U+FFFD for invalid bytes; a text that has it is looked at twice.
    if (text.includes("\ufffd") && !isUtf8(this.#buffer.subarray(start, this.#at)))
      throw malformed("invalid UTF-8");
    return text;
  }

  /** A view into the message. */
  bytes(maxBytes: number): Buffer {
    const length = this.#head(BYTES);
    if (length > maxBytes) throw malformed("a byte string longer than allowed");
    return this.#slice(length);
  }

  value(maxBytes: number): Value {
    const head = this.#buffer[this.#at];
    if (head !== undefined && head >> 5 === TEXT) return this.text(maxBytes);
    const bytes = this.bytes(maxBytes);
    return isUtf8(bytes) ? bytes.toString("utf8") : new Uint8Array(bytes);
  }

  array(): number {
    return this.#head(ARRAY);
  }

  /** The length of a run of items that take at least one byte each. */
  count(): number {
    const count = this.uint();
    if (count > this.remaining) throw malformed("more items announced than there are bytes");
    return count;
  }

  #slice(length: number): Buffer {
    if (length > this.remaining) throw malformed("it ends too early");
    const start = this.#at;
    this.#at = start + length;
    return this.#buffer.subarray(start, this.#at);
  }

  #head(major: number): number {
    const buffer = this.#buffer;
    const at = this.#at;
    const head = buffer[at];
    if (head === undefined) throw malformed("it ends too early");
    if (head >> 5 !== major) throw malformed("an item of another type was expected");
    const info = head & 31;
    if (info < 24) {
      this.#at = at + 1;
      return info;
    }
    const size = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0;
    if (size === 0) throw malformed("an item of indefinite length");
    if (at + size >= buffer.length) throw malformed("it ends too early");
    this.#at = at + 1 + size;
    if (size === 1) return buffer[at + 1]!;
    if (size === 2) return (buffer[at + 1]! << 8) | buffer[at + 2]!;
    if (size === 4) return buffer.readUInt32BE(at + 1);
    const high = buffer.readUInt32BE(at + 1);
    if (high >= 0x200000) throw malformed("an integer beyond 2^53");
    return high * TWO_32 + buffer.readUInt32BE(at + 5);
  }
}
