/**
 * A store with the writing and reading sides of a host and nothing of a network: for tests that make
 * real events on several origins and carry them from one to another as they please.
 */
import { HybridLogicalClock } from "../../../src/causality/hybrid-logical-clock.ts";
import { Origins } from "../../../src/causality/origins.ts";
import { VersionVector } from "../../../src/causality/version-vector.ts";
import { isLive } from "../../../src/crdt/counter-cell.ts";
import { DigestTable, hashContent, hashKey } from "../../../src/crdt/digest.ts";
import type { Entry } from "../../../src/crdt/entry.ts";
import { type EventBody, eventFrom, type ReplicatedEvent } from "../../../src/crdt/event.ts";
import { inspect } from "../../../src/inspection.ts";
import { DEFAULTS } from "../../../src/options.ts";
import { Reads } from "../../../src/reads.ts";
import { replicaOf } from "../../../src/replica.ts";
import { encodeChunk, readChunkHeader } from "../../../src/replication/image-codec.ts";
import type { ImageBuild, Replica } from "../../../src/replication/node.ts";
import type { StoreChange } from "../../../src/store/changes.ts";
import { Expiry } from "../../../src/store/expiry.ts";
import type { ImageSession } from "../../../src/store/image.ts";
import { Store } from "../../../src/store/store.ts";
import { Writes } from "../../../src/writes.ts";

export const START_MS = Date.UTC(2026, 0, 1);
export const NAMESPACE = "laws";
const SELF = 0;

/** Wall-clock milliseconds that only move when told to; shared by the sites of one test. */
export interface Clock {
  now: number;
}

export interface SiteOptions {
  readonly clock?: Clock;
  readonly watched?: boolean;
  readonly ttlMs?: number;
  readonly sliceEntries?: number;
  /** Whether it may let keys go, among hosts that had seen all it lets go before they wrote anything. */
  readonly evicts?: boolean;
}

export class Site {
  readonly name: string;
  readonly clock: Clock;
  readonly origins: Origins;
  readonly store: Store;
  readonly expiry: Expiry;
  readonly replica: Replica;
  readonly reads: Reads;
  readonly writes: Writes;
  /** Every event made here, in order. */
  readonly made: ReplicatedEvent[] = [];
  readonly changes: StoreChange[] = [];
  readonly #stamps: HybridLogicalClock;

  constructor(
    name: string,
    { clock = { now: START_MS }, watched = false, ttlMs, sliceEntries, evicts = false }: SiteOptions = {},
  ) {
    this.name = name;
    this.clock = clock;
    this.origins = new Origins(name);
    this.#stamps = new HybridLogicalClock(() => clock.now);
    this.store = new Store({
      origins: this.origins,
      now: () => clock.now,
      listener: {
        watching: () => watched,
        countingOut: () => false,
        changed: (change) => this.changes.push(change),
      },
      fleet: evicts ? { hasSeen: () => true } : undefined,
    });
    this.expiry = new Expiry(this.store);
    const limits = { ...DEFAULTS, sliceEntries: sliceEntries ?? DEFAULTS.sliceEntries };
    this.replica = replicaOf(this.store, this.#stamps, limits, {
      heard: () => undefined,
      imageComes: () => () => undefined,
    });
    this.reads = new Reads(this.store, Math.random);
    this.writes = new Writes({
      store: this.store,
      writable: () => undefined,
      write: (bodies) => this.write(bodies),
      writeValue: (key, value, deadline, removesUpTo, evicted) =>
        this.write([{ key, removesUpTo, evicted, add: { kind: "value", value, deadline, loaded: false } }]),
      now: () => clock.now,
      stamp: () => this.#stamps.tick(),
      limits: { ...DEFAULTS, ttlFrom: "creation", ttlMs: ttlMs ?? Number.POSITIVE_INFINITY },
    });
  }

  /** Makes events of bodies and applies them. */
  write(bodies: readonly EventBody[]): void {
    for (const body of bodies) {
      const event = eventFrom(body, SELF, this.store.vector.get(SELF) + 1, this.#stamps.tick());
      this.store.apply(event);
      this.made.push(event);
    }
  }

  /** Applies an event of another site if it is its origin's next; says whether it was. */
  apply(event: ReplicatedEvent, from: Origins): boolean {
    const carried = carry(event, from, this.origins);
    if (carried.seq !== this.store.vector.get(carried.origin) + 1) return false;
    this.replica.apply(carried);
    return true;
  }

  /** Applies up to `count` of what another site made and this one has not. Returns how many. */
  receive(from: Site, count = Number.POSITIVE_INFINITY): number {
    const origin = this.origins.intern(from.name);
    let applied = 0;
    for (; applied < count; applied++) {
      const event = from.made[this.store.vector.get(origin)];
      if (event === undefined) break;
      this.apply(event, from.origins);
    }
    return applied;
  }

  /** Lets a key go, as for room. */
  evict(key: string): void {
    const shard = this.store.shards.of(key);
    this.store.release(shard, shard.find(key), "evict");
  }

  /** Removes what has expired, as the duty of this site: of its own writes only. */
  sweep(graceMs = 0, all = false): number {
    const bodies = this.expiry.step(this.clock.now - graceMs, (origin) => all || origin === SELF);
    this.write(bodies);
    return bodies.length;
  }
}

