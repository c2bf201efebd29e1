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
/** What a removal that waits for its entry takes, about. */
const PENDING_BYTES = 250;
/** So many keys are let go after one event, and in one turn of upkeep, at most. */
const PER_EVENT = 8;
const PER_TURN = 2_000;

/** `lru`: CLOCK, an approximation of LRU. `s3fifo`: resists scans. `none`: refuse instead. */
export type EvictionPolicy = "lru" | "s3fifo" | "none";

export interface BoundSettings {
  /** `Infinity`: none. */
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly eviction: EvictionPolicy;
  /** Keys that may not go yet, for what is to become of them elsewhere: none where absent. */
  readonly isNeeded?: (key: string) => boolean;
  /** Bytes that count towards `maxBytes` besides the data and the removals that wait: the log. */
  readonly besides?: () => number;
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
  if (state !== undefined && !state.evictable) return state.commits.length > 0 ? "later" : "never";
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
  /** A slot that may go now; "none": there is none; "gave up": none was found in a bounded number of steps. */
  victim(): { readonly shard: Shard; readonly slot: number } | "none" | "gave up";
}

/** The bound a host keeps, `undefined` for none. */
export function boundsOf(
  { maxEntries, maxBytes, eviction }: BoundSettings,
  ports: Pick<BoundSettings, "isNeeded" | "besides">,
): BoundSettings | undefined {
  if (maxEntries === UNBOUNDED && maxBytes === UNBOUNDED) return undefined;
  return { maxEntries, maxBytes, eviction, ...ports };
}

/** Whether a reader sees anything of a slot: it has neither expired nor is it masked. */
function isShown(store: Store, shard: Shard, slot: number): boolean {
  if (shard.isState(slot)) return shard.stateAt(slot).view(store.now()) !== undefined;
  const deadline = shard.deadlineAt(slot);
  return deadline === UNBOUNDED || deadline > store.now();
}

export class Bounds {
  readonly #store: Store;
  readonly #settings: BoundSettings;
  readonly #eviction: Eviction | undefined;
  #evicted = 0;
  /** Whether the last search met something that may go later, or was given up before it had seen all. */
  #more = false;
  /** The last search found nothing: no use looking before something changes. */
  #stuck = false;

  constructor(store: Store, settings: BoundSettings) {
    this.#store = store;
    this.#settings = settings;
    const mayGo: MayGo = (shard, slot) => {
      const answer = mayLetGo(store.evicted, shard, slot, settings.isNeeded);
      if (answer === "later") this.#more = true;
      return answer;
    };
    if (settings.eviction === "lru") this.#eviction = new ClockEviction(store.shards, mayGo);
    else if (settings.eviction === "s3fifo") this.#eviction = new S3FifoEviction(store.shards, mayGo);
  }

  /** What is kept, in bytes, where there is a bound on them. */
  get bytes(): number {
    if (this.#settings.maxBytes === UNBOUNDED) return 0;
    const { shards, pending } = this.#store;
    return shards.bytes + pending.size * PENDING_BYTES + (this.#settings.besides?.() ?? 0);
  }

  /** Keys let go since start that a reader could see: each was told as an eviction. */
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

  /**
   * Makes room for so many new keys; 0: for more in one that is there, for which nothing goes first, least of all
   * itself. Throws `STORE_FULL` where there is none to be had.
   */
  makeRoom(newKeys: number): void {
    if (this.#eviction === undefined) {
      if (this.#exceeds(newKeys, 0, 0)) throw this.#full();
      return;
    }
    if (newKeys > 0) this.#letGo(newKeys, newKeys + PER_EVENT);
    else if (this.bytes <= this.#settings.maxBytes) return;
    if (!this.#exceeds(newKeys, 0, 0)) return;
    const mayGoLater = this.#more || !this.#stuck;
    if (!mayGoLater || this.#exceeds(newKeys, UNSETTLED_ENTRIES, UNSETTLED_BYTES)) throw this.#full();
  }

  /** A key came to be; `plain`: it holds one value. */
  added(key: string, plain: boolean): void {
    this.#eviction?.added(key);
    // On a replicated host it has to be settled first.
    if (plain && this.#store.evicted === undefined) this.#stuck = false;
  }

  /** Lets keys go after an event, towards the bound. */
  enforce(): void {
    this.#letGo(0, PER_EVENT);
  }

  /** To be called from time to time: what could not be let go may be now. */
  retry(): void {
    this.#stuck = false;
    this.#letGo(0, PER_TURN);
  }

  /** On a replicated host at most `limit` keys: many may be over the bound, of which none could go before. */
  #letGo(room: number, limit: number): void {
    if (this.#stuck || this.#eviction === undefined) return;
    let left = this.#store.evicted === undefined ? Number.POSITIVE_INFINITY : limit;
    while (this.#exceeds(room, 0, 0)) {
      if (left-- === 0) return;
      this.#more = false;
      const victim = this.#eviction.victim();
      if (victim === "none" || victim === "gave up") {
        this.#more ||= victim === "gave up";
        this.#stuck = true;
        return;
      }
      if (isShown(this.#store, victim.shard, victim.slot)) this.#evicted++;
      this.#store.release(victim.shard, victim.slot, "evict");
    }
  }

  #full(): TidemarkError {
    const { size } = this.#store.shards;
    return new TidemarkError(
      "STORE_FULL",
      this.#more
        ? `the store holds ${size} keys, far more than it may (maxEntries, maxBytes), and what is new has yet to ` +
            "reach the other hosts or the upstream; write slower, or raise the bound"
        : `the store holds ${size} keys and may hold no more (maxEntries, maxBytes); ` +
            "delete keys, give them a ttl, raise maxEntries or maxBytes, or choose an eviction policy",
    );
  }

  #exceeds(more: number, slackEntries: number, slackBytes: number): boolean {
    const { shards } = this.#store;
    const { maxEntries, maxBytes } = this.#settings;
    if (shards.size + more > maxEntries + slackEntries) return true;
    return maxBytes !== UNBOUNDED && this.bytes > maxBytes + slackBytes;
  }
}
