/**
 * Taking over an exact image of another host's state, and giving one. A taker that holds data pulls chunk by
 * chunk and keeps them unread until it has all; only then, in one step, it installs them. An empty one builds
 * while they come (`building.ts`). A mixture of a donor's states, or half of one, would leave effects of events
 * behind that may exist nowhere else.
 */
import type { VersionVector } from "../causality/version-vector.ts";
import { BUCKETS } from "../crdt/digest.ts";
import type { PendingItem } from "../crdt/pending-removals.ts";
import type { ChunkHeader, ImageBucket, ImageEvicted } from "./image-codec.ts";

/** Every chunk but the last holds a bucket, so that there cannot be more. */
const MAX_CHUNKS = BUCKETS + 1;
const RETRY_MS = 400;
/** So many chunks are asked for at a time. A donor keeps as many, for those whose answer was lost. */
const WINDOW = 8;
const MAX_TRIES = 6;
/** A session that nobody pulls from is given up. */
const IDLE_MS = 20_000;
/** It is given up sooner where another asker waits: this is more than the pause before the last try. */
const IDLE_WHEN_WANTED_MS = 3_000;
/** Snapshots served at a time. */
export const MAX_SESSIONS = 2;
/** So many askers' last sessions are remembered; an incarnation that asked longer ago asks no more. */
const MAX_ASKERS = 4_096;

/** A source of image buckets; the store's session fits. */
export interface ImageSource {
  readonly vector: VersionVector;
  readonly pending: readonly PendingItem[];
  readonly evicted: ImageEvicted | null;
  readonly done: boolean;
  take(maxBytes: number): ImageBucket[];
  end(): void;
}

/** A snapshot being taken over. */
export interface Pull {
  readonly session: string;
  /** Whether it is to take the place of what is here, and not to be joined with it. */
  readonly whole: boolean;
  /** Incarnation of the donor. */
  readonly donor: string;
  readonly seen: VersionVector;
  /** The bucket digests of the instant of asking, encoded; sent again if the first request is lost. */
  readonly digests: Uint8Array;
  /** What has come and was not yet worked off. */
  readonly chunks: ChunkHeader[];
  /** How many chunks have come, and how many were asked for. */
  received: number;
  asked: number;
  /** Whether the last one has come. */
  ended: boolean;
  readonly startedAt: number;
  /** Bytes of the chunks so far. */
  bytes: number;
  tries: number;
  retryAt: number;
}

export function startPull(
  session: string,
  donor: string,
  seen: VersionVector,
  digests: Uint8Array,
  now: number,
  whole = false,
): Pull {
  const retryAt = now + RETRY_MS;
  const progress = { received: 0, asked: 0, ended: false, bytes: 0, tries: 0, retryAt };
  return { session, whole, donor, seen, digests, chunks: [], startedAt: now, ...progress };
}

/** What to do with a pull at `now`: nothing yet, ask again for the chunk it waits for, or give it up. */
export function pullStep(pull: Pull, now: number): "wait" | "retry" | "abandon" {
  if (now < pull.retryAt) return "wait";
  if (pull.tries >= MAX_TRIES) return "abandon";
  pull.tries++;
  pull.retryAt = now + RETRY_MS * (pull.tries + 1);
  return "retry";
}

/** Notes a chunk. False: not the one that is waited for. Keeps a copy. */
export function takeChunk(pull: Pull, chunk: ChunkHeader, now: number): boolean {
  if (chunk.session !== pull.session || chunk.index !== pull.received) return false;
  pull.chunks.push({ ...chunk, body: new Uint8Array(chunk.body) });
  pull.received++;
  pull.ended = chunk.last;
  pull.bytes += chunk.body.length;
  goesOn(pull, now);
  return true;
}

/** It gets on: the next chunk is given its time. */
export function goesOn(pull: Pull, now: number): void {
  pull.tries = 0;
  pull.retryAt = now + RETRY_MS;
}

/** Whether an image is larger than any can be, or than we can hold. */
export function isEndless(pull: Pull, maxBytes: number): boolean {
  return pull.bytes > maxBytes || (pull.received >= MAX_CHUNKS && !pull.ended);
}

/**
 * Which chunk to ask for besides, if any: the donor works on the next while one is on its way, or is worked off
 * here. `backlog`: how many wait for that.
 */
export function nextToAsk(pull: Pull, backlog: number): number | undefined {
  if (pull.ended || pull.asked >= pull.received + WINDOW || backlog > WINDOW) return undefined;
  // The first request opens the session: nothing is asked of one that may not be open.
  if (pull.received === 0 && pull.asked > 0) return undefined;
  return pull.asked++;
}

/** Digests as they travel. */
export function encodeDigests(digests: Int32Array): Uint8Array {
  const bytes = new Uint8Array(digests.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < digests.length; i++) view.setInt32(i * 4, digests[i]!);
  return bytes;
}

