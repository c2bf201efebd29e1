/**
 * The bound on what a host keeps, and who goes when it is reached. Only plain values are ever let go:
 * part of a set, a list or a counter would be a wrong value, so those count towards the bound and stay.
 */
import { TidemarkError } from "../errors.ts";
import { ClockEviction } from "./clock-eviction.ts";
import { S3FifoEviction } from "./s3fifo-eviction.ts";
import type { Shard } from "./shard.ts";
import type { Store } from "./store.ts";

const UNBOUNDED = Number.POSITIVE_INFINITY;

/** `lru`: CLOCK, an approximation of LRU. `s3fifo`: resists scans. `none`: refuse instead. */
export type EvictionPolicy = "lru" | "s3fifo" | "none";

export interface BoundSettings {
  /** `Infinity`: none. */
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly eviction: EvictionPolicy;
}

/** Chooses whom to let go. Told of every key that is new; reads leave their mark in the slot. */
export interface Eviction {
  added(key: string): void;
  /** A slot with a plain value, or `undefined` when nothing may go. */
  victim(): { readonly shard: Shard; readonly slot: number } | undefined;
}

/** The bound a host keeps, `undefined` for none. Throws `INVALID_ARGUMENT` where a replicated one would evict. */
export function boundsOf(settings: BoundSettings, replicated: boolean): BoundSettings | undefined {
  const { maxEntries, maxBytes, eviction } = settings;
  if (maxEntries === UNBOUNDED && maxBytes === UNBOUNDED) return undefined;
  // A host that lets go of what others have must say so in all it writes and gives; it does not yet.
  if (replicated && eviction !== "none") {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `a replicated host does not evict: give eviction: "none" with maxEntries or maxBytes, or leave them out`,
    );
  }
  return { maxEntries, maxBytes, eviction };
}

export class Bounds {
  readonly #store: Store;
  readonly #settings: BoundSettings;
  readonly #eviction: Eviction | undefined;
  #evicted = 0;

  constructor(store: Store, settings: BoundSettings) {
    this.#store = store;
    this.#settings = settings;
    if (settings.eviction === "lru") this.#eviction = new ClockEviction(store.shards);
    else if (settings.eviction === "s3fifo") this.#eviction = new S3FifoEviction(store.shards);
  }

  /** Keys let go since start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Whether more is kept than the bound allows: what may not be let go came from elsewhere, or was large. */
  get exceeded(): boolean {
    return this.#exceeded(0);
  }

  /** Makes room for so many new keys. Throws `STORE_FULL` where there is none to be had. */
  makeRoom(newKeys: number): void {
    this.#letGo(newKeys);
    if (!this.#exceeded(newKeys)) return;
    throw new TidemarkError(
      "STORE_FULL",
      `the store holds ${this.#store.shards.size} keys and may hold no more (maxEntries, maxBytes); ` +
        "delete keys, give them a ttl, raise maxEntries or maxBytes, or choose an eviction policy",
    );
  }

  /** A key came to be. */
  added(key: string): void {
    this.#eviction?.added(key);
  }

  /** Lets keys go until the bound is kept, or nothing more may go. */
  enforce(): void {
    this.#letGo(0);
  }

  #letGo(room: number): void {
    while (this.#eviction !== undefined && this.#exceeded(room)) {
      const victim = this.#eviction.victim();
      if (victim === undefined) return;
      this.#evicted++;
      this.#store.evictPlain(victim.shard, victim.slot);
    }
  }

  #exceeded(more: number): boolean {
    const { shards } = this.#store;
    return shards.size + more > this.#settings.maxEntries || shards.bytes > this.#settings.maxBytes;
  }
}
