/**
 * The data commands of a host, each handed to `Reads` or `Writes`: what `Tidemark` promises and nothing of
 * how a host lives.
 */

import { checkOptions, type Duration } from "./arguments.ts";
import type { Value } from "./crdt/entry.ts";
import { toValue } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import type { Loading } from "./loading.ts";
import type { Moves } from "./moves.ts";
import type { Reads } from "./reads.ts";
import type {
  KeysOptions,
  KeyType,
  ListEnd,
  MoveOptions,
  SetOptions,
  StoreOptions,
  UpdateOptions,
  ValueInput,
} from "./tidemark.ts";
import type { Writes } from "./writes.ts";

export class Commands {
  #reads!: Reads;
  #writes!: Writes;
  #moves!: Moves;
  #loading: Loading | undefined;

  /** To be called once, before any command. */
  protected serve(reads: Reads, writes: Writes, moves: Moves, loading: Loading | undefined): void {
    this.#reads = reads;
    this.#writes = writes;
    this.#moves = moves;
    this.#loading = loading;
  }

  now(): number {
    return this.#reads.now();
  }

  get size(): number {
    return this.#reads.size;
  }

  get(key: string): string | undefined {
    return this.#reads.get(key);
  }

  getBytes(key: string): Uint8Array | undefined {
    return this.#reads.getBytes(key);
  }

  getValue(key: string): Value | undefined {
    return this.#reads.value(key);
  }

  set(key: string, value: ValueInput, options?: SetOptions): boolean {
    return this.#writes.set(key, value, options);
  }

  setMany(entries: Iterable<readonly [string, ValueInput]>, options?: Pick<SetOptions, "ttl">): void {
    checkOptions(options, ["ttl"], "setMany");
    this.#writes.setMany(entries, options?.ttl);
  }

  increment(key: string, delta?: number): number;
  increment(key: string, delta: bigint): bigint;
  increment(key: string, delta: number | bigint = 1): number | bigint {
    return this.#writes.increment(key, delta);
  }

  has(key: string): boolean {
    return this.#reads.has(key);
  }

  type(key: string): KeyType | undefined {
    return this.#reads.type(key);
  }

  ttl(key: string): number | undefined {
    return this.#reads.ttl(key);
  }

  expiresAt(key: string): number | undefined {
    return this.#reads.expiresAt(key);
  }

  expire(key: string, ttl: Duration): boolean {
    return this.#writes.expire(key, ttl);
  }

  expireAt(key: string, at: number): boolean {
    return this.#writes.expireAt(key, at);
  }

  persist(key: string): boolean {
    return this.#writes.persist(key);
  }

  delete(...keys: string[]): number {
    return this.#writes.delete(keys);
  }

  rename(from: string, to: string, options?: MoveOptions): boolean {
    checkOptions(options, ["onlyIf"], "rename");
    return this.#moves.rename(from, to, options);
  }

  copy(from: string, to: string, options?: MoveOptions): boolean {
    checkOptions(options, ["onlyIf"], "copy");
    return this.#moves.copy(from, to, options);
  }

  clear(options?: { prefix?: string }): void {
    checkOptions(options, ["prefix"], "clear");
    this.#writes.clear(options?.prefix);
  }

  keys(options?: KeysOptions): IterableIterator<string> {
    checkOptions(options, ["prefix", "match", "type"], "keys");
    return this.#reads.keys(options);
  }

  scan(cursor: number, options?: { match?: string; count?: number; type?: KeyType }) {
    checkOptions(options, ["match", "count", "type"], "scan");
    return this.#reads.scan(cursor, options);
  }

  randomKey(): string | undefined {
    return this.#reads.randomKey();
  }

  entries(): IterableIterator<[key: string, value: Value | Value[]]> {
    return this.#reads.entries();
  }

  setAdd(key: string, ...members: ValueInput[]): number {
    return this.#writes.setAdd(key, members);
  }

  setRemove(key: string, ...members: ValueInput[]): number {
    return this.#writes.setRemove(key, members);
  }

  setMembers(key: string): Value[] {
    return this.#reads.setMembers(key);
  }

