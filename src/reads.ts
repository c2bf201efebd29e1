/** Reading: synchronous, local, from what the store shows now. */
import { BUCKETS, hashKey } from "./crdt/digest.ts";
import type { Value } from "./crdt/entry.ts";
import { compileGlob } from "./crdt/glob.ts";
import type { View } from "./crdt/key-state.ts";
import { memberKey, sameValue, toBytes, toText } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import { asValue } from "./store/changes.ts";
import type { Shard } from "./store/shard.ts";
import type { Store } from "./store/store.ts";
import type { KeysOptions, KeyType } from "./tidemark.ts";

const DEFAULT_COUNT = 10;
/** Of the hashes that members are scanned by. */
const MAX_HASH = 0xffff_ffff;
/** Sets up to this size are scanned in one step. */
const SMALL_SET = 128;
const MOST_SET_STEPS = 64;
/** At least one slot in eight is used as a rule; then this many attempts all but always find a key. */
const RANDOM_ATTEMPTS = 100;

export class Reads {
  readonly #store: Store;

  readonly #random: () => number;

  /** `random`: uniform in [0, 1). */
  constructor(store: Store, random: () => number) {
    this.#store = store;
    this.#random = random;
  }

  now(): number {
    return this.#store.now();
  }

  get size(): number {
    return this.#store.size;
  }

  get(key: string): string | undefined {
    const text = this.#store.readText(key);
    if (text !== undefined) return text;
    const found = this.#store.read(key);
    if (found === undefined) return undefined;
    return toText(isView(found) ? asValue(stringView(key, found)) : found);
  }

  /** A string or counter in its canonical form, whether or not it is text. */
  value(key: string): Value | undefined {
    const found = this.#store.read(key);
    if (found === undefined || !isView(found)) return found;
    return asValue(stringView(key, found));
  }

  getBytes(key: string): Uint8Array | undefined {
    const value = this.value(key);
    return value === undefined ? undefined : toBytes(value);
  }

  has(key: string): boolean {
    return this.#store.read(key) !== undefined;
  }

  type(key: string): KeyType | undefined {
    const found = this.#store.read(key);
    if (found === undefined) return undefined;
    return isView(found) ? found.type : "string";
  }

