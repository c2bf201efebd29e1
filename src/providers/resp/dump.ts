/**
 * What DUMP answers and RESTORE takes: `TMK`, a version byte, a letter for the type, the values each behind its
 * length (four bytes, most significant first), and a CRC-32 of all that.
 */
import { crc32 } from "node:zlib";
import type { KeyType, Tidemark } from "../../tidemark.ts";
import { ReplyError } from "./failure.ts";

const MAGIC = Buffer.from("TMK\x01", "latin1");
const LETTERS = { string: 0x73, set: 0x6d, list: 0x6c } as const;
const HEADER_BYTES = MAGIC.length + 1;
const LENGTH_BYTES = 4;
const CHECK_BYTES = 4;
const BROKEN = "ERR DUMP payload version or checksum are wrong";

/** `undefined` when the key is absent. */
export function dump(kv: Tidemark, key: string): Buffer | undefined {
  const type = kv.type(key);
  if (type === undefined) return undefined;
  const values =
    type === "string" ? [kv.getValue(key)!] : type === "set" ? kv.setMembers(key) : kv.listRange(key);
  return encodeDump(type, values as string[]);
}

/** The payload for values of a type. */
export function encodeDump(type: KeyType, values: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [MAGIC, Buffer.from([LETTERS[type]])];
  for (const value of values) {
    const bytes = Buffer.from(value as string);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  const content = Buffer.concat(parts);
  const check = Buffer.alloc(CHECK_BYTES);
  check.writeUInt32BE(crc32(content));
  return Buffer.concat([content, check]);
}

/** What a payload holds; the members of a set in no order. */
export interface Dumped {
  readonly type: KeyType;
  /** Of a string one. */
  readonly values: readonly Buffer[];
}

/** Reads what `dump` made. Throws the reply where these are not its bytes. */
export function parseDump(payload: Buffer): Dumped {
  const end = payload.length - CHECK_BYTES;
  const whole =
    end >= HEADER_BYTES &&
    payload.subarray(0, MAGIC.length).equals(MAGIC) &&
    payload.readUInt32BE(end) === crc32(payload.subarray(0, end));
  if (!whole) throw new ReplyError(BROKEN);
  const values: Buffer[] = [];
  let at = HEADER_BYTES;
  while (at < end) {
    const start = at + LENGTH_BYTES;
    at = start <= end ? start + payload.readUInt32BE(at) : end + 1;
    if (at > end) throw new ReplyError("ERR Bad data format");
    values.push(payload.subarray(start, at));
  }
  const letter = payload[MAGIC.length];
  const type = (Object.keys(LETTERS) as KeyType[]).find((each) => LETTERS[each] === letter);
  if (type === undefined || (type === "string" && values.length !== 1))
    throw new ReplyError("ERR Bad data format");
  return { type, values };
}

/** Throws the reply where these are not the bytes of `dump`, and nothing is changed then. */
export function restore(kv: Tidemark, key: string, payload: Buffer, expiresAt: number): void {
  const { type, values } = parseDump(payload);
  if (type === "set") kv.setStore(key, values, { expiresAt });
  else if (type === "list") kv.listStore(key, values, { expiresAt });
  else kv.set(key, values[0]!, { expiresAt });
}
