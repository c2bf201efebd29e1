/** Snapshot chunks: buckets of an exact image, and with the last chunk the removals that wait. */
import type { Origins } from "../causality/origins.ts";
import { VersionVector } from "../causality/version-vector.ts";
import type { CounterCell } from "../crdt/counter-cell.ts";
import { BUCKETS } from "../crdt/digest.ts";
import type { Entry } from "../crdt/entry.ts";
import type { PendingItem } from "../crdt/pending-removals.ts";
import { CborReader, CborWriter, malformed } from "./cbor.ts";
import { kindOfEntry, readEntry, type ValueLimits, writeEntry } from "./event-codec.ts";
import { MAX_INCARNATION_BYTES, PROTOCOL_VERSION, seal, unseal } from "./frame.ts";

export const CHUNK_TYPE = 8;

/** A bucket of an image; the store's `BucketImage` fits. */
export interface ImageBucket {
  readonly bucket: number;
  readonly entries: readonly { readonly key: string; readonly entry: Entry }[];
  readonly seen: readonly number[] | null;
  readonly cells: readonly { readonly key: string; readonly cell: CounterCell }[];
  readonly masked: readonly string[];
  readonly mixed: readonly string[];
}

/** What the giver had let go for room; the store's `EvictedThere` fits. */
export interface ImageEvicted {
  readonly vector: VersionVector;
  readonly keys: Uint8Array;
}

export interface ImageChunk {
  readonly session: string;
  readonly index: number;
  readonly last: boolean;
  readonly vector: VersionVector;
  readonly buckets: readonly ImageBucket[];
  readonly pending: readonly PendingItem[];
  /** With the last chunk, if the giver lacks anything. */
  readonly evicted: ImageEvicted | null;
}

/** What identifies a chunk, readable without its contents. */
export interface ChunkHeader {
  readonly session: string;
  readonly index: number;
  readonly last: boolean;
  readonly body: Uint8Array;
}

export function encodeChunk(chunk: ImageChunk, namespace: string, origins: Origins): Uint8Array {
  const names: number[] = [];
  const indexes = new Map<number, number>();
  const dictionary = {
    indexOf(origin: number): number {
      let index = indexes.get(origin);
      if (index === undefined) {
        index = names.length;
        names.push(origin);
        indexes.set(origin, index);
      }
      return index;
    },
  };
  const body = new CborWriter(64 * 1024);
  writeVector(body, chunk.vector, dictionary);
  body.uint(chunk.buckets.length);
  for (const bucket of chunk.buckets) writeBucket(body, bucket, dictionary);
  body.uint(chunk.pending.length);
  for (const item of chunk.pending) writePending(body, item, dictionary);
  if (chunk.evicted === null) body.null();
  else {
    writeVector(body, chunk.evicted.vector, dictionary);
    body.bytes(chunk.evicted.keys);
  }
  const head = new CborWriter(1024 + body.length);
  head.array(9 + names.length);
  head.uint(PROTOCOL_VERSION);
  head.text(namespace);
  head.uint(CHUNK_TYPE);
  head.text(chunk.session);
  head.uint(chunk.index);
  head.uint(chunk.last ? 1 : 0);
  head.uint(names.length);
  for (const origin of names) head.text(origins.name(origin));
  head.bytes(body.view());
  return seal(head);
}

/** Checks the seal and reads what identifies a chunk. `body` still holds everything after that. */
export function readChunkHeader(bytes: Uint8Array, namespace: string): ChunkHeader {
  const body = unseal(bytes);
  const input = new CborReader(body);
  input.array();
  if (input.uint() !== PROTOCOL_VERSION) throw malformed("another protocol version");
  if (input.text(64) !== namespace) throw malformed("another namespace");
  if (input.uint() !== CHUNK_TYPE) throw malformed("a snapshot chunk was expected");
  const session = input.text(64);
  const index = input.uint();
  const last = input.uint() === 1;
  return { session, index, last, body: body.subarray(input.position) };
}

