/**
 * Cuts messages that are larger than the network carries, and puts them together again. A lost piece is a
 * lost message: what it was part of is asked for again by the one who misses it.
 */
import { malformed } from "./cbor.ts";
import type { Fragment } from "./messages.ts";

/** Room for everything in a fragment but its bytes. */
const OVERHEAD_BYTES = 256;
/** Larger pieces gain nothing (`nats-server` copies badly past its 64 KiB buffer). */
const MAX_PIECE_BYTES = 512 * 1024;
/** Even a server that takes 1 KiB at a time gets the largest value through. */
const MAX_PIECES = 524_288;
/** No message is larger: it would have to fit into memory several times on its way. */
export const MAX_MESSAGE_BYTES = 512 * 1024 * 1024;
/** A message whose next piece has not come for so long is given up, milliseconds. */
const STALE_MS = 30_000;
/** What a piece costs besides its bytes. */
const PIECE_BYTES = 200;

/** Pieces of a message that all fit into `maxMessageBytes`. */
export function cut(bytes: Uint8Array, incarnation: string, id: number, maxMessageBytes: number): Fragment[] {
  const size = Math.max(1, Math.min(MAX_PIECE_BYTES, maxMessageBytes - OVERHEAD_BYTES));
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) => ({
    type: "fragment",
    incarnation,
    id,
    index,
    count,
    bytes: bytes.subarray(index * size, (index + 1) * size),
  }));
}

interface Assembly {
  readonly count: number;
  /** By their place; not an array of all places, which one small piece could make large. */
  readonly pieces: Map<number, Uint8Array>;
  /** What it costs to keep. */
  bytes: number;
  /** Bytes of the message so far. */
  payload: number;
  /** Monotonic milliseconds of the last piece. */
  at: number;
}

/** Incomplete messages of all senders, bounded in bytes: beyond that the oldest is given up. */
export class Assemblies {
  readonly #maxBytes: number;
  readonly #open = new Map<string, Assembly>();
  #bytes = 0;
  #dropped = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Messages given up for room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Messages that are not whole yet. */
  get size(): number {
    return this.#open.size;
  }

  /** What they cost to keep. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gives up what has had no new piece for long. */
  expire(now: number): void {
    for (const [name, assembly] of this.#open) {
      if (now - assembly.at < STALE_MS) continue;
      this.#dropped++;
      this.#drop(name, assembly);
    }
  }

  /** Takes a copy of a piece; answers the whole message with the last one. */
  add(fragment: Fragment, now = 0): Uint8Array | undefined {
    const { id, index, count } = fragment;
    if (count < 1 || count > MAX_PIECES || index >= count) throw malformed("an impossible fragment");
    const name = `${fragment.incarnation}:${id}`;
    let assembly = this.#open.get(name);
    if (assembly === undefined) {
      assembly = { count, pieces: new Map(), bytes: 0, payload: 0, at: now };
      this.#open.set(name, assembly);
    }
    if (assembly.count !== count || assembly.pieces.has(index)) return undefined;
    if (assembly.payload + fragment.bytes.length > MAX_MESSAGE_BYTES) {
      this.#drop(name, assembly);
      throw malformed("a message larger than any can be");
    }
    assembly.at = now;
    assembly.pieces.set(index, new Uint8Array(fragment.bytes));
    const cost = fragment.bytes.length + PIECE_BYTES;
    assembly.bytes += cost;
    assembly.payload += fragment.bytes.length;
    this.#bytes += cost;
    if (assembly.pieces.size < count) {
      this.#trim();
      return undefined;
    }
    this.#drop(name, assembly);
    return joined(assembly);
  }

  #trim(): void {
    for (const [name, assembly] of this.#open) {
      if (this.#bytes <= this.#maxBytes || this.#open.size === 1) return;
      this.#dropped++;
      this.#drop(name, assembly);
    }
  }

  #drop(name: string, assembly: Assembly): void {
    this.#open.delete(name);
    this.#bytes -= assembly.bytes;
  }
}

function joined(assembly: Assembly): Uint8Array {
  const bytes = new Uint8Array(assembly.payload);
  let at = 0;
  for (let index = 0; index < assembly.count; index++) {
    const piece = assembly.pieces.get(index)!;
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