  ttl(key: string): number | undefined {
    const view = this.#store.view(key);
    if (view === undefined) return undefined;
    return view.deadline === Number.POSITIVE_INFINITY
      ? view.deadline
      : Math.max(0, Math.ceil(view.deadline - this.#store.now()));
  }

  expiresAt(key: string): number | undefined {
    return this.#store.view(key)?.deadline;
  }

  /** Tries slots at random; where nearly all are free or hidden it goes on from the last one tried. */
  randomKey(): string | undefined {
    const shards = this.#store.shards.all();
    let place = 0;
    for (let attempt = 0; attempt < RANDOM_ATTEMPTS; attempt++) {
      place = Math.floor(this.#random() * this.#store.shards.slots);
      const key = keyAtPlace(shards, place);
      if (key !== undefined && this.has(key)) return key;
    }
    const { slots } = this.#store.shards;
    for (let step = 1; step <= slots; step++) {
      const key = keyAtPlace(shards, (place + step) % slots);
      if (key !== undefined && this.has(key)) return key;
    }
    return undefined;
  }

  *keys({ prefix = "", match, type }: KeysOptions = {}): Generator<string> {
    if (typeof prefix !== "string") throw new TidemarkError("INVALID_ARGUMENT", "prefix takes a string");
    checkType(type);
    const matches = match === undefined ? undefined : compileGlob(match);
    for (const shard of this.#store.shards.all()) {
      for (const key of shard.keys()) {
        if (!key.startsWith(prefix) || (matches !== undefined && !matches(key))) continue;
        const found = this.type(key);
        if (found !== undefined && (type === undefined || found === type)) yield key;
      }
    }
  }

  scan(
    cursor: number,
    options: { match?: string; count?: number; type?: KeyType } = {},
  ): { cursor: number; keys: string[] } {
    const { match, type, count = DEFAULT_COUNT } = options;
    if (!Number.isInteger(cursor) || cursor < 0 || cursor >= BUCKETS) {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        `cursor takes 0 or what the last scan returned, not ${cursor}`,
      );
    }
    checkCount(count);
    checkType(type);
    const matches = match === undefined ? undefined : compileGlob(match);
    const keys: string[] = [];
    let seen = 0;
    let bucket = cursor;
    while (bucket < BUCKETS && seen < count) {
      const shard = this.#store.shards.ofBucket(bucket);
      for (const slot of shard.slotsOf(bucket)) {
        seen++;
        const key = shard.keyAt(slot)!;
        if (matches !== undefined && !matches(key)) continue;
        const found = this.type(key);
        if (found !== undefined && (type === undefined || found === type)) keys.push(key);
      }
      bucket++;
    }
    return { cursor: bucket === BUCKETS ? 0 : bucket, keys };
  }

  *entries(): Generator<[key: string, value: Value | Value[]]> {
    for (const key of this.keys()) {
      const view = this.#store.view(key);
      if (view === undefined) continue;
      if (view.type === "string") yield [key, asValue(view.value)];
      else yield [key, view.type === "set" ? this.setMembers(key) : this.listRange(key)];
    }
  }

  setMembers(key: string): Value[] {
    const members: Value[] = [];
    const view = this.collection(key, "set");
    if (view !== undefined) for (const same of view.state.members!.values()) members.push(same[0]!.value);
    return members;
  }

  /** Distinct members drawn at random: by Floyd's method which ones, then one walk to them. */
  setRandom(key: string, count: number): Value[] {
    if (!Number.isInteger(count) || count < 0)
      throw new TidemarkError("INVALID_ARGUMENT", `count takes a whole number from 0, not ${count}`);
    const members = this.collection(key, "set")?.state.members;
    if (members === undefined || members === null || count === 0) return [];
    const { size } = members;
    if (count >= size) return this.setMembers(key);
    const chosen = new Set<number>();
    for (let last = size - count; last < size; last++) {
      const drawn = Math.floor(this.#random() * (last + 1));
      chosen.add(chosen.has(drawn) ? last : drawn);
    }
    const values: Value[] = [];
    let index = 0;
    for (const same of members.values()) {
      if (chosen.has(index++)) values.push(same[0]!.value);
      if (values.length === count) break;
    }
    return values;
  }

  /**
   * The cursor is a place among the hashes of members, so that it needs no memory of its own and holds while
   * the set changes. A step takes the part of the hashes that holds about `count` members, at least 1/64: a
   * step walks the whole set, and more of them would cost more than they save.
   */
  setScan(
    key: string,
    cursor: number,
    { match, count = DEFAULT_COUNT }: { match?: string; count?: number } = {},
  ): { cursor: number; members: Value[] } {
    if (!Number.isInteger(cursor) || cursor < 0 || cursor > MAX_HASH) {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        `cursor takes 0 or what the last setScan returned, not ${cursor}`,
      );
    }
    checkCount(count);
    const matches = match === undefined ? undefined : compileGlob(match);
    const members = this.collection(key, "set")?.state.members;
    if (members === undefined || members === null) return { cursor: 0, members: [] };
    const part = Math.min(1, Math.max(count / members.size, 1 / MOST_SET_STEPS));
    const end = members.size <= SMALL_SET ? MAX_HASH + 1 : cursor + Math.ceil(part * (MAX_HASH + 1));
    const found: Value[] = [];
    for (const [member, same] of members) {
      const hash = hashKey(member) >>> 0;
      if (hash < cursor || hash >= end) continue;
      const { value } = same[0]!;
      if (matches === undefined || matches(asText(value))) found.push(value);
    }
    return { cursor: end > MAX_HASH ? 0 : end, members: found };
  }

  setHas(key: string, member: Value): boolean {
    return this.collection(key, "set")?.state.members?.has(memberKey(member)) ?? false;
  }

  setSize(key: string): number {
    return this.collection(key, "set")?.state.members?.size ?? 0;
  }

  setUnion(keys: readonly string[]): Value[] {
    const union = new Map<string, Value>();
    for (const key of keys) for (const member of this.setMembers(key)) union.set(memberKey(member), member);
    return [...union.values()];
  }

  setIntersection(keys: readonly string[]): Value[] {
    const [first, ...rest] = keys;
    if (first === undefined) return [];
    return this.setMembers(first).filter((member) => rest.every((key) => this.setHas(key, member)));
  }

  setDifference(keys: readonly string[]): Value[] {
    const [first, ...rest] = keys;
    if (first === undefined) return [];
    return this.setMembers(first).filter((member) => !rest.some((key) => this.setHas(key, member)));
  }

  listLength(key: string): number {
    return this.collection(key, "list")?.state.elements?.length ?? 0;
  }

  listRange(key: string, start = 0, stop = -1): Value[] {
    const elements = this.collection(key, "list")?.state.elements;
    if (elements === undefined || elements === null) return [];
    const [from, to] = bounds(start, stop, elements.length);
    const values: Value[] = [];
    for (let index = from; index <= to; index++) values.push(elements.at(index)!.value);
    return values;
  }

  listPositions(
    key: string,
    value: Value,
    options: { rank?: number; count?: number; limit?: number } = {},
  ): number[] {
    const { rank = 1, count = 1, limit = 0 } = options;
    for (const number of [rank, count, limit]) checkIndex(number);
    if (rank === 0 || count < 0 || limit < 0) {
      throw new TidemarkError("INVALID_ARGUMENT", "rank is not 0, count and limit are 0 or more");
    }
    const elements = this.collection(key, "list")?.state.elements;
    const positions: number[] = [];
    if (elements === undefined || elements === null) return positions;
    const steps = limit === 0 ? elements.length : Math.min(limit, elements.length);
    let toSkip = Math.abs(rank) - 1;
    for (let step = 0; step < steps; step++) {
      const index = rank > 0 ? step : elements.length - 1 - step;
      if (!sameValue(elements.at(index)!.value, value)) continue;
      if (toSkip-- > 0) continue;
      positions.push(index);
      if (positions.length === count) break;
    }
    return positions;
  }

  /** The view of a set or list, `undefined` when absent; throws `WRONG_TYPE`. */
  collection(key: string, type: "set" | "list"): (View & { type: "set" | "list" }) | undefined {
    const found = this.#store.read(key);
    if (found === undefined) return undefined;
    if (isView(found) && found.type === type) return found as View & { type: "set" | "list" };
    throw wrongType(key, isView(found) ? found.type : "string", type);
  }
}

/** Redis's ranges: both ends inclusive, negative from the end, clamped. */
export function bounds(start: number, stop: number, length: number): [from: number, to: number] {
  for (const index of [start, stop]) checkIndex(index);
  const from = start < 0 ? Math.max(0, length + start) : start;
  const to = stop < 0 ? length + stop : Math.min(stop, length - 1);
  return [from, to];
}

function keyAtPlace(shards: readonly Shard[], place: number): string | undefined {
  let slot = place;
  for (const shard of shards) {
    if (slot < shard.slots) return shard.keyAt(slot);
    slot -= shard.slots;
  }
  return undefined;
}

/** What a glob is held against; bytes that are no text as characters, each its own. */
function asText(value: Value): string {
  return typeof value === "string" ? value : Buffer.from(value).toString("latin1");
}

function checkCount(count: number): void {
  if (Number.isInteger(count) && count >= 1) return;
  throw new TidemarkError("INVALID_ARGUMENT", `count takes a whole number from 1, not ${count}`);
}

function checkType(type: KeyType | undefined): void {
  if (type === undefined || type === "string" || type === "set" || type === "list") return;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `type takes "string", "set" or "list", not ${JSON.stringify(type)}`,
  );
}

/** Throws `INVALID_ARGUMENT` for what is no position in a list. */
export function checkIndex(index: number): void {
  if (Number.isInteger(index) || Math.abs(index) === Number.POSITIVE_INFINITY) return;
  throw new TidemarkError("INVALID_ARGUMENT", `an index is a whole number, not ${index}`);
}

function isView(found: Value | View): found is View {
  return typeof found !== "string" && !(found instanceof Uint8Array);
}

function stringView(key: string, view: View): Value | number | bigint {
  if (view.type !== "string") throw wrongType(key, view.type, "string");
  return view.value;
}

function wrongType(key: string, holds: string, needs: string): TidemarkError {
  return new TidemarkError("WRONG_TYPE", `"${key}" holds a ${holds}, this operation needs a ${needs}`);
}
