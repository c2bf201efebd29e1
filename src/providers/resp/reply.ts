/**
 * Writes replies, RESP2 or RESP3, into memory of its own, which one connection after the other uses: replies of
 * one batch of requests are written together. What RESP2 does not know is spelt as Redis spells it there.
 */
import type { ValueInput } from "../../tidemark.ts";

const FIRST_BYTES = 64 * 1024;
/** Memory that grew past this is not kept. */
const KEPT_BYTES = 1024 * 1024;
/** Up to this length text is written by looking at each character. */
const SHORT = 40;
/** No UTF-16 code unit takes more bytes in UTF-8. */
const MOST_BYTES_PER_UNIT = 3;

const OK = Buffer.from("+OK\r\n");
const PONG = Buffer.from("+PONG\r\n");
const NULL_BULK = Buffer.from("$-1\r\n");
const NULL_ARRAY = Buffer.from("*-1\r\n");
const NULL = Buffer.from("_\r\n");

/** Thrown when the replies of one connection would take more memory than it may. */
export class OutputLimitError extends Error {
  override readonly name = "OutputLimitError";
}

export class ReplyWriter {
  /** Of the connection whose replies are written. */
  protocol: 2 | 3 = 2;
  /** How many bytes may wait, at most. */
  maxBytes = Number.POSITIVE_INFINITY;
  #buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;

  /** Bytes written and not yet taken. */
  get length(): number {
    return this.#length;
  }

  /** Forgets what was written behind a former `length`. */
  rewind(length: number): void {
    this.#length = length;
  }

  /** What was written, in the writer's own memory: see `taken`. */
  peek(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Starts anew: in the same memory, or in other if what `peek` gave is still in use. */
  taken(inUse: boolean): void {
    this.#length = 0;
    if (inUse || this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  ok(): void {
    this.#put(OK);
  }

  pong(): void {
    this.#put(PONG);
  }

  /** Short ASCII without line ends. */
  simple(text: string): void {
    this.#room(text.length + 3);
    this.#buffer[this.#length++] = 0x2b;
    this.#ascii(text);
    this.#crlf();
  }

  /** The message begins with its code, as in `ERR syntax error`. */
  error(message: string): void {
    const line = message.replace(/[\r\n]+/g, " ");
    this.#room(line.length * MOST_BYTES_PER_UNIT + 3);
    this.#buffer[this.#length++] = 0x2d;
    this.#length += this.#buffer.write(line, this.#length, "utf8");
    this.#crlf();
  }

  integer(value: number | bigint): void {
    this.#header(0x3a, value);
  }

  bool(value: boolean): void {
    this.#header(0x3a, value ? 1 : 0);
  }

  /** Text or bytes; `undefined` is the null of the protocol. */
  bulk(value: ValueInput | undefined): void {
    if (value === undefined) this.null();
    else if (typeof value === "string") this.#text(value);
    else this.#bytes(value);
  }

  null(): void {
    this.#put(this.protocol === 3 ? NULL : NULL_BULK);
  }

  nullArray(): void {
    this.#put(this.protocol === 3 ? NULL : NULL_ARRAY);
  }

  array(length: number): void {
    this.#header(0x2a, length);
  }

  /** Pairs to follow; in RESP2 an array of twice as many. */
  map(pairs: number): void {
    if (this.protocol === 3) this.#header(0x25, pairs);
    else this.#header(0x2a, pairs * 2);
  }

  set(length: number): void {
    this.#header(this.protocol === 3 ? 0x7e : 0x2a, length);
  }

  /** Text for people; in RESP2 a bulk string. */
  verbatim(text: string): void {
    if (this.protocol === 2) {
      this.#text(text);
      return;
    }
    const bytes = Buffer.from(`txt:${text}`);
    this.#header(0x3d, bytes.length);
    this.#put(bytes);
    this.#room(2);
    this.#crlf();
  }

  bulks(values: readonly (ValueInput | undefined)[]): void {
    this.array(values.length);
    for (const value of values) this.bulk(value);
  }

  bulkSet(values: readonly ValueInput[]): void {
    this.set(values.length);
    for (const value of values) this.bulk(value);
  }

  #text(text: string): void {
    const { length } = text;
    if (length <= SHORT && this.#shortText(text, length)) return;
    const bytes = Buffer.byteLength(text);
    this.#header(0x24, bytes);
    this.#room(bytes + 2);
    this.#buffer.write(text, this.#length, "utf8");
    this.#length += bytes;
    this.#crlf();
  }

  /** False, and nothing written, where it is not all ASCII. */
  #shortText(text: string, length: number): boolean {
    this.#room(length + 8);
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = 0x24;
    if (length >= 10) buffer[at++] = 0x30 + ((length / 10) | 0);
    buffer[at++] = 0x30 + (length % 10);
    buffer[at++] = 0x0d;
    buffer[at++] = 0x0a;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return false;
      buffer[at++] = unit;
    }
    buffer[at++] = 0x0d;
    buffer[at++] = 0x0a;
    this.#length = at;
    return true;
  }

  #bytes(value: Uint8Array): void {
    this.#header(0x24, value.byteLength);
    this.#room(value.byteLength + 2);
    this.#buffer.set(value, this.#length);
    this.#length += value.byteLength;
    this.#crlf();
  }

  #header(kind: number, value: number | bigint): void {
    this.#room(24);
    this.#buffer[this.#length++] = kind;
    if (typeof value === "number" && value >= 0 && value < 10) this.#buffer[this.#length++] = 0x30 + value;
    else this.#ascii(String(value));
    this.#crlf();
  }

  #ascii(text: string): void {
    for (let index = 0; index < text.length; index++) this.#buffer[this.#length++] = text.charCodeAt(index);
  }

  #crlf(): void {
    this.#buffer[this.#length++] = 0x0d;
    this.#buffer[this.#length++] = 0x0a;
  }

  #put(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    if (needed > this.maxBytes) throw new OutputLimitError("the replies exceed what may wait for a client");
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