/** Reads the contents of a chunk. Throws `MALFORMED_MESSAGE`. */
export function readChunk(header: ChunkHeader, origins: Origins, limits: ValueLimits): ImageChunk {
  const outer = new CborReader(header.body);
  const indexes: number[] = [];
  for (let left = outer.count(); left > 0; left--)
    indexes.push(origins.intern(outer.text(MAX_INCARNATION_BYTES)));
  const input = new CborReader(outer.bytes(header.body.length));
  const vector = readVector(input, indexes);
  const buckets: ImageBucket[] = [];
  for (let left = input.count(); left > 0; left--) buckets.push(readBucket(input, indexes, limits));
  const pending: PendingItem[] = [];
  for (let left = input.count(); left > 0; left--) pending.push(readPending(input, indexes, limits));
  const evicted = input.isNull() ? null : readEvicted(input, indexes);
  if (input.remaining > 0) throw malformed("bytes after the last item");
  const { session, index, last } = header;
  return { session, index, last, vector, buckets, pending, evicted };
}

function readEvicted(input: CborReader, indexes: readonly number[]): ImageEvicted {
  const vector = readVector(input, indexes);
  // A copy: the message it came in is not to be kept for it.
  return { vector, keys: new Uint8Array(input.bytes(input.remaining)) };
}

interface Dictionary {
  indexOf(origin: number): number;
}

function writeVector(out: CborWriter, vector: VersionVector, dictionary: Dictionary): void {
  const rows = [...vector.entries()];
  out.uint(rows.length);
  for (const [origin, seq] of rows) {
    out.uint(dictionary.indexOf(origin));
    out.uint(seq);
  }
}

function readVector(input: CborReader, indexes: readonly number[]): VersionVector {
  const vector = new VersionVector();
  for (let left = input.count(); left > 0; left--)
    vector.raise(originAt(indexes, input.uint()), input.uint());
  return vector;
}

function writeBucket(out: CborWriter, bucket: ImageBucket, dictionary: Dictionary): void {
  out.uint(bucket.bucket);
  out.uint(bucket.entries.length);
  for (const { key, entry } of bucket.entries) {
    out.text(key);
    out.uint(kindOfEntry(entry));
    writeImageDot(out, entry.origin, entry.seq, dictionary);
    const stamp = "stamp" in entry ? entry.stamp : 0;
    out.uint(stamp);
    writeEntry(out, entry, shifted(dictionary), 0, stamp, 0);
  }
  if (bucket.seen === null) out.null();
  else {
    out.uint(bucket.seen.length / 2);
    for (let i = 0; i < bucket.seen.length; i += 2)
      writeImageDot(out, bucket.seen[i]!, bucket.seen[i + 1]!, dictionary);
  }
  out.uint(bucket.cells.length);
  for (const { key, cell } of bucket.cells) {
    out.text(key);
    writeImageDot(out, cell.origin, cell.segment, dictionary);
    out.uint(cell.high);
    out.integer(cell.total);
    out.uint(cell.resetUpTo);
    out.integer(cell.resetTotal);
    if (cell.resetBy === null) out.null();
    else writeImageDot(out, cell.resetBy.origin, cell.resetBy.seq, dictionary);
  }
  writeKeys(out, bucket.masked);
  writeKeys(out, bucket.mixed);
}

function writeKeys(out: CborWriter, keys: readonly string[]): void {
  out.uint(keys.length);
  for (const key of keys) out.text(key);
}

function readKeys(input: CborReader, limits: ValueLimits): string[] {
  const keys: string[] = [];
  for (let left = input.count(); left > 0; left--) keys.push(input.text(limits.maxKeyBytes));
  return keys;
}

function readBucket(input: CborReader, indexes: readonly number[], limits: ValueLimits): ImageBucket {
  const bucket = input.uint();
  if (bucket >= BUCKETS) throw malformed("a bucket that cannot be");
  const entries: { key: string; entry: Entry }[] = [];
  for (let left = input.count(); left > 0; left--) {
    const key = input.text(limits.maxKeyBytes);
    const kind = input.uint();
    const [origin, seq] = readImageDot(input, indexes);
    const stamp = input.uint();
    entries.push({ key, entry: readEntry(input, kind, [origin, ...indexes], seq, stamp, 0, limits) });
  }
  let seen: number[] | null = null;
  if (!input.isNull()) {
    seen = [];
    for (let left = input.count(); left > 0; left--) seen.push(...readImageDot(input, indexes));
  }
  const cells: { key: string; cell: CounterCell }[] = [];
  for (let left = input.count(); left > 0; left--) cells.push(readCell(input, indexes, limits));
  const masked = readKeys(input, limits);
  return { bucket, entries, seen, cells, masked, mixed: readKeys(input, limits) };
}