/** The same event with the origins numbered as another host numbers them. */
export function carry(event: ReplicatedEvent, from: Origins, to: Origins): ReplicatedEvent {
  const index = (origin: number): number => to.intern(from.name(origin));
  const dots = (flat: readonly number[] | null): number[] | null =>
    flat === null ? null : flat.map((number, at) => (at % 2 === 0 ? index(number) : number));
  const { add, sweep, clear, resets, evicted } = event;
  return {
    ...event,
    origin: index(event.origin),
    removesUpTo: dots(event.removesUpTo),
    removes: dots(event.removes),
    resets: resets === null ? null : resets.map((reset) => ({ ...reset, origin: index(reset.origin) })),
    add: add === null ? null : carryEntry(add, index),
    sweep: sweep === null ? null : { ...sweep, origin: index(sweep.origin) },
    clear: clear === null ? null : { ...clear, vector: dots(clear.vector)! },
    evicted: evicted === null ? null : carryVector(evicted, from, to),
  };
}

function carryEntry(entry: Entry, index: (origin: number) => number): Entry {
  const carried = { ...entry, origin: index(entry.origin) };
  if (carried.kind !== "deadline" || carried.targetSeq === 0) return carried;
  return { ...carried, targetOrigin: index(carried.targetOrigin) };
}

export function carryVector(vector: VersionVector, from: Origins, to: Origins): VersionVector {
  const carried = new VersionVector();
  for (const [origin, seq] of vector.entries()) carried.set(to.intern(from.name(origin)), seq);
  return carried;
}

/** What a site physically holds, the same for the same set of events whatever came when. */
export function dump(site: Site): Record<string, unknown> {
  const { vector, keys, digest } = inspect(site.store, undefined);
  const content: Record<string, string[]> = {};
  for (const [key, { entries, cells }] of keys) {
    const lines = entries.map((entry) => `${text(entry)}`);
    for (const cell of cells) if (cell.resetUpTo < cell.high) lines.push(`cell ${text(cell)}`);
    if (lines.length > 0) content[`key ${key}`] = lines.sort();
  }
  return {
    digest,
    vector: Object.fromEntries([...vector].sort()),
    content: Object.fromEntries(Object.entries(content).sort()),
  };
}

function text(parts: object): string {
  const sorted = Object.entries(parts).sort(([left], [right]) => (left < right ? -1 : 1));
  return JSON.stringify(sorted, (_, value) =>
    typeof value === "bigint" || value === Number.POSITIVE_INFINITY
      ? String(value)
      : value instanceof Uint8Array
        ? [...value]
        : value,
  );
}

/** The digests as they follow from what is stored, computed from nothing. */
export function digestsFromScratch(store: Store): DigestTable {
  const digests = new DigestTable();
  for (const shard of store.shards.all()) {
    for (const key of shard.keys()) {
      const state = store.state(key)!;
      for (const entry of state.entries()) {
        digests.toggleEntry(hashKey(key), store.origins.hash(entry.origin), entry.seq, hashContent(entry));
      }
      for (const cell of state.cells) {
        if (isLive(cell)) digests.toggleCell(hashKey(key), store.origins.hash(cell.origin), cell);
      }
    }
  }
  return digests;
}

/** A snapshot on its way from one site to another. */
export class Transfer {
  readonly #from: Site;
  readonly #to: Site;
  readonly #seen: VersionVector;
  readonly #session: ImageSession;
  readonly #chunks: Uint8Array[] = [];

  constructor(from: Site, to: Site) {
    this.#from = from;
    this.#to = to;
    this.#seen = to.store.vector.copy();
    const digests = to.replica.bucketDigests();
    const seen = carryVector(this.#seen, to.origins, from.origins);
    this.#session = from.replica.openImage(seen, digests) as ImageSession;
  }

  get done(): boolean {
    return this.#session.done;
  }

  /** The next chunk of the image; `buckets` at least one bucket and about so many bytes. */
  step(maxBytes: number): void {
    if (this.done) return;
    const buckets = this.#session.take(maxBytes);
    const last = this.#session.done;
    this.#chunks.push(
      encodeChunk(
        {
          session: "s",
          index: this.#chunks.length,
          last,
          vector: this.#session.vector,
          buckets,
          pending: last ? this.#session.pending : [],
          evicted: last ? this.#session.evicted : null,
        },
        NAMESPACE,
        this.#from.origins,
      ),
    );
  }

  /** Takes what is left and installs it all. Returns the events gained. */
  finish(maxBytes = 1_000_000): number {
    while (!this.done) this.step(maxBytes);
    const headers = this.#chunks.map((bytes) => readChunkHeader(bytes, NAMESPACE));
    return this.#to.replica.installImage(headers, this.#seen);
  }

  /** As `finish`, into a site that holds nothing and is built while the image comes. */
  build(maxBytes = 1_000_000): number {
    const build = this.#into();
    while (!this.done) this.step(maxBytes);
    for (const bytes of this.#chunks) {
      build.add(readChunkHeader(bytes, NAMESPACE));
      while (build.step());
    }
    return build.finish();
  }

  /** Builds from the first chunks, and takes all of it out again after so many slices; `meanwhile` is done between those. */
  breakOff(maxBytes: number, slices: number, meanwhile: () => void = () => undefined): void {
    const build = this.#into();
    this.step(maxBytes);
    if (!this.done) this.step(maxBytes);
    for (const bytes of this.#chunks) build.add(readChunkHeader(bytes, NAMESPACE));
    for (let slice = 0; slice < slices && build.step(); slice++);
    build.discard();
    while (build.step()) meanwhile();
  }

  #into(): ImageBuild {
    const build = this.#to.replica.build();
    if (build === undefined) throw new Error(`${this.#to.name} holds something already`);
    return build;
  }
}
