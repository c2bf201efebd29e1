/**
 * A frame: consecutive events of one origin, as published, logged and replayed, byte for byte. One flat
 * CBOR array; its layout stands in PROTOCOL.md. A frame ends in a CRC-32 of all that precedes it, so that
 * a frame damaged in some host's memory is not spread by replays.
 */
import { crc32 } from "node:zlib";
import type { Origins } from "../causality/origins.ts";
import { VersionVector } from "../causality/version-vector.ts";
import type { ReplicatedEvent } from "../crdt/event.ts";
import { CborReader, CborWriter, malformed } from "./cbor.ts";
import { baseTime, readEvent, type ValueLimits, writeEvent } from "./event-codec.ts";

export const PROTOCOL_VERSION = 1;

/** First items of every message: the version, the namespace, and what it is. */
export const FRAME_TYPE = 1;

/** Flags of a frame. */
export const ACK_REQUESTED = 1;
/** The header tells what the sender may have let go for room; some event in it refers to that. */
export const TELLS_EVICTED = 2;

/** Items of the array besides the names. */
const HEADER_ITEMS = 10;
const CRC_BYTES = 5;
/** An incarnation is a ULID; other names of at most this many bytes are taken too. */
export const MAX_INCARNATION_BYTES = 64;
const MAX_NAMESPACE_BYTES = 64;

/** A finished frame. */
export interface Frame {
  readonly first: number;
  readonly last: number;
  readonly bytes: Uint8Array;
}

/** Collects events of one origin until they are a frame. */
export class FrameBuilder {
  readonly #namespace: string;
  readonly #origins: Origins;
  readonly #self: number;
  readonly #body = new CborWriter(64 * 1024);
  readonly #head = new CborWriter(1024);
  readonly #names: number[] = [];
  readonly #indexes = new Map<number, number>();
  #first = 0;
  #last = 0;
  #baseStamp = 0;
  #previousStamp = 0;
  #evicted: VersionVector | null = null;

  constructor(namespace: string, origins: Origins, self = 0) {
    this.#namespace = namespace;
    this.#origins = origins;
    this.#self = self;
    this.#reset();
  }

  /** Number of events in it. */
  get count(): number {
    return this.#first === 0 ? 0 : this.#last - this.#first + 1;
  }

  /** Bytes so far, without the header. */
  get bytes(): number {
    return this.#body.length;
  }

