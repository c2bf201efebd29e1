/**
 * The contract of a host, and the way to open one. `host.ts` is the composition behind it.
 */

import type { Duration } from "./arguments.ts";
import { systemDisk } from "./checkpoint/disk.ts";
import type { Value } from "./crdt/entry.ts";
import { createHost } from "./host.ts";
import { type OpenOptions, resolveSettings } from "./options.ts";
import type { ReplicationEvent } from "./replication/replication-event.ts";
import type { Status } from "./status.ts";
import type { Change, KeyChange, WatchOptions } from "./watch.ts";
import { systemWorld } from "./world.ts";

/** A value, a member or an element as it may be given: text, or bytes. */
export type ValueInput = string | Uint8Array;

/** What a key holds. A counter is a string, as in Redis. */
export type KeyType = "string" | "set" | "list";

export interface SetOptions {
  /** Time to live; without it the key's default applies. Not together with `keepTtl`. */
  ttl?: Duration;
  /**
   * When it expires, fleet time in milliseconds since 1970 (see `now`); a time that has passed removes the
   * key. Instead of `ttl`; `Infinity` for never.
   */
  expiresAt?: number;
  /** Keep the deadline the key has. */
  keepTtl?: boolean;
  /** Write only if the key is absent or present on this host; not atomic across hosts. */
  onlyIf?: "absent" | "present";
}

export interface MoveOptions {
  /** Only if there is nothing under the new name on this host; not atomic across hosts. */
  onlyIf?: "absent";
}

export interface StoreOptions {
  /** When it expires, as `Tidemark.now` counts. Default: as any new key. */
  expiresAt?: number;
}

export type ListEnd = "head" | "tail";

export interface WaitOptions {
  /** Milliseconds or `"2s"`. */
  timeout?: Duration;
  signal?: AbortSignal;
}

export interface ReplicatedOptions extends WaitOptions {
  /** How many other hosts. Default 1. */
  hosts?: number;
}

/**
 * When an update reaches the upstream: `"now"`: before `update` resolves. `{ within: "5s" }`: no later than
 * that. `"default"`: within `loading.commitWithin`. `"never"`: not because of this update. While a key waits,
 * its updates become one commit of the newest value, by the earliest of their deadlines.
 */
export type Commit = "now" | "default" | "never" | { within: Duration };

export interface UpdateOptions {
  /** Default `"default"`. */
  commit?: Commit;
  /** Time to live, here and in the upstream. Absent: the row stays for ever, memory keeps it for the host's `ttl`. */
  ttl?: Duration;
  /** Ends the wait for a load; an update that has been applied stays. */
  signal?: AbortSignal;
}

export interface KeysOptions {
  prefix?: string;
  /** A glob: `*`, `?`, `[a-z]`, `\` escapes. Matched in linear time. */
  match?: string;
  type?: KeyType;
}

/** Names a write: what `waitFor` waits for on another host. Plain data, safe to send as JSON. */
export interface Token {
  readonly incarnation: string;
  readonly seq: number;
}

/**
 * One host of a namespace: a full in-memory copy. Reads are synchronous and local; writes apply here at
 * once, return the new value, and replicate.
 *
 * All methods that take a key throw `KEY_TOO_LARGE` or `INVALID_STRING` for keys that cannot be. All
 * writes throw `NOT_READY` before the host has caught up, `CLOSED` after `close`, `BACKPRESSURE` when
 * too much waits for an absent network, `FENCED` when the NATS server refuses what the host needs; a
 * write that throws has changed nothing.
 */
export interface Tidemark extends AsyncDisposable {
  readonly namespace: string;
  readonly node: string;
  /** The id of this start of the host; new every time. */
  readonly incarnation: string;
  /** Fleet time, milliseconds since 1970: what deadlines are compared with, the same on every host. */
  now(): number;
  /** Number of keys; one that has expired counts until it is removed, some seconds later. */
  readonly size: number;

  // Strings
  /**
   * Text of a string or counter; `undefined` if absent, also on a host that has not caught up yet: reads
   * need no `ready()`, they show what is here. Throws `WRONG_TYPE`, `NOT_TEXT`.
   */
  get(key: string): string | undefined;
  /** Bytes of a string or counter, whatever they are; `undefined` if absent. Throws `WRONG_TYPE`. */
  getBytes(key: string): Uint8Array | undefined;
  /** Text of a string or counter, or its bytes where they are no UTF-8; `undefined` if absent. Throws `WRONG_TYPE`. */
  getValue(key: string): Value | undefined;
  /** Replaces whatever the key holds. False if `onlyIf` prevented it. Throws `VALUE_TOO_LARGE`. */
  set(key: string, value: ValueInput, options?: SetOptions): boolean;
  /** Several at once, visible together on every host as long as they fit 512 KiB. */
  setMany(entries: Iterable<readonly [key: string, value: ValueInput]>, options?: { ttl?: Duration }): void;
  /**
   * Adds to a 64-bit counter and returns its new value. Throws `NOT_AN_INTEGER`, `OUT_OF_RANGE` (also
   * when a number could not hold the result: give a bigint then), `WRONG_TYPE`.
   */
  increment(key: string, delta?: number): number;
  increment(key: string, delta: bigint): bigint;