  setHas(key: string, member: ValueInput): boolean {
    return this.#reads.setHas(key, toValue(member, Number.POSITIVE_INFINITY));
  }

  setMove(from: string, to: string, member: ValueInput): boolean {
    return this.#moves.setMove(from, to, member);
  }

  setStore(key: string, members: Iterable<ValueInput>, options?: StoreOptions): number {
    checkOptions(options, ["expiresAt"], "setStore");
    return this.#moves.store(key, "set", members, options);
  }

  setRandom(key: string, count: number): Value[] {
    return this.#reads.setRandom(key, count);
  }

  setScan(key: string, cursor: number, options?: { match?: string; count?: number }) {
    checkOptions(options, ["match", "count"], "setScan");
    return this.#reads.setScan(key, cursor, options);
  }

  setSize(key: string): number {
    return this.#reads.setSize(key);
  }

  setUnion(...keys: string[]): Value[] {
    return this.#reads.setUnion(keys);
  }

  setIntersection(...keys: string[]): Value[] {
    return this.#reads.setIntersection(keys);
  }

  setDifference(...keys: string[]): Value[] {
    return this.#reads.setDifference(keys);
  }

  listPush(key: string, ...values: ValueInput[]): number {
    return this.#writes.listAdd(key, values, "tail");
  }

  listUnshift(key: string, ...values: ValueInput[]): number {
    return this.#writes.listAdd(key, values, "head");
  }

  listPop(key: string): Value | undefined {
    return this.#writes.listTake(key, "tail");
  }

  listShift(key: string): Value | undefined {
    return this.#writes.listTake(key, "head");
  }

  listRemove(key: string, value: ValueInput, count = 0): number {
    return this.#writes.listRemove(key, value, count);
  }

  listInsert(key: string, where: "before" | "after", pivot: ValueInput, value: ValueInput): number {
    return this.#writes.listInsert(key, where, pivot, value);
  }

  listSet(key: string, index: number, value: ValueInput): boolean {
    return this.#writes.listSet(key, index, value);
  }

  listMove(from: string, to: string, options: { from: ListEnd; to: ListEnd }): Value | undefined {
    checkOptions(options, ["from", "to"], "listMove");
    return this.#moves.listMove(from, to, options);
  }

  listStore(key: string, values: Iterable<ValueInput>, options?: StoreOptions): number {
    checkOptions(options, ["expiresAt"], "listStore");
    return this.#moves.store(key, "list", values, options);
  }

  listTrim(key: string, start: number, stop: number): void {
    this.#writes.listTrim(key, start, stop);
  }

  listClear(key: string): number {
    return this.#writes.listClear(key);
  }

  listRange(key: string, start?: number, stop?: number): Value[] {
    return this.#reads.listRange(key, start, stop);
  }

  listLength(key: string): number {
    return this.#reads.listLength(key);
  }

  listPositions(
    key: string,
    value: ValueInput,
    options?: { rank?: number; count?: number; limit?: number },
  ): number[] {
    checkOptions(options, ["rank", "count", "limit"], "listPositions");
    return this.#reads.listPositions(key, toValue(value, Number.POSITIVE_INFINITY), options);
  }

  getOrLoad<V = Value>(key: string, options?: { signal?: AbortSignal }): Promise<V | undefined> {
    try {
      if (options !== undefined) checkOptions(options, ["signal"], "getOrLoad");
      return this.#upstream().getOrLoad<V>(key, options?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async getOrLoadMany<V = Value>(
    keys: Iterable<string>,
    options?: { signal?: AbortSignal },
  ): Promise<Map<string, V>> {
    checkOptions(options, ["signal"], "getOrLoadMany");
    return this.#upstream().getOrLoadMany<V>(keys, options?.signal);
  }

  async update<V = Value>(
    key: string,
    change: (current: V | undefined) => V | undefined,
    options?: UpdateOptions,
  ): Promise<V | undefined> {
    return this.#upstream().update<V>(key, change, options);
  }

  invalidate(what: string | { prefix: string }): void {
    this.#upstream().invalidate(what);
  }

  #upstream(): Loading {
    if (this.#loading !== undefined) return this.#loading;
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      "this host has no upstream: give open() one by its option upstream",
    );
  }
}
