/**
 * Digests of the data: 4,096 buckets by key, each the XOR of a 64-bit hash of every live entry (and,
 * apart, of every live counter segment) of its keys. XOR makes them order-free and O(1) to keep up to
 * date. They answer two questions cheaply: is a peer's bucket the same as mine, and do two hosts that
 * have applied the same events hold the same data. They are no defence against forgery.
 */
import { crc32 } from "node:zlib";
import { hex32 } from "../causality/version-vector.ts";
import { type CounterCell, cellValue } from "./counter-cell.ts";
import type { Entry, Value } from "./entry.ts";

export const BUCKETS = 4096;
const BUCKET_SHIFT = 20;

/** Longer keys are hashed by their ends: a hash must not cost more than the write it belongs to. */
const KEY_SAMPLE = 64;
/** Longer values are hashed natively. */
const SHORT_VALUE = 48;

/** A 32-bit hash of a key, the same on every host. */
export function hashKey(key: string): number {
  const length = key.length;
  let hash = 0x811c9dc5 ^ length;
  if (length <= 2 * KEY_SAMPLE) {
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  } else {
    for (let i = 0; i < KEY_SAMPLE; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    for (let i = length - KEY_SAMPLE; i < length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  }
  return finish(hash);
}

/** The bucket of a key hash: its top 12 bits. */
export function bucketOf(keyHash: number): number {
  return keyHash >>> BUCKET_SHIFT;
}

/** A 32-bit hash of a value, the same on every host. */
export function hashValue(value: Value): number {
  if (typeof value !== "string" || value.length > SHORT_VALUE) return crc32(value) | 0;
  let hash = 0x2f0b4c47 ^ value.length;
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  return finish(hash);
}

/** A 32-bit hash of everything in an entry but its dot. */
export function hashContent(entry: Entry): number {
  switch (entry.kind) {
    case "value":
      return hashValueContent(hashValue(entry.value), entry.deadline, entry.loaded);
    case "member":
      return hashValue(entry.value) ^ 0x5bd1e995;
    case "element":
      return finish(hashNumber(entry.position) ^ hashValue(entry.fraction)) ^ hashValue(entry.value);
    case "deadline":
      return finish(hashNumber(entry.at) ^ Math.imul(hashNumber(entry.targetSeq), 0x27d4eb2f));
    case "commit": {
      const value = entry.value === null ? 0x165667b1 : hashValue(entry.value);
      return finish(value ^ Math.imul(hashNumber(entry.by), 0x27d4eb2f)) ^ hashNumber(entry.expiresAt);
    }
    default:
      return entry satisfies never;
  }
}

/** As `hashContent` of a value entry, from its parts. */
export function hashValueContent(valueHash: number, deadline: number, loaded: boolean): number {
  const timed = deadline === Number.POSITIVE_INFINITY ? valueHash : valueHash ^ hashNumber(deadline);
  return loaded ? ~timed : timed;
}

function hashNumber(value: number): number {
  if (!Number.isFinite(value)) return 0x7fed7fed;
  const high = Math.floor(value / 0x100000000);
  const fraction = Math.round((value - Math.floor(value)) * 0x100000000);
  return finish(Math.imul(value | 0, 0x85ebca6b) ^ Math.imul(high, 0x9e3779b1) ^ fraction);
}

function hashInteger(value: number | bigint): number {
  if (typeof value === "number") return hashNumber(value);
  return Number(BigInt.asIntN(32, value)) ^ finish(Number(BigInt.asIntN(32, value >> 32n)));
}

function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x7feb352d);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}

/** The low half of a hash of one dot under one key; `DigestTable` and snapshots use the same. */
export function dotHash(
  keyHash: number,
  originHash: number,
  seq: number,
  content: number,
  salt: number,
): number {
  let hash = Math.imul(keyHash ^ salt, 0xcc9e2d51) ^ originHash;
  hash = Math.imul(hash ^ (hash >>> 15) ^ (seq | 0), 0x1b873593);
  hash = Math.imul(hash ^ (hash >>> 13) ^ content, 0x85ebca6b);
  if (seq > 0x7fffffff) hash ^= Math.imul(Math.floor(seq / 0x100000000), 0x9e3779b1);
  return hash ^ (hash >>> 16);
}

export const LOW_SALT = 0x9e3779b1;
export const HIGH_SALT = 0x85ebca77;

/** A hash of a counter segment under a key; 0 for one that is fully reset, which counts as absent. */
export function cellHash(keyHash: number, originHash: number, cell: CounterCell, salt: number): number {
  if (cell.resetUpTo >= cell.high) return 0;
  const content = finish(hashInteger(cellValue(cell)) ^ hashNumber(cell.segment));
  return dotHash(~keyHash, originHash, cell.high, content, salt);
}

/** The bucket digests of one host. */
export class DigestTable {
  /** Low halves of the entry digests, by bucket: what a snapshot request carries. */
  readonly entriesLow = new Int32Array(BUCKETS);
  /** The same of the counter segments: what a scrub compares. */
  readonly cellsLow = new Int32Array(BUCKETS);
  #rootLow = 0;
  #rootHigh = 0;

  /** Adds an entry, or takes it away again. */
  toggleEntry(keyHash: number, originHash: number, seq: number, content: number): void {
    const low = dotHash(keyHash, originHash, seq, content, LOW_SALT);
    const bucket = keyHash >>> BUCKET_SHIFT;
    this.entriesLow[bucket] = this.entriesLow[bucket]! ^ low;
    this.#rootLow ^= low;
    this.#rootHigh ^= dotHash(keyHash, originHash, seq, content, HIGH_SALT);
  }

  /** Adds a counter segment, or takes it away again; one that is fully reset counts as absent. */
  toggleCell(keyHash: number, originHash: number, cell: CounterCell): void {
    const low = cellHash(keyHash, originHash, cell, LOW_SALT);
    const bucket = keyHash >>> BUCKET_SHIFT;
    this.cellsLow[bucket] = this.cellsLow[bucket]! ^ low;
    this.#rootLow ^= low;
    this.#rootHigh ^= cellHash(keyHash, originHash, cell, HIGH_SALT);
  }

  clear(): void {
    this.entriesLow.fill(0);
    this.cellsLow.fill(0);
    this.#rootLow = 0;
    this.#rootHigh = 0;
  }

  /** 16 hexadecimal digits over everything. */
  root(): string {
    return hex32(this.#rootHigh) + hex32(this.#rootLow);
  }
}
