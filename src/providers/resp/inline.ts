/**
 * A request as a line of words, as people type it: words apart by spaces, `"…"` with escapes, `'…'` without
 * but `\'` (`sdssplitargs` of Redis).
 */

const SPACES = new Set([0x20, 0x0a, 0x0d, 0x09, 0x0b, 0x0c, 0x00]);
const DOUBLE = 0x22;
const SINGLE = 0x27;
const BACKSLASH = 0x5c;
const ESCAPES: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, b: 0x08, a: 0x07 };

/** The words of a line; `undefined` when a quote is not closed, or closed in the middle of a word. */
export function splitLine(line: Buffer): Buffer[] | undefined {
  const words: Buffer[] = [];
  let at = 0;
  while (true) {
    while (at < line.length && SPACES.has(line[at]!)) at++;
    if (at >= line.length) return words;
    const bytes: number[] = [];
    while (at < line.length && !SPACES.has(line[at]!)) {
      const byte = line[at]!;
      if (byte !== DOUBLE && byte !== SINGLE) {
        bytes.push(byte);
        at++;
        continue;
      }
      const end = byte === DOUBLE ? readDouble(line, at + 1, bytes) : readSingle(line, at + 1, bytes);
      if (end < 0 || (end < line.length && !SPACES.has(line[end]!))) return undefined;
      at = end;
    }
    words.push(Buffer.from(bytes));
  }
}

/** Reads to the closing quote, and returns the place behind it; -1 without one. */
function readDouble(line: Buffer, from: number, into: number[]): number {
  let at = from;
  while (at < line.length) {
    const byte = line[at]!;
    if (byte === DOUBLE) return at + 1;
    if (byte !== BACKSLASH || at + 1 >= line.length) {
      into.push(byte);
      at++;
      continue;
    }
    const hex = /^x([0-9a-f]{2})/i.exec(line.toString("latin1", at + 1, at + 4));
    if (hex !== null) {
      into.push(Number.parseInt(hex[1]!, 16));
      at += 4;
    } else {
      into.push(ESCAPES[String.fromCharCode(line[at + 1]!)] ?? line[at + 1]!);
      at += 2;
    }
  }
  return -1;
}

function readSingle(line: Buffer, from: number, into: number[]): number {
  let at = from;
  while (at < line.length) {
    const byte = line[at]!;
    if (byte === SINGLE) return at + 1;
    const escaped = byte === BACKSLASH && line[at + 1] === SINGLE;
    into.push(escaped ? SINGLE : byte);
    at += escaped ? 2 : 1;
  }
  return -1;
}