function readCell(
  input: CborReader,
  indexes: readonly number[],
  limits: ValueLimits,
): { key: string; cell: CounterCell } {
  const key = input.text(limits.maxKeyBytes);
  const [origin, segment] = readImageDot(input, indexes);
  const high = input.uint();
  const total = input.integer();
  const resetUpTo = input.uint();
  const resetTotal = input.integer();
  let resetBy = null;
  if (!input.isNull()) {
    const [byOrigin, bySeq] = readImageDot(input, indexes);
    resetBy = { origin: byOrigin, seq: bySeq };
  }
  return { key, cell: { origin, segment, high, total, resetUpTo, resetTotal, resetBy } };
}

/** Entries name their own origin as 0, so every other index is one higher. */
function shifted(dictionary: Dictionary): Dictionary {
  return { indexOf: (origin) => dictionary.indexOf(origin) + 1 };
}

const PENDING_UP_TO = 0;
const PENDING_DOT = 1;
const PENDING_SWEEP = 2;
const PENDING_CLEAR = 3;

function writePending(out: CborWriter, item: PendingItem, dictionary: Dictionary): void {
  switch (item.kind) {
    case "upTo":
    case "dot":
      out.uint(item.kind === "upTo" ? PENDING_UP_TO : PENDING_DOT);
      writeImageDot(out, item.origin, item.until, dictionary);
      out.text(item.key);
      return;
    case "sweep":
      out.uint(PENDING_SWEEP);
      writeImageDot(out, item.sweep.origin, item.sweep.upTo, dictionary);
      out.uint(item.sweep.from);
      out.uint(item.sweep.to);
      out.uint(item.sweep.except.length);
      for (const seq of item.sweep.except) out.uint(seq);
      return;
    case "clear":
      out.uint(PENDING_CLEAR);
      writeImageDot(out, item.origin, item.until, dictionary);
      out.text(item.clear.prefix);
      out.uint(item.clear.vector.length / 2);
      for (let i = 0; i < item.clear.vector.length; i += 2) {
        writeImageDot(out, item.clear.vector[i]!, item.clear.vector[i + 1]!, dictionary);
      }
      return;
    default:
      throw new TypeError(`a ${item.kind} does not travel`);
  }
}

function readPending(input: CborReader, indexes: readonly number[], limits: ValueLimits): PendingItem {
  const kind = input.uint();
  const [origin, until] = readImageDot(input, indexes);
  if (kind === PENDING_UP_TO) return { kind: "upTo", key: input.text(limits.maxKeyBytes), origin, until };
  if (kind === PENDING_DOT) return { kind: "dot", key: input.text(limits.maxKeyBytes), origin, until };
  if (kind === PENDING_SWEEP) {
    const from = input.uint();
    const to = input.uint();
    const except: number[] = [];
    for (let left = input.count(); left > 0; left--) except.push(input.uint());
    return { kind: "sweep", sweep: { origin, upTo: until, from, to, except }, origin, until };
  }
  if (kind !== PENDING_CLEAR) throw malformed("an unknown kind of removal");
  const prefix = input.text(limits.maxKeyBytes);
  const vector: number[] = [];
  for (let left = input.count(); left > 0; left--) vector.push(...readImageDot(input, indexes));
  return { kind: "clear", clear: { prefix, vector }, origin, until };
}

function writeImageDot(out: CborWriter, origin: number, seq: number, dictionary: Dictionary): void {
  out.uint(dictionary.indexOf(origin));
  out.uint(seq);
}

function readImageDot(input: CborReader, indexes: readonly number[]): [origin: number, seq: number] {
  return [originAt(indexes, input.uint()), input.uint()];
}

function originAt(indexes: readonly number[], index: number): number {
  const origin = indexes[index];
  if (origin === undefined) throw malformed("an origin that the message does not name");
  return origin;
}
