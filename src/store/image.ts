/**
 * An exact image of the data as of one vector, taken bucket by bucket while writes go on: whatever is
 * removed or changed in a bucket that was not yet taken is first set aside (entry-level copy-on-write).
 * The reader of an image sees what this host held at one instant, never a mixture; a mixture would lose
 * convergence if this host died (`docs/ARCHITECTURE.md`, "State sync").
 */
import type { VersionVector } from "../causality/version-vector.ts";
import type { CounterCell } from "../crdt/counter-cell.ts";
import { BUCKETS, bucketOf, dotHash, hashContent, hashKey, LOW_SALT } from "../crdt/digest.ts";
import type { Entry } from "../crdt/entry.ts";
import type { PendingItem } from "../crdt/pending-removals.ts";
import { valueByteLength } from "../crdt/values.ts";
import { FILTER_BYTES } from "./evicted.ts";
import { plainEntry } from "./plain-entry.ts";
import type { Shard } from "./shard.ts";
import type { Store } from "./store.ts";

/** One bucket of an image. */
export interface BucketImage {
  readonly bucket: number;
  /** Entries that the asking host had not seen. */
  readonly entries: readonly { readonly key: string; readonly entry: Entry }[];
  /** Dots of live entries that it had seen, flat; `null`: exactly those it held when it asked. */
  readonly seen: readonly number[] | null;
  readonly cells: readonly { readonly key: string; readonly cell: CounterCell }[];
  /** Keys of which the giver may hold a part only. */
  readonly masked: readonly string[];
  /** Keys with entries or segments above, and live entries too that the asking host had seen. */
  readonly mixed: readonly string[];
}

/** What the giver had let go at the instant of the image: absent there is not the same as removed. */
export interface EvictedThere {
  readonly vector: VersionVector;
  /** Its filter of keys. */
  readonly keys: Uint8Array;
}

/** What a bucket says of one key. */
const BROUGHT = 1;
const SEEN = 2;

export class ImageSession {
  /** The vector that the image is of. */
  readonly vector: VersionVector;
  /** Removals waiting at that instant. */
  readonly pending: readonly PendingItem[];
  readonly evicted: EvictedThere | null;
  readonly #store: Store;
  readonly #seen: VersionVector;
  readonly #digests: Int32Array | undefined;
  /** Whether the asking host had seen anything. */
  readonly #compares: boolean;
  #next = 0;
  /** Entries removed since, by bucket. */
  readonly #limbo = new Map<number, { key: string; entry: Entry }[]>();
  /** Segments changed since as they were, by bucket and segment; `null`: there was none. */
  readonly #preimages = new Map<number, Map<string, { key: string; cell: CounterCell | null }>>();
  /** Keys masked while something of them was set aside, by bucket. */
  readonly #masked = new Map<number, Set<string>>();

  /** `seen`: the asking host's vector; `digests`: its bucket digests at that moment, if it has data. */
  constructor(store: Store, seen: VersionVector, digests: Int32Array | undefined) {
    this.#store = store;
    this.vector = store.vector.copy();
    this.pending = [...store.pending.removals()];
    this.evicted = evictedThere(store);
    this.#seen = seen;
    this.#compares = seen.total() > 0;
    this.#digests = digests;
    store.sessions.add(this);
  }

  get done(): boolean {
    return this.#next >= BUCKETS;
  }

  /** The next buckets, about `maxBytes` of them, at least one; buckets with nothing to say are left out. */
  take(maxBytes: number): BucketImage[] {
    const images: BucketImage[] = [];
    let bytes = 0;
    while (!this.done && bytes < maxBytes) {
      const image = this.#takeBucket(this.#next);
      this.#limbo.delete(this.#next);
      this.#preimages.delete(this.#next);
      this.#masked.delete(this.#next);
      this.#next++;
      if (image === undefined) continue;
      images.push(image);
      bytes += weigh(image);
    }
    if (this.done) this.end();
    return images;
  }

  /** Stops listening; for sessions that are given up. */
  end(): void {
    this.#store.sessions.delete(this);
    this.#limbo.clear();
    this.#preimages.clear();
    this.#masked.clear();
  }

