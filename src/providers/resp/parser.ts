/**
 * From bytes to requests, as Redis reads them: arrays of bulk strings, or a line of words ("inline").
 * It takes the bytes as they come, never looks at one twice, and keeps only the request that is not yet
 * whole; what it keeps grows by doubling with what has come, never with what was only announced.
 */
import { ProtocolError } from "./failure.ts";
import { splitLine } from "./inline.ts";
import { Request } from "./request.ts";

export interface RequestLimits {
  /** Arguments of one request. */
  maxArguments: number;
  /** Bytes of one argument. */
  maxArgumentBytes: number;
  /** Bytes of one request. */
  maxRequestBytes: number;
}

/** A line without its end may have this many bytes. */
const MAX_LINE_BYTES = 64 * 1024;
/** What somebody who has not logged in may send: enough for AUTH and HELLO. */
const STRANGER_ARGUMENTS = 10;
const STRANGER_ARGUMENT_BYTES = 16 * 1024;
/** More places for arguments than this are given back after the request. */
const KEPT_PLACES = 1_024;

const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;
const NONE = -1;
const NOTHING = Buffer.alloc(0);

export class RequestParser {
  readonly request = new Request();
  readonly #limits: RequestLimits;
  #input: Buffer = NOTHING;
  /** Whether `#input` was allocated here, or is somebody's chunk. */
  #own = false;
  /** Where the request under way begins, where reading goes on, and where the input ends. */
  #start = 0;
  #at = 0;
  #end = 0;
  /** Arguments still to come; `NONE` between requests. */
  #missing = NONE;
  /** Length of the argument that comes next; `NONE` before its header. */
  #bulkLength = NONE;
  /** How far an end of line was looked for. */
  #searched = 0;

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  /** Bytes kept of a request that is not whole. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory that it holds. */
  get held(): number {
    return this.#own ? this.#input.length : 0;
  }

