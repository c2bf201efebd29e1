/**
 * S3-FIFO (Yang et al., SOSP 2023): new keys go through a small queue, a tenth of all; only those used
 * again there move to the main one, so that a scan washes through the small queue and leaves the rest
 * alone. A ghost queue remembers the hashes of those that went, and lets them straight into the main one
 * when they come back.
 */
import { hashKey } from "../crdt/digest.ts";
import type { Eviction, MayGo } from "./bounds.ts";
import type { Shard } from "./shard.ts";
import type { ShardMap } from "./shard-map.ts";

const SMALL_SHARE = 0.1;
/** Keys looked at in vain; then the search is given up for now. */
const MAX_LOOKED_AT = 65_536;

export class S3FifoEviction implements Eviction {
  readonly #shards: ShardMap;
  readonly #mayGo: MayGo;
  readonly #small = new KeyQueue();
  readonly #main = new KeyQueue();
  /** Hashes of keys that left the small queue unused, oldest first. */
  readonly #ghosts = new Set<number>();

  constructor(shards: ShardMap, mayGo: MayGo) {
    this.#shards = shards;
    this.#mayGo = mayGo;
  }

  added(key: string): void {
    // A key deleted and written again is in a queue twice; too many of those are weeded out.
    if (this.#small.length + this.#main.length > 2 * this.#shards.size + 64) this.#weed();
    (this.#ghosts.delete(hashKey(key)) ? this.#main : this.#small).push(key);
  }

  victim(): { shard: Shard; slot: number } | "none" | "gave up" {
    // Each step ends with a key gone, moved on, or one use poorer, of which a slot counts at most three.
    let pinned = 0;
    let inVain = 0;
    for (let steps = 5 * (this.#small.length + this.#main.length); steps > 0; steps--) {
      // Once round the main queue without anything that may go: the small one has to give.
      const mainIsPinned = pinned >= this.#main.length;
      const fromSmall = mainIsPinned || this.#small.length > SMALL_SHARE * this.#shards.size;
      const key = (fromSmall ? this.#small : this.#main).shift();
      if (key === undefined) return "none";
      const shard = this.#shards.of(key);
      const slot = shard.find(key);
      if (slot < 0) continue;
      const answer = this.#mayGo(shard, slot);
      if (answer === "later") {
        // It keeps its queue: what is new has not had the time to be used again.
        (fromSmall ? this.#small : this.#main).push(key);
        if (!fromSmall) pinned++;
        if (++inVain > Math.min(MAX_LOOKED_AT, this.#small.length + this.#main.length)) return "gave up";
        continue;
      }
      if (answer === "never") {
        this.#main.push(key);
        pinned++;
        if (++inVain > MAX_LOOKED_AT) return "gave up";
        continue;
      }
      if (!fromSmall) pinned = 0;
      if (fromSmall) {
        if (shard.takeUses(slot) === 0) {
          this.#remember(key);
          return { shard, slot };
        }
        this.#main.push(key);
      } else {
        if (shard.takeUse(slot) === 0) return { shard, slot };
        this.#main.push(key);
      }
    }
    return "none";
  }

  #remember(key: string): void {
    this.#ghosts.add(hashKey(key));
    if (this.#ghosts.size <= this.#shards.size) return;
    for (const oldest of this.#ghosts) {
      this.#ghosts.delete(oldest);
      return;
    }
  }

  #weed(): void {
    const seen = new Set<string>();
    const isLive = (key: string): boolean => {
      if (seen.has(key) || this.#shards.of(key).find(key) < 0) return false;
      seen.add(key);
      return true;
    };
    this.#main.keep(isLive);
    this.#small.keep(isLive);
  }
}

/** First in, first out, without moving what stays. */
class KeyQueue {
  #keys: (string | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#keys.length - this.#head;
  }

  push(key: string): void {
    this.#keys.push(key);
  }

  shift(): string | undefined {
    if (this.length === 0) return undefined;
    const key = this.#keys[this.#head];
    this.#keys[this.#head++] = undefined;
    if (this.#head > 1_024 && this.#head * 2 > this.#keys.length) {
      this.#keys = this.#keys.slice(this.#head);
      this.#head = 0;
    }
    return key;
  }

  keep(isLive: (key: string) => boolean): void {
    this.#keys = this.#keys.slice(this.#head).filter((key) => key !== undefined && isLive(key));
    this.#head = 0;
  }
}