/** The digests of a request; `undefined` when the asking host has no data or sent nonsense. */
export function decodeDigests(bytes: Uint8Array, buckets: number): Int32Array | undefined {
  if (bytes.length !== buckets * 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Int32Array.from({ length: buckets }, (_, i) => view.getInt32(i * 4));
}

interface Session {
  readonly source: ImageSource;
  /** The last chunks, for those whose answer was lost. */
  readonly recent: Map<number, Uint8Array>;
  next: number;
  /** When it last went on: to ask for the same again does not hold it open. */
  usedAt: number;
}

/** The snapshots a host is giving. */
export class Donor {
  readonly #sessions = new Map<string, Session>();
  readonly #encode: (
    session: string,
    index: number,
    source: ImageSource,
    buckets: ImageBucket[],
  ) => Uint8Array;
  readonly #chunkBytes: number;
  /** The number of the last session of each asker, in the order in which they began. */
  readonly #begun = new Map<string, number>();
  #served = 0;

  constructor(
    chunkBytes: number,
    encode: (session: string, index: number, source: ImageSource, buckets: ImageBucket[]) => Uint8Array,
  ) {
    this.#chunkBytes = chunkBytes;
    this.#encode = encode;
  }

  /** Snapshots given to the end. */
  get served(): number {
    return this.#served;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Whether a chunk was asked for again that the asker has long had: an old message, not to be answered. */
  isPast(session: string, index: number): boolean {
    const known = this.#sessions.get(session);
    return known !== undefined && index < known.next && !known.recent.has(index);
  }

  /** Whether a chunk was asked for before its turn, or beyond the last: it will be asked for again, or is not needed. */
  isAhead(session: string, index: number): boolean {
    const known = this.#sessions.get(session);
    return known !== undefined && (index > known.next || (index === known.next && known.source.done));
  }

  has(session: string): boolean {
    return this.#sessions.has(session);
  }

  /** Whether a chunk was given already: to give it again costs the asker nothing, and us its bytes. */
  repeats(session: string, index: number): boolean {
    return this.#sessions.get(session)?.recent.has(index) ?? false;
  }

  /**
   * Begins a session. False: too many already, or the request is a late copy of one that was answered. Begun a
   * second time, a session would be of another instant, and its asker would mix two images.
   */
  open(session: string, source: () => ImageSource, now: number): boolean {
    const { asker, number } = partsOf(session);
    if (number <= (this.#begun.get(asker) ?? 0)) return false;
    // One that asks anew has given up what it asked for before.
    for (const [id, known] of this.#sessions) if (partsOf(id).asker === asker) this.#end(id, known);
    const active = [...this.#sessions].filter(([, known]) => !known.source.done);
    if (active.length >= MAX_SESSIONS) {
      const idle = active.filter(([, known]) => now - known.usedAt >= IDLE_WHEN_WANTED_MS);
      if (idle.length === 0) return false;
      for (const [id, known] of idle) this.#end(id, known);
    }
    this.#sessions.set(session, { source: source(), recent: new Map(), next: 0, usedAt: now });
    this.#remember(asker, number);
    return true;
  }

  #remember(asker: string, number: number): void {
    this.#begun.delete(asker);
    this.#begun.set(asker, number);
    const [oldest] = this.#begun.keys();
    if (this.#begun.size > MAX_ASKERS) this.#begun.delete(oldest!);
  }

  /** A chunk: the next one, or one of the last again; `undefined` for any other. */
  chunk(id: string, index: number, now: number): Uint8Array | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    const known = session.recent.get(index);
    if (known !== undefined) return known;
    if (index !== session.next || session.source.done) return undefined;
    const buckets = session.source.take(this.#chunkBytes);
    if (session.source.done) this.#served++;
    const bytes = this.#encode(id, index, session.source, buckets);
    session.recent.set(index, bytes);
    session.recent.delete(index - WINDOW);
    session.next++;
    session.usedAt = now;
    return bytes;
  }

  /** Gives up sessions that nobody pulls from. */
  expire(now: number): void {
    for (const [id, session] of this.#sessions) {
      // A finished one is only kept for a lost last chunk.
      const limit = session.source.done ? 10 * RETRY_MS : IDLE_MS;
      if (now - session.usedAt > limit) this.#end(id, session);
    }
  }

  /** Ends all: our own state is about to be replaced, or we are closing. */
  endAll(): void {
    for (const [id, session] of this.#sessions) this.#end(id, session);
  }

  #end(id: string, session: Session): void {
    session.source.end();
    this.#sessions.delete(id);
  }
}

/** Sessions are named `<incarnation of the asker>-<number>.<chance>`; the asker counts them. */
function partsOf(session: string): { asker: string; number: number } {
  const end = session.lastIndexOf("-");
  return { asker: session.slice(0, end), number: Number.parseInt(session.slice(end + 1), 10) };
}