  /** Takes more bytes; they must not change until `keep` was called. */
  feed(chunk: Buffer): void {
    if (this.#start === this.#end) {
      this.#input = chunk;
      this.#own = false;
      this.#move(-this.#start);
      this.#end = chunk.length;
      return;
    }
    this.#reserve(chunk.length);
    chunk.copy(this.#input, this.#end);
    this.#end += chunk.length;
  }

  /** Takes a copy of what is left, so that the chunk it came in can be used again. */
  keep(): void {
    if (this.#start === this.#end) {
      this.#input = NOTHING;
      this.#own = false;
      this.#move(-this.#start);
      this.#end = 0;
    } else if (!this.#own) this.#reserve(0);
  }

  /**
   * Reads the next request into `request`; false when it is not there as a whole. `stranger`: nobody has logged
   * in yet. Throws `ProtocolError`, after which there is nothing to be read any more.
   */
  next(stranger: boolean): boolean {
    while (this.#at < this.#end || this.#missing !== NONE) {
      if (this.#missing === NONE) {
        this.#start = this.#at;
        if (this.#searched < this.#at) this.#searched = this.#at;
        this.request.count = 0;
        if (this.#input[this.#at] !== STAR) {
          if (!this.#inline()) return false;
          if (this.request.count > 0) return true;
          continue;
        }
        if (!this.#header(stranger)) return false;
        if (this.#missing === NONE) continue;
      }
      if (!this.#bulks(stranger)) return false;
      this.#missing = NONE;
      this.#start = this.#at;
      return true;
    }
    this.#start = this.#at;
    return false;
  }

  /** `*<count>`; a count below 1 asks for nothing and is passed over. */
  #header(stranger: boolean): boolean {
    const end = this.#line("too big mbulk count string");
    if (end === NONE) return false;
    const count = this.#number(this.#at + 1, end);
    if (count === undefined || count > this.#limits.maxArguments)
      throw new ProtocolError("invalid multibulk length");
    if (stranger && count > STRANGER_ARGUMENTS) throw new ProtocolError("unauthenticated multibulk length");
    this.#at = end + 2;
    if (count <= 0) {
      this.#start = this.#at;
      return true;
    }
    this.#missing = count;
    const { request } = this;
    request.count = 0;
    if (request.starts.length > KEPT_PLACES) {
      request.starts.length = 0;
      request.ends.length = 0;
    }
    return true;
  }

  #bulks(stranger: boolean): boolean {
    const { request } = this;
    while (this.#missing > 0) {
      if (this.#bulkLength === NONE && !this.#bulkHeader(stranger)) return false;
      const end = this.#at + this.#bulkLength;
      if (end + 2 > this.#end) {
        if (end + 2 - this.#start > this.#limits.maxRequestBytes) throw new ProtocolError("too big request");
        return false;
      }
      request.starts[request.count] = this.#at;
      request.ends[request.count] = end;
      request.count++;
      this.#at = end + 2;
      this.#bulkLength = NONE;
      this.#missing--;
    }
    request.buffer = this.#input;
    return true;
  }

  #bulkHeader(stranger: boolean): boolean {
    if (this.#at >= this.#end) return false;
    if (this.#searched < this.#at) this.#searched = this.#at;
    // As in Redis the end of the line is looked for first, so that what is cut is not judged half.
    const end = this.#line("too big bulk count string");
    if (end === NONE) return false;
    const first = this.#input[this.#at]!;
    if (first !== DOLLAR) throw new ProtocolError(`expected '$', got '${shown(first)}'`);
    const length = this.#number(this.#at + 1, end);
    if (length === undefined || length < 0 || length > this.#limits.maxArgumentBytes)
      throw new ProtocolError("invalid bulk length");
    if (stranger && length > STRANGER_ARGUMENT_BYTES) throw new ProtocolError("unauthenticated bulk length");
    this.#at = end + 2;
    this.#bulkLength = length;
    return true;
  }

  /** Where the CR of the line ends it, once its LF has come too; else `NONE`. */
  #line(tooLong: string): number {
    const input = this.#input;
    let at = this.#searched;
    while (at < this.#end && input[at] !== CR) at++;
    this.#searched = at;
    if (at + 1 < this.#end) return at;
    if (at - this.#at >= MAX_LINE_BYTES) throw new ProtocolError(tooLong);
    return NONE;
  }

  #inline(): boolean {
    const found = this.#input.indexOf(LF, this.#searched);
    if (found < 0 || found >= this.#end) {
      this.#searched = this.#end;
      if (this.#end - this.#at >= MAX_LINE_BYTES) throw new ProtocolError("too big inline request");
      return false;
    }
    const end = found > this.#at && this.#input[found - 1] === CR ? found - 1 : found;
    if (end - this.#at >= MAX_LINE_BYTES) throw new ProtocolError("too big inline request");
    const words = splitLine(this.#input.subarray(this.#at, end));
    if (words === undefined) throw new ProtocolError("unbalanced quotes in request");
    const { request } = this;
    request.count = words.length;
    request.buffer = words.length === 1 ? words[0]! : Buffer.concat(words);
    let place = 0;
    words.forEach((word, index) => {
      request.starts[index] = place;
      place += word.length;
      request.ends[index] = place;
    });
    this.#at = found + 1;
    this.#start = this.#at;
    return true;
  }

  /** A decimal integer without leading zeros or signs but one minus; `undefined` for anything else. */
  #number(from: number, to: number): number | undefined {
    const input = this.#input;
    const negative = input[from] === MINUS;
    let at = negative ? from + 1 : from;
    // Longer ones are beyond every limit, and may be beyond what is exact.
    if (at >= to || to - at > 15) return undefined;
    if (input[at] === 0x30) return to - at === 1 && !negative ? 0 : undefined;
    let number = 0;
    for (; at < to; at++) {
      const digit = input[at]! - 0x30;
      if (digit < 0 || digit > 9) return undefined;
      number = number * 10 + digit;
    }
    return negative ? -number : number;
  }

  /** Makes room behind the input for so many bytes more, in memory of our own. */
  #reserve(bytes: number): void {
    const kept = this.#end - this.#start;
    const needed = kept + bytes;
    if (this.#own && this.#start + needed <= this.#input.length) return;
    // Where half of it can be had by moving, moving costs no more than what was read since.
    const fits = this.#own && needed <= this.#input.length && this.#start >= kept;
    const room = fits ? this.#input : Buffer.allocUnsafeSlow(capacityFor(needed, this.#own));
    this.#input.copy(room, 0, this.#start, this.#end);
    this.#input = room;
    this.#own = true;
    this.#end = kept;
    this.#move(-this.#start);
  }

  /** Shifts every place that was noted. */
  #move(by: number): void {
    if (by === 0) return;
    this.#start += by;
    this.#at += by;
    this.#searched += by;
    if (this.#missing === NONE) return;
    const { request } = this;
    for (let index = 0; index < request.count; index++) {
      request.starts[index]! += by;
      request.ends[index]! += by;
    }
  }
}

/** The first time as much as is there, since most often the rest is short; then twice as much. */
function capacityFor(needed: number, growing: boolean): number {
  return growing ? needed * 2 : needed + 64;
}

function shown(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}
