/**
 * What a replicated host has let go of for room while others keep it. Eviction is no event: the state of such
 * a host is no longer a function of the events it has applied, so it must say so in all it writes and gives,
 * and doubt what it cannot see whole. The rules, and why they suffice, stand in `docs/ARCHITECTURE.md`,
 * "Eviction on replicated hosts".
 */
import { VersionVector } from "../causality/version-vector.ts";
import { hashKey } from "../crdt/digest.ts";
import type { Store, Target } from "./store.ts";

/** What eviction asks about the other hosts. */
export interface Fleet {
  /** Whether the host of an origin had applied all of `vector` before it wrote what arrives from it now. */
  hasSeen(origin: number, vector: VersionVector): boolean;
}

/**
 * Bits of the filter, a power of two: with a million keys let go it answers yes for a fifth of those never here.
 * What would empty it is a complete image, which a bounded host has no room for.
 */
const FILTER_BITS = 1 << 22;
export const FILTER_BYTES = FILTER_BITS / 8;
/** The host's own origin index. */
const SELF = 0;

export class Evicted {
  /** Per origin the highest seq of an entry that was let go; whatever is missing here is covered by it. */
  readonly vector = new VersionVector();
  /** What all live hosts have applied, and we all that they had then: only what it covers may go. */
  floor = new VersionVector();
  readonly #fleet: Fleet;
  #keys: Uint8Array | undefined;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Whether anything was let go since this host took over what the others had. */
  get partial(): boolean {
    return this.#keys !== undefined;
  }

  /** The keys that something was let go of, as a filter that may answer yes too often (Bloom, 1970). */
  get keys(): Uint8Array | undefined {
    return this.#keys;
  }

  /** Notes an entry that is here no longer, although it may be elsewhere. */
  note(keyHash: number, origin: number, seq: number): void {
    this.vector.raise(origin, seq);
    const bit = (keyHash & (FILTER_BITS - 1)) >>> 0;
    this.#filter()[bit >>> 3]! |= 1 << (bit & 7);
  }

  /** Takes over what another host had let go of one origin; `keys`: its filter, if it gave one. */
  adopt(origin: number, seq: number, keys: Uint8Array | null): void {
    this.vector.raise(origin, seq);
    const own = this.#filter();
    if (keys?.length === FILTER_BYTES) for (let i = 0; i < FILTER_BYTES; i++) own[i]! |= keys[i]!;
    else own.fill(255);
  }

  /** Whether something of a key may have been let go. */
  mayHold(keyHash: number): boolean {
    return this.#keys !== undefined && mayBeAmong(this.#keys, keyHash);
  }

  /** Whether what arrives from an origin may leave standing elsewhere what was let go here. */
  doubts(origin: number): boolean {
    return origin !== SELF && this.partial && !this.#fleet.hasSeen(origin, this.vector);
  }

  #filter(): Uint8Array {
    this.#keys ??= new Uint8Array(FILTER_BYTES);
    return this.#keys;
  }
}

/** Whether a key may be among those of a filter, ours or another host's. One of another size says yes. */
export function mayBeAmong(keys: Uint8Array, keyHash: number): boolean {
  if (keys.length !== FILTER_BYTES) return true;
  const bit = (keyHash & (FILTER_BITS - 1)) >>> 0;
  return (keys[bit >>> 3]! & (1 << (bit & 7))) !== 0;
}

/**
 * What a write that begins or replaces a key has to name besides what it sees there: what was let go here, if
 * something of this key may be among it; also where the key is shown. Who wrote what is shown had seen what was
 * let go, but may have seen it removed by events that are still to come here.
 */
export function evictedOf({ evicted }: Store, key: string): VersionVector | null {
  return evicted?.partial && evicted.mayHold(hashKey(key)) ? evicted.vector : null;
}

/** Whether a key that shows nothing here may hold something elsewhere that was let go here. */
export function mayStandElsewhere(store: Store, key: string): boolean {
  if (!store.evicted?.partial) return false;
  const shard = store.shards.of(key);
  const slot = shard.find(key);
  const state = slot < 0 || !shard.isState(slot) ? undefined : shard.stateAt(slot);
  if (state?.masked) return true;
  return (slot < 0 || state?.hollow === true) && store.evicted.mayHold(hashKey(key));
}

/** Whether a state that is being changed holds all that the applied events leave of its key. */
export function isExact({ evicted }: Store, { state, keyHash }: Target): boolean {
  if (!evicted?.partial) return true;
  return state.hasContent ? !state.masked : !evicted.mayHold(keyHash);
}
