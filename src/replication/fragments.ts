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
const MAX_PIECES = 4096;
/** What a piece costs besides its bytes. */
const PIECE_BYTES = 8;

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
  readonly pieces: (Uint8Array | undefined)[];
  missing: number;
  /** What it costs to keep. */
  bytes: number;
  /** Bytes of the message so far. */
  payload: number;
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

  /** Takes a copy of a piece; answers the whole message with the last one. */
  add(fragment: Fragment): Uint8Array | undefined {
    const { id, index, count } = fragment;
    if (count < 1 || count > MAX_PIECES || index >= count) throw malformed("an impossible fragment");
    const name = `${fragment.incarnation}:${id}`;
    let assembly = this.#open.get(name);
    if (assembly === undefined) {
      assembly = { pieces: new Array(count), missing: count, bytes: count * PIECE_BYTES, payload: 0 };
      this.#open.set(name, assembly);
      this.#bytes += assembly.bytes;
    }
    if (assembly.pieces.length !== count || assembly.pieces[index] !== undefined) return undefined;
    assembly.pieces[index] = new Uint8Array(fragment.bytes);
    assembly.missing--;
    assembly.bytes += fragment.bytes.length;
    assembly.payload += fragment.bytes.length;
    this.#bytes += fragment.bytes.length;
    if (assembly.missing > 0) {
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
  for (const piece of assembly.pieces) {
    bytes.set(piece!, at);
    at += piece!.length;
  }
  return bytes;
}
