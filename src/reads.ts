/** Reading: synchronous, local, from what the store shows now. */
import { BUCKETS } from "./crdt/digest.ts";
import type { Value } from "./crdt/entry.ts";
import { compileGlob } from "./crdt/glob.ts";
import type { View } from "./crdt/key-state.ts";
import { memberKey, toBytes, toText } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import { asValue } from "./store/changes.ts";
import type { Store } from "./store/store.ts";
import type { KeysOptions, KeyType } from "./tidemark.ts";

const DEFAULT_COUNT = 10;

export class Reads {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
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

  *keys({ prefix = "", match, type }: KeysOptions = {}): Generator<string> {
    if (typeof prefix !== "string") throw new TidemarkError("INVALID_ARGUMENT", "prefix takes a string");
    checkType(type);
    const matches = match === undefined ? undefined : compileGlob(match);
    for (const shard of this.#store.shards.all()) {
      for (const key of [...shard.keys()]) {
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
    if (!Number.isInteger(count) || count < 1) {
      throw new TidemarkError("INVALID_ARGUMENT", `count takes a whole number from 1, not ${count}`);
    }
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
