/**
 * CLOCK (Corbató, 1968): a hand goes round the slots; one that was used since the hand last came gets a
 * second chance, the first that was not goes. Measured to be faster than linked lists and never below
 * exact LRU in hit ratio (`npm run bench -- store`).
 */
import type { Eviction, MayGo } from "./bounds.ts";
import type { Shard } from "./shard.ts";
import type { ShardMap } from "./shard-map.ts";

/** After so many slots that were used, one that was used goes: no write waits for a whole round. */
const PATIENCE = 16_384;
/** Slots looked at in vain; then the search is given up for now. */
const MAX_LOOKED_AT = 65_536;

export class ClockEviction implements Eviction {
  readonly #shards: ShardMap;
  readonly #mayGo: MayGo;
  #shard = 0;
  #slot = 0;

  constructor(shards: ShardMap, mayGo: MayGo) {
    this.#shards = shards;
    this.#mayGo = mayGo;
  }

  added(): void {
    // A new key waits for the hand where it is.
  }

  victim(): { shard: Shard; slot: number } | "none" | "gave up" {
    const shards = this.#shards.all();
    let lookedAt = 0;
    let used = 0;
    // Two rounds: every slot lost its mark in the first.
    for (let steps = 2 * shards.length; steps >= 0; steps--) {
      const shard = shards[this.#shard % shards.length]!;
      while (this.#slot < shard.slots) {
        const slot = this.#slot++;
        if (shard.keyAt(slot) === undefined) continue;
        if (this.#mayGo(shard, slot) !== "now") {
          if (++lookedAt > MAX_LOOKED_AT) return "gave up";
          continue;
        }
        if (shard.takeUses(slot) === 0 || ++used > PATIENCE) return { shard, slot };
      }
      this.#slot = 0;
      this.#shard = (this.#shard + 1) % shards.length;
    }
    return "none";
  }
}
