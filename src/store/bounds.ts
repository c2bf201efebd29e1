/**
 * The bound on what a host keeps, and who goes when it is reached. Only keys that hold nothing but values are
 * ever let go: part of a set, a list or a counter would be a wrong value, so those count towards the bound and
 * stay. On a replicated host what goes must also be settled (`evicted.ts`), so the bound is soft for as long
 * as the hosts need to tell each other what they have.
 */
import { TidemarkError } from "../errors.ts";
import { ClockEviction } from "./clock-eviction.ts";
import type { Evicted } from "./evicted.ts";
import { S3FifoEviction } from "./s3fifo-eviction.ts";
import type { Shard } from "./shard.ts";
import type { Store } from "./store.ts";

const UNBOUNDED = Number.POSITIVE_INFINITY;
/** So much more than the bound is kept of what is not settled yet, before local writes are refused. */
const UNSETTLED_ENTRIES = 65_536;
const UNSETTLED_BYTES = 64 * 1024 * 1024;

/** `lru`: CLOCK, an approximation of LRU. `s3fifo`: resists scans. `none`: refuse instead. */
export type EvictionPolicy = "lru" | "s3fifo" | "none";

export interface BoundSettings {
  /** `Infinity`: none. */
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly eviction: EvictionPolicy;
  /** Keys that may not go yet, for what is to become of them elsewhere: none where absent. */
  readonly isNeeded?: (key: string) => boolean;
}

/** Whether a slot may be let go: now, when more is settled, or never as it is. */
export type MayGo = (shard: Shard, slot: number) => "now" | "later" | "never";

/** Whether a slot may be let go on a host; `evicted` is absent on a standalone one. */
export function mayLetGo(
  evicted: Evicted | undefined,
  shard: Shard,
  slot: number,
  isNeeded?: (key: string) => boolean,
): ReturnType<MayGo> {
  const state = shard.isState(slot) ? shard.stateAt(slot) : undefined;
  if (state?.evictable === false) return "never";
  if (isNeeded?.(shard.keyAt(slot)!)) return "later";
  if (evicted === undefined) return "now";
  const { floor } = evicted;
  if (state === undefined) return floor.covers(shard.originAt(slot), shard.seqAt(slot)) ? "now" : "later";
  for (const entry of state.entries()) if (!floor.covers(entry.origin, entry.seq)) return "later";
  return "now";
}

/** Chooses whom to let go. Told of every key that is new; reads leave their mark in the slot. */
export interface Eviction {
  added(key: string): void;
  /** A slot that may go now, or `undefined` when none was found in a bounded number of steps. */
  victim(): { readonly shard: Shard; readonly slot: number } | undefined;
}

/** The bound a host keeps, `undefined` for none. */
export function boundsOf(
  { maxEntries, maxBytes, eviction }: BoundSettings,
  isNeeded: (key: string) => boolean,
): BoundSettings | undefined {
  if (maxEntries === UNBOUNDED && maxBytes === UNBOUNDED) return undefined;
  return { maxEntries, maxBytes, eviction, isNeeded };
}

export class Bounds {
  readonly #store: Store;
  readonly #settings: BoundSettings;
  readonly #eviction: Eviction | undefined;
  #evicted = 0;
  /** Whether the last search met something that may go later. */
  #unsettled = false;
  /** Nothing may go before more is settled: no use looking. */
  #stuck = false;

  constructor(store: Store, settings: BoundSettings) {
    this.#store = store;
    this.#settings = settings;
    const mayGo: MayGo = (shard, slot) => {
      const answer = mayLetGo(store.evicted, shard, slot, settings.isNeeded);
      if (answer === "later") this.#unsettled = true;
      return answer;
    };
    if (settings.eviction === "lru") this.#eviction = new ClockEviction(store.shards, mayGo);
    else if (settings.eviction === "s3fifo") this.#eviction = new S3FifoEviction(store.shards, mayGo);
  }

  /** Keys let go since start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Whether more is kept than the bound allows: what may not be let go came from elsewhere, or was large. */
  get exceeded(): boolean {
    return this.#exceeds(0, 0, 0);
  }

  /** Whether keys are let go at all. */
  get evicts(): boolean {
    return this.#eviction !== undefined;
  }

  /** Makes room for so many new keys. Throws `STORE_FULL` where there is none to be had. */
  makeRoom(newKeys: number): void {
    // For a key that is there nothing has to go first, least of all that key itself.
    if (newKeys === 0 && this.evicts) return;
    this.#letGo(newKeys);
    if (!this.#exceeds(newKeys, 0, 0)) return;
    if (this.#unsettled && !this.#exceeds(newKeys, UNSETTLED_ENTRIES, UNSETTLED_BYTES)) return;
    throw new TidemarkError(
      "STORE_FULL",
      this.#unsettled
        ? `the store holds ${this.#store.shards.size} keys, far more than it may (maxEntries, maxBytes), and ` +
            "what is new has yet to reach the other hosts or the upstream; write slower, or raise the bound"
        : `the store holds ${this.#store.shards.size} keys and may hold no more (maxEntries, maxBytes); ` +
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

  /** More is settled than before: what could not be let go may be now. */
  settled(): void {
    this.#stuck = false;
    this.#letGo(0);
  }

  #letGo(room: number): void {
    if (this.#stuck) return;
    while (this.#eviction !== undefined && this.#exceeds(room, 0, 0)) {
      this.#unsettled = false;
      const victim = this.#eviction.victim();
      if (victim === undefined) {
        this.#stuck = this.#unsettled;
        return;
      }
      this.#evicted++;
      this.#store.release(victim.shard, victim.slot, "evict");
    }
  }

  #exceeds(more: number, slackEntries: number, slackBytes: number): boolean {
    const { shards } = this.#store;
    const { maxEntries, maxBytes } = this.#settings;
    return shards.size + more > maxEntries + slackEntries || shards.bytes > maxBytes + slackBytes;
  }
}