  /** An entry is about to be gone, of a key that is masked or not. */
  entryRemoved(key: string, keyHash: number, entry: Entry, masked: boolean): void {
    const bucket = bucketOf(keyHash);
    if (bucket < this.#next || !this.vector.covers(entry.origin, entry.seq)) return;
    if (masked) this.#mask(bucket, key);
    const limbo = this.#limbo.get(bucket);
    if (limbo === undefined) this.#limbo.set(bucket, [{ key, entry }]);
    else limbo.push({ key, entry });
  }

  /** A counter segment is about to change, or to be made (`cell` undefined). */
  cellChanging(
    key: string,
    keyHash: number,
    origin: number,
    segment: number,
    cell: CounterCell | undefined,
    masked: boolean,
  ): void {
    const bucket = bucketOf(keyHash);
    if (bucket < this.#next) return;
    if (masked && cell !== undefined) this.#mask(bucket, key);
    let preimages = this.#preimages.get(bucket);
    if (preimages === undefined) {
      preimages = new Map();
      this.#preimages.set(bucket, preimages);
    }
    const id = segmentId(key, origin, segment);
    if (!preimages.has(id)) preimages.set(id, { key, cell: cell === undefined ? null : { ...cell } });
  }

  #mask(bucket: number, key: string): void {
    const masked = this.#masked.get(bucket);
    if (masked === undefined) this.#masked.set(bucket, new Set([key]));
    else masked.add(key);
  }

  #takeBucket(bucket: number): BucketImage | undefined {
    const shard = this.#store.shards.ofBucket(bucket);
    const slots = shard.slotsOf(bucket);
    // Most buckets of a small store: nothing there, and nothing that the asking host has.
    if (slots.length === 0 && !this.#isSetAside(bucket) && (this.#digests?.[bucket] ?? 0) === 0)
      return undefined;
    const entries: { key: string; entry: Entry }[] = [];
    const seen: number[] = [];
    const cells: { key: string; cell: CounterCell }[] = [];
    const masked = this.#masked.get(bucket) ?? new Set<string>();
    const parts = new Map<string, number>();
    let digest = 0;
    const visit = (key: string, entry: Entry): void => {
      if (!this.vector.covers(entry.origin, entry.seq)) return;
      if (!this.#seen.covers(entry.origin, entry.seq)) {
        entries.push({ key, entry });
        if (this.#compares) parts.set(key, BROUGHT | (parts.get(key) ?? 0));
        return;
      }
      seen.push(entry.origin, entry.seq);
      parts.set(key, SEEN | (parts.get(key) ?? 0));
      const originHash = this.#store.origins.hash(entry.origin);
      digest ^= dotHash(hashKey(key), originHash, entry.seq, hashContent(entry), LOW_SALT);
    };
    const preimages = this.#preimages.get(bucket);
    visitSlots(
      shard,
      slots,
      visit,
      (key, cell) => {
        if (!preimages?.has(segmentId(key, cell.origin, cell.segment)))
          cells.push({ key, cell: { ...cell } });
      },
      masked,
    );
    for (const { key, entry } of this.#limbo.get(bucket) ?? []) visit(key, entry);
    for (const { key, cell } of preimages?.values() ?? []) if (cell !== null) cells.push({ key, cell });
    if (this.#compares) for (const { key } of cells) parts.set(key, BROUGHT | (parts.get(key) ?? 0));
    const theirs = this.#digests?.[bucket] ?? 0;
    const same = (digest | 0) === theirs;
    if (same && entries.length === 0 && cells.length === 0 && masked.size === 0) return undefined;
    const mixed = Array.from(parts).flatMap(([key, of]) => (of === (BROUGHT | SEEN) ? [key] : []));
    return { bucket, entries, seen: same ? null : seen, cells, masked: [...masked], mixed };
  }

  #isSetAside(bucket: number): boolean {
    return this.#limbo.has(bucket) || this.#preimages.has(bucket) || this.#masked.has(bucket);
  }
}

function visitSlots(
  shard: Shard,
  slots: readonly number[],
  visitEntry: (key: string, entry: Entry) => void,
  visitCell: (key: string, cell: CounterCell) => void,
  masked: Set<string>,
): void {
  for (const slot of slots) {
    const key = shard.keyAt(slot)!;
    if (shard.isState(slot)) {
      for (const entry of shard.stateAt(slot).entries()) visitEntry(key, entry);
      for (const cell of shard.stateAt(slot).cells) visitCell(key, cell);
      if (shard.stateAt(slot).masked) masked.add(key);
    } else visitEntry(key, plainEntry(shard, slot));
  }
}

function evictedThere(store: Store): EvictedThere | null {
  const { evicted, bounds } = store;
  if (evicted === undefined) {
    // A standalone host keeps no account of what it lets go: to a replicated one that loads this it may be anything.
    const whatever = { vector: store.vector.copy(), keys: new Uint8Array(FILTER_BYTES).fill(255) };
    return bounds?.evicts === true ? whatever : null;
  }
  return evicted.keys === undefined ? null : { vector: evicted.vector.copy(), keys: evicted.keys.slice() };
}

function segmentId(key: string, origin: number, segment: number): string {
  return `${origin}:${segment}:${key}`;
}

function weigh(image: BucketImage): number {
  let bytes = 8 + (image.seen?.length ?? 0) * 3 + image.cells.length * 48;
  for (const { key, entry } of image.entries) {
    bytes += key.length + 16 + bytesOf(entry);
  }
  return bytes;
}

function bytesOf(entry: Entry): number {
  if (entry.kind === "deadline") return 8;
  return entry.value === null ? 16 : 16 + valueByteLength(entry.value);
}
