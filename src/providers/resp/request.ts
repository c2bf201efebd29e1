/**
 * The arguments of one request, still as the bytes that came: decoded where a command asks for them, because
 * most are asked for once and some never. Valid until the connection reads on.
 */
import { isUtf8 } from "node:buffer";
import type { ValueInput } from "../../tidemark.ts";
import { NOT_AN_INTEGER, ReplyError, SYNTAX } from "./failure.ts";
import { parseFloat64, parseInt64 } from "./numbers.ts";

/** Up to this length it is cheaper to look at each byte than to call what is built in. */
const SHORT = 48;
const NOTHING = Buffer.alloc(0);

export class Request {
  buffer: Buffer = NOTHING;
  /** How many arguments, the name of the command included. */
  count = 0;
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  length(index: number): number {
    return this.ends[index]! - this.starts[index]!;
  }

  /** The same request without its first arguments. */
  from(first: number): Request {
    const rest = new Request();
    rest.buffer = this.buffer;
    rest.count = this.count - first;
    for (let index = first; index < this.count; index++) {
      rest.starts.push(this.starts[index]!);
      rest.ends.push(this.ends[index]!);
    }
    return rest;
  }

  /** A key: UTF-8, or refused. */
  key(index: number): string {
    const start = this.starts[index]!;
    const end = this.ends[index]!;
    if (isAscii(this.buffer, start, end)) return this.buffer.toString("latin1", start, end);
    if (isUtf8(this.bytes(index))) return this.buffer.toString("utf8", start, end);
    throw new ReplyError(
      "ERR a key is not valid UTF-8; Tidemark takes any UTF-8 as a key, and any bytes as a value",
    );
  }

  /** Keys from one argument to another, inclusive. */
  keys(first: number, last = this.count - 1, step = 1): string[] {
    const keys: string[] = [];
    for (let index = first; index <= last; index += step) keys.push(this.key(index));
    return keys;
  }

  /** Text where it is UTF-8, else the bytes, which are the connection's own: copy what is to be kept. */
  value(index: number): ValueInput {
    const start = this.starts[index]!;
    const end = this.ends[index]!;
    if (isAscii(this.buffer, start, end)) return this.buffer.toString("latin1", start, end);
    const bytes = this.bytes(index);
    return isUtf8(bytes) ? this.buffer.toString("utf8", start, end) : bytes;
  }

  values(first: number, last = this.count - 1): ValueInput[] {
    const values: ValueInput[] = [];
    for (let index = first; index <= last; index++) values.push(this.value(index));
    return values;
  }

  /** The bytes themselves, which are the connection's own. */
  bytes(index: number): Buffer {
    return this.buffer.subarray(this.starts[index]!, this.ends[index]!);
  }

  /** As Latin-1, for messages and for words that are ASCII or wrong. */
  raw(index: number): string {
    return this.buffer.toString("latin1", this.starts[index]!, this.ends[index]!);
  }

  /** A word of a command, in upper case. */
  word(index: number): string {
    return this.raw(index).toUpperCase();
  }

  /** A 64-bit integer; a number where that is exact. */
  int64(index: number, otherwise = NOT_AN_INTEGER): number | bigint {
    const parsed = this.length(index) > 20 ? undefined : parseInt64(this.raw(index));
    if (parsed === undefined) throw new ReplyError(otherwise);
    return parsed;
  }

  /** A 64-bit integer as the nearest number: for indexes and counts, which no collection reaches. */
  integer(index: number, otherwise = NOT_AN_INTEGER): number {
    return Number(this.int64(index, otherwise));
  }

  /** An integer within bounds. */
  integerIn(index: number, least: number, most: number, otherwise: string): number {
    const found = this.integer(index, otherwise);
    if (found < least || found > most) throw new ReplyError(otherwise);
    return found;
  }

  float(index: number): number {
    const parsed = parseFloat64(this.raw(index));
    if (parsed === undefined) throw new ReplyError("ERR value is not a valid float");
    return parsed;
  }

  /** Throws unless an argument is there. */
  need(index: number): number {
    if (index >= this.count) throw new ReplyError(SYNTAX);
    return index;
  }
}

function isAscii(buffer: Buffer, start: number, end: number): boolean {
  if (end - start > SHORT) return false;
  for (let at = start; at < end; at++) if (buffer[at]! >= 0x80) return false;
  return true;
}