  indexOf(origin: number): number {
    if (origin === this.#self) return 0;
    const known = this.#indexes.get(origin);
    if (known !== undefined) return known;
    const index = this.#names.length;
    this.#names.push(origin);
    this.#indexes.set(origin, index);
    return index;
  }

  add(event: ReplicatedEvent): void {
    if (this.#first === 0) {
      this.#first = event.seq;
      this.#baseStamp = event.stamp;
      this.#previousStamp = event.stamp;
    }
    this.#last = event.seq;
    this.#evicted ??= event.evicted;
    writeEvent(this.#body, event, this, this.#previousStamp, baseTime(this.#baseStamp));
    this.#previousStamp = event.stamp;
  }

  /** The frame, and an empty builder. Without events: a frame of none, that only carries flags. */
  finish(flags: number, nextSeq: number): Frame {
    const empty = this.#first === 0;
    const first = empty ? nextSeq : this.#first;
    const last = empty ? nextSeq - 1 : this.#last;
    const evicted = [...(this.#evicted?.entries() ?? [])].map(([origin, seq]) => [this.indexOf(origin), seq]);
    const head = this.#head;
    head.clear();
    const items = HEADER_ITEMS + this.#names.length;
    head.array(this.#evicted === null ? items : items + 1 + 2 * evicted.length);
    head.uint(PROTOCOL_VERSION);
    head.text(this.#namespace);
    head.uint(FRAME_TYPE);
    head.uint(this.#evicted === null ? flags : flags | TELLS_EVICTED);
    head.uint(first);
    head.uint(last - first + 1);
    head.uint(this.#baseStamp);
    head.uint(this.#names.length);
    for (const origin of this.#names) head.text(this.#origins.name(origin));
    if (this.#evicted !== null) {
      head.uint(evicted.length);
      for (const [index, seq] of evicted) {
        head.uint(index!);
        head.uint(seq!);
      }
    }
    head.bytes(this.#body.view());
    const bytes = seal(head);
    this.#reset();
    return { first, last, bytes };
  }

  #reset(): void {
    this.#body.clear();
    this.#names.length = 0;
    this.#indexes.clear();
    this.#names.push(this.#self);
    this.#indexes.set(this.#self, 0);
    this.#first = 0;
    this.#evicted = null;
  }
}

/** A frame whose header was read; its events are still encoded. */
export interface FrameHeader {
  readonly origin: string;
  readonly flags: number;
  readonly first: number;
  readonly last: number;
  readonly baseStamp: number;
  readonly names: readonly string[];
  /** What the sender may have let go, as flat pairs of index into `names` and seq. */
  readonly evicted: readonly number[] | null;
  readonly body: Uint8Array;
}

/** Checks the seal and reads the header. Throws `MALFORMED_MESSAGE`. */
export function readFrameHeader(bytes: Uint8Array, namespace: string): FrameHeader {
  const input = new CborReader(unseal(bytes));
  const items = input.array();
  if (input.uint() !== PROTOCOL_VERSION) throw malformed("another protocol version");
  if (input.text(MAX_NAMESPACE_BYTES) !== namespace) throw malformed("another namespace");
  if (input.uint() !== FRAME_TYPE) throw malformed("a frame was expected");
  const flags = input.uint();
  const first = input.uint();
  const count = input.uint();
  const baseStamp = input.uint();
  const names: string[] = [];
  for (let left = input.count(); left > 0; left--) names.push(input.text(MAX_INCARNATION_BYTES));
  const evicted = (flags & TELLS_EVICTED) === 0 ? null : readRows(input, names.length);
  const evictedItems = evicted === null ? 0 : 1 + evicted.length;
  if (items !== HEADER_ITEMS + names.length + evictedItems || names.length === 0)
    throw malformed("a frame of the wrong length");
  const body = input.bytes(bytes.length);
  if (first < 1 || count > body.length || !Number.isSafeInteger(first + count))
    throw malformed("an impossible count");
  return { origin: names[0]!, flags, first, last: first + count - 1, baseStamp, names, evicted, body };
}

function readRows(input: CborReader, names: number): number[] {
  const rows: number[] = [];
  for (let left = input.count(); left > 0; left--) {
    const index = input.uint();
    if (index >= names) throw malformed("an origin that the message does not name");
    rows.push(index, input.uint());
  }
  return rows;
}

/** Reads all events of a frame. Throws `MALFORMED_MESSAGE`; nothing must be applied before it returns. */
export function readFrameEvents(
  header: FrameHeader,
  origins: Origins,
  limits: ValueLimits,
): ReplicatedEvent[] {
  const input = new CborReader(header.body);
  const indexes = header.names.map((name) => origins.intern(name));
  const baseMs = baseTime(header.baseStamp);
  const evicted = header.evicted === null ? null : vectorOf(header.evicted, indexes);
  const events: ReplicatedEvent[] = [];
  let stamp = header.baseStamp;
  for (let seq = header.first; seq <= header.last; seq++) {
    const event = readEvent(input, seq, indexes, stamp, baseMs, limits, evicted);
    stamp = event.stamp;
    events.push(event);
  }
  if (input.remaining > 0) throw malformed("bytes after the last event");
  return events;
}

function vectorOf(rows: readonly number[], indexes: readonly number[]): VersionVector {
  const vector = new VersionVector();
  for (let i = 0; i < rows.length; i += 2) vector.raise(indexes[rows[i]!]!, rows[i + 1]!);
  return vector;
}

/** Appends the checksum and copies the message out. */
export function seal(writer: CborWriter): Uint8Array {
  writer.uint32(crc32(writer.view()));
  return writer.toBytes();
}

/** Checks the checksum and takes it off. */
export function unseal(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - CRC_BYTES;
  if (end < 1 || bytes[end] !== 0x1a) throw malformed("no checksum");
  const expected =
    ((bytes[end + 1]! << 24) | (bytes[end + 2]! << 16) | (bytes[end + 3]! << 8) | bytes[end + 4]!) >>> 0;
  if (crc32(bytes.subarray(0, end)) !== expected) throw malformed("a wrong checksum");
  return bytes.subarray(0, end);
}
