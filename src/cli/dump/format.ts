/**
 * The file that `tidemark dump` writes: blocks one after the other, each behind its kind and length and before a
 * CRC-32 that goes on from the one before it. So a file that was cut, mixed, reordered or damaged anywhere is found
 * out at that place, and one that broke off can be gone on with. `docs/CLI.md` has it byte by byte.
 */
import { crc32 } from "node:zlib";
import { TidemarkError } from "../../errors.ts";

/** What the file is of. */
export interface DumpHead {
  /** Names the dump; no two share it. */
  readonly id: string;
  readonly url: string;
  readonly match: string;
  /** ISO 8601. */
  readonly begunAt: string;
}

export interface DumpEntry {
  readonly key: string;
  /** Milliseconds since 1970; 0 for never. */
  readonly expiresAt: number;
  /** What DUMP answers. */
  readonly payload: Buffer;
}

/** A part of the keys. */
export interface DumpKeys {
  /** The keys of every SCAN cursor below this are in this block or before it. */
  readonly position: number;
  readonly entries: readonly DumpEntry[];
}

export type Block =
  | { readonly kind: "head"; readonly head: DumpHead }
  | { readonly kind: "keys"; readonly keys: DumpKeys }
  | { readonly kind: "end"; readonly entries: number };

/** Of cursors of SCAN there are so many; the position of a dump that has all keys. */
export const ALL_CURSORS = 4_096;
export const MAGIC = Buffer.from("TMKDUMP\x01", "latin1");
/** Kind and length. */
export const PREFIX_BYTES = 5;
export const CHECK_BYTES = 4;
/** Longer ones are damaged: a host answers with less. */
export const LARGEST_BLOCK_BYTES = 256 * 1024 * 1024;

const LETTERS = { head: 0x48, keys: 0x4b, end: 0x45 } as const;

/** A block as bytes, and the check that the next one goes on from. */
export function encodeBlock(block: Block, check: number): { bytes: Buffer; check: number } {
  const body = bodyOf(block);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix[0] = LETTERS[block.kind];
  prefix.writeUInt32BE(body.length, 1);
  const next = crc32(body, crc32(prefix, check));
  const end = Buffer.alloc(CHECK_BYTES);
  end.writeUInt32BE(next);
  return { bytes: Buffer.concat([prefix, body, end]), check: next };
}

/** Reads a block whose check has been found right. Throws `DUMP_REFUSED`. */
export function decodeBlock(letter: number, body: Buffer): Block {
  try {
    if (letter === LETTERS.head) return { kind: "head", head: JSON.parse(body.toString("utf8")) as DumpHead };
    if (letter === LETTERS.end) return { kind: "end", entries: Number(body.readBigUInt64BE()) };
    if (letter === LETTERS.keys) return { kind: "keys", keys: keysOf(body) };
  } catch (cause) {
    throw refused("a block does not hold what it should", cause);
  }
  throw refused("it has a block that this version does not know");
}

/** The error for a file that cannot be taken. */
export function refused(why: string, cause?: unknown): TidemarkError {
  return new TidemarkError("DUMP_REFUSED", `the dump cannot be used: ${why}`, { cause });
}

function bodyOf(block: Block): Buffer {
  if (block.kind === "head") return Buffer.from(JSON.stringify(block.head));
  if (block.kind === "end") {
    const body = Buffer.alloc(8);
    body.writeBigUInt64BE(BigInt(block.entries));
    return body;
  }
  const { position, entries } = block.keys;
  const parts: Buffer[] = [Buffer.alloc(8)];
  parts[0]!.writeUInt32BE(position);
  parts[0]!.writeUInt32BE(entries.length, 4);
  for (const { key, expiresAt, payload } of entries) {
    const name = Buffer.from(key);
    const sizes = Buffer.alloc(16);
    sizes.writeUInt32BE(name.length);
    sizes.writeBigUInt64BE(BigInt(Math.round(expiresAt)), 4);
    sizes.writeUInt32BE(payload.length, 12);
    parts.push(sizes, name, payload);
  }
  return Buffer.concat(parts);
}

function keysOf(body: Buffer): DumpKeys {
  const entries: DumpEntry[] = [];
  let at = 8;
  const take = (bytes: number): Buffer => {
    if (at + bytes > body.length) throw new RangeError("an entry goes beyond its block");
    at += bytes;
    return body.subarray(at - bytes, at);
  };
  for (let left = body.readUInt32BE(4); left > 0; left--) {
    const sizes = take(16);
    const key = take(sizes.readUInt32BE()).toString("utf8");
    const expiresAt = Number(sizes.readBigUInt64BE(4));
    entries.push({ key, expiresAt, payload: take(sizes.readUInt32BE(12)) });
  }
  if (at !== body.length) throw new RangeError("bytes follow the last entry");
  return { position: body.readUInt32BE(), entries };
}