  // Keys
  has(key: string): boolean;
  type(key: string): KeyType | undefined;
  /** Milliseconds left, `Infinity` without a deadline, `undefined` when absent. */
  ttl(key: string): number | undefined;
  /** When it expires, as `now` counts: milliseconds since 1970; `Infinity` for never, `undefined` when absent. */
  expiresAt(key: string): number | undefined;
  /** Sets the time left; false when absent. Concurrent calls: the longest wins. */
  expire(key: string, ttl: Duration): boolean;
  /** As `expire`, until a moment that `now` would tell; one that has passed removes the key. */
  expireAt(key: string, at: number): boolean;
  /** Takes the deadline away; false when absent or without one. */
  persist(key: string): boolean;
  /** Returns how many there were. */
  delete(...keys: string[]): number;
  /**
   * Gives what a key holds, and its deadline, another name, replacing what is there unless `onlyIf` prevents
   * it: then, and when `from` is absent, false. A counter arrives as a string, which counts on.
   */
  rename(from: string, to: string, options?: MoveOptions): boolean;
  /** As `rename`, and `from` stays. */
  copy(from: string, to: string, options?: MoveOptions): boolean;
  /** Removes every key (with a prefix: under it) that this host has seen, here and elsewhere. */
  clear(options?: { prefix?: string }): void;
  keys(options?: KeysOptions): IterableIterator<string>;
  /**
   * One step of an iteration: begin with cursor 0, go on with the returned one until it is 0 again. Sees
   * every key that was there throughout; may see one twice.
   */
  scan(
    cursor: number,
    options?: { match?: string; count?: number; type?: KeyType },
  ): { cursor: number; keys: string[] };
  /** Some key, drawn at random; `undefined` where there is none. */
  randomKey(): string | undefined;
  /** Every string and counter with its text or bytes; sets and lists as arrays. */
  entries(): IterableIterator<[key: string, value: Value | Value[]]>;

  // Sets
  /** Returns how many were new. Throws `WRONG_TYPE`, `VALUE_TOO_LARGE`. */
  setAdd(key: string, ...members: ValueInput[]): number;
  /** Returns how many were there. */
  setRemove(key: string, ...members: ValueInput[]): number;
  /** In no particular order; empty when absent. Bytes that are not UTF-8 come as a Uint8Array. */
  setMembers(key: string): Value[];
  setHas(key: string, member: ValueInput): boolean;
  /** Takes a member from one set to another; false when it was not there. */
  setMove(from: string, to: string, member: ValueInput): boolean;
  /** Replaces whatever a key holds by a set of these; without any the key is deleted. How many there are. */
  setStore(key: string, members: Iterable<ValueInput>, options?: StoreOptions): number;
  /** Different members drawn at random, at most `count`. */
  setRandom(key: string, count: number): Value[];
  /** One step of an iteration over a set, as `scan`: begin with 0, go on until it is 0 again. */
  setScan(
    key: string,
    cursor: number,
    options?: { match?: string; count?: number },
  ): { cursor: number; members: Value[] };
  setSize(key: string): number;
  setUnion(...keys: string[]): Value[];
  setIntersection(...keys: string[]): Value[];
  /** Members of the first key that none of the others has. */
  setDifference(...keys: string[]): Value[];

  // Lists
  /** Appends, returns the new length. Throws `WRONG_TYPE`, `VALUE_TOO_LARGE`. */
  listPush(key: string, ...values: ValueInput[]): number;
  /** Prepends one after the other, so that the last argument comes first; returns the new length. */
  listUnshift(key: string, ...values: ValueInput[]): number;
  listPop(key: string): Value | undefined;
  listShift(key: string): Value | undefined;
  /** Removes up to `count` equal elements from the head (negative: from the tail; 0: all); how many. */
  listRemove(key: string, value: ValueInput, count?: number): number;
  /** Inserts next to the first element equal to `pivot`; the new length, -1 without pivot, 0 if absent. */
  listInsert(key: string, where: "before" | "after", pivot: ValueInput, value: ValueInput): number;
  /** Replaces the element at an index (negative from the end); false if there is none. */
  listSet(key: string, index: number, value: ValueInput): boolean;
  /** Takes the element at one end of a list to an end of another, or of the same; `undefined` when absent. */
  listMove(from: string, to: string, options: { from: ListEnd; to: ListEnd }): Value | undefined;
  /** Replaces whatever a key holds by a list of these; without any the key is deleted. How many there are. */
  listStore(key: string, values: Iterable<ValueInput>, options?: StoreOptions): number;
  /** Keeps the elements from `start` to `stop` inclusive, as in Redis. */
  listTrim(key: string, start: number, stop: number): void;
  /** Removes all elements; how many there were. */
  listClear(key: string): number;
  /** Elements from `start` to `stop` inclusive, negative from the end. Default: all. */
  listRange(key: string, start?: number, stop?: number): Value[];
  listLength(key: string): number;
  /**
   * Indexes of equal elements: at most `count` (default 1, 0 for all) beginning with the `rank`th (1 is the
   * first, -1 the last and then towards the head), looking at `limit` elements at most (0 for all).
   */
  listPositions(
    key: string,
    value: ValueInput,
    options?: { rank?: number; count?: number; limit?: number },
  ): number[];

