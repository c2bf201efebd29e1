/** What is there, key by key, looked at without changing anything but the marks of eviction. */
import type { Origins } from "../causality/origins.ts";
import { hashKey } from "../crdt/digest.ts";
import type { Value } from "../crdt/entry.ts";
import { KeyState, type View } from "../crdt/key-state.ts";
import type { BoundSettings } from "./bounds.ts";
import { plainEntry } from "./plain-entry.ts";
import type { Shard } from "./shard.ts";
import { ShardMap } from "./shard-map.ts";

const NEVER = Number.POSITIVE_INFINITY;

export class Contents {
  readonly origins: Origins;
  readonly shards: ShardMap;
  /** Fleet time, milliseconds since 1970. */
  readonly now: () => number;
  /** Whether reads leave their mark, for eviction. */
  readonly #touches: boolean;

  constructor(origins: Origins, now: () => number, bounds: BoundSettings | undefined) {
    this.origins = origins;
    this.now = now;
    this.#touches = bounds !== undefined;
    this.shards = new ShardMap(bounds !== undefined && bounds.maxBytes !== NEVER);
  }

  /** Number of keys, those expired but not yet removed included. */
  get size(): number {
    return this.shards.size - this.shards.hollow;
  }

  /**
   * What a reader sees of a key: of a plain value the value itself, else a view. No allocation for plain
   * values, and the clock is only read where there is a deadline.
   */
  read(key: string): Value | View | undefined {
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    const slot = shard.find(key, keyHash);
    if (slot < 0) return undefined;
    if (this.#touches) shard.touch(slot);
    const deadline = shard.deadlineAt(slot);
    if (shard.isState(slot)) return shard.stateAt(slot).view(this.now());
    if (deadline !== NEVER && deadline <= this.now()) return undefined;
    return shard.valueAt(slot);
  }

  /** As `read` of plain text, the hot path; `undefined` also where it is something else. */
  readText(key: string): string | undefined {
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    const slot = shard.find(key, keyHash);
    if (slot < 0 || !shard.isText(slot)) return undefined;
    const deadline = shard.deadlineAt(slot);
    if (deadline !== NEVER && deadline <= this.now()) return undefined;
    if (this.#touches) shard.touch(slot);
    return shard.valueAt(slot) as string;
  }

  /** As `read`, always as a view. */
  view(key: string): View | undefined {
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    const slot = shard.find(key, keyHash);
    if (slot < 0) return undefined;
    if (shard.isState(slot)) return shard.stateAt(slot).view(this.now());
    const deadline = shard.deadlineAt(slot);
    if (deadline !== Number.POSITIVE_INFINITY && deadline <= this.now()) return undefined;
    return { type: "string", value: shard.valueAt(slot), deadline };
  }

  /** All that is stored under a key, hidden and expired entries included; a copy for plain values. */
  state(key: string): KeyState | undefined {
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    const slot = shard.find(key, keyHash);
    return slot < 0 ? undefined : this.stateAt(shard, slot);
  }

  /**
   * The dot that a value written to the key has to name, without building a state: `null` if there is
   * nothing, `undefined` if what is there is no plain value.
   */
  plainDot(key: string): number[] | null | undefined {
    const keyHash = hashKey(key);
    const shard = this.shards.of(key, keyHash);
    const slot = shard.find(key, keyHash);
    if (slot < 0) return null;
    return shard.isState(slot) ? undefined : [shard.originAt(slot), shard.seqAt(slot)];
  }

  /** Whether nothing is stored under a key. */
  isAbsent(key: string): boolean {
    return this.shards.of(key).find(key) < 0;
  }

  /** The state in a slot; a copy for plain values. */
  stateAt(shard: Shard, slot: number): KeyState {
    if (shard.isState(slot)) return shard.stateAt(slot);
    const state = new KeyState(this.origins);
    state.insert(plainEntry(shard, slot));
    return state;
  }
}