  // Upstream
  /**
   * The value of a key: from memory, else from the upstream, which is asked once however many ask here. `V` is
   * what the upstream's codec makes of rows; without one, text, or bytes where they are no text. `undefined`: there is no
   * such row. Rejects `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `UPSTREAM_BUSY`, `WRONG_TYPE` (the key holds a set or
   * list), `INVALID_ARGUMENT` (no upstream was given), and with the signal's reason: that ends this caller's
   * wait, and the load once nobody waits.
   */
  getOrLoad<V = Value>(key: string, options?: { signal?: AbortSignal }): Promise<V | undefined>;
  /** As `getOrLoad` for several keys, in as few calls as the upstream allows. Absent rows are left out. */
  getOrLoadMany<V = Value>(
    keys: Iterable<string>,
    options?: { signal?: AbortSignal },
  ): Promise<Map<string, V>>;
  /**
   * Loads the key if need be, runs `change` exactly once on what this host then holds, enters what it returns
   * (`undefined` deletes) here and on the other hosts, and commits it to the upstream. Updates of one key run
   * one after the other on this host; two hosts may run theirs at the same time, and then the later one
   * stays. Resolves to the new value: at once, or with `commit: "now"` when the upstream has it. Then it rejects if
   * the upstream fails; the new value is in memory nevertheless, and its commit is tried again. Rejects as
   * `getOrLoad` does, as writes do, and `DIRTY_LIMIT`; then nothing has changed.
   */
  update<V = Value>(
    key: string,
    change: (current: V | undefined) => V | undefined,
    options?: UpdateOptions,
  ): Promise<V | undefined>;
  /**
   * Forgets a key, or all under a prefix, of whatever type, on every host: the next `getOrLoad` asks the
   * upstream. What waits for its commit is still committed, and answered until then.
   */
  invalidate(what: string | { prefix: string }): void;

  // Replication
  /** Resolves when caught up with the hosts that were there. Rejects `TIMEOUT` (default 30 s), `FENCED`, `CLOSED`. */
  ready(options?: WaitOptions): Promise<void>;
  /** Resolves when everything written so far is with the NATS server. Rejects `TIMEOUT` if one is given. */
  flush(options?: WaitOptions): Promise<void>;
  /**
   * Resolves to how many live hosts have applied everything written so far: as soon as they are `hosts`
   * (default 1), or when the time is up (default 5 s), with however many there are then. Look at the number.
   */
  replicated(options?: ReplicatedOptions): Promise<number>;
  /** Names the last write of this host. */
  token(): Token;
  /** Resolves when this host has applied the write that `token` names. */
  waitFor(token: Token, options?: WaitOptions): Promise<void>;
  status(): Status;
  /**
   * What is there, then a `synced` mark, then every change. Ends with `break`, `signal` or `close`. When
   * the reader falls behind, changes to one key are folded into the last one.
   */
  watch(options?: WatchOptions): AsyncIterableIterator<Change>;
  /**
   * Calls `listener` with the keys that expired (on every host) or were let go for room (here), in batches
   * of at most 1,000 at the end of a turn, until the returned function is called. What it throws is
   * reported as a process warning and harms nothing.
   */
  on(event: "expire" | "evict", listener: (batch: readonly KeyChange[]) => void): () => void;
  /**
   * As above, with what replication met with: gaps found, replays, snapshots, divergences found and healed,
   * messages refused, clocks that are off, checkpoints. Of more than 1,000 in one turn the rest is only counted, in one event `missed`.
   */
  on(event: "replication", listener: (batch: readonly ReplicationEvent[]) => void): () => void;
  /**
   * Commits what waits for the upstream, flushes, says goodbye to the other hosts, frees everything. Safe to call
   * twice. Rejects `UNCOMMITTED`, everything being closed nevertheless, if the upstream would not take some
   * keys within `loading.drainTimeout`, and no other host that commits is known to have them: they are the
   * error's `keys`. Writes a last checkpoint if there is to be
   * one, and rejects `CHECKPOINT_FAILED` in the same way if that fails.
   */
  close(): Promise<void>;
}

/**
 * Opens a host. Without `nats` it is a complete standalone store. Resolves once connected (not yet caught
 * up: `await kv.ready()` before writing) and, with `checkpoint`, once what was kept is loaded. Rejects `CONNECT_FAILED`, `INVALID_ARGUMENT`.
 */
export async function open(options: OpenOptions = {}): Promise<Tidemark> {
  const settings = resolveSettings(options);
  const transport =
    options.nats === undefined
      ? undefined
      : await (await import("./transport/nats.ts")).connectNats(options.nats, settings);
  const host = createHost(settings, systemWorld(), transport, {}, systemDisk());
  await host.opened();
  return host;
}
