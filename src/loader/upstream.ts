/**
 * The contract between a host and the database behind it. A row is one key and its value in the form the
 * store holds, text or bytes; a codec makes typed values of it (`codec.ts`). What is not there is
 * `undefined`, never an error.
 *
 * Every row carries the stamp and the origin of the write it comes from, and a commit must not replace a
 * row by an older one: two hosts may think themselves in charge of a key for a while, and then only the
 * order of the stamps, ties broken by the origins, decides.
 */
import { TidemarkError } from "../errors.ts";
import type { Codec } from "./codec.ts";

/** A value as the store and an upstream hold it. */
export type Stored = string | Uint8Array;

/** What an upstream knows of a row besides its value. */
export interface Row {
  readonly value: Stored;
  /** Milliseconds it has left; absent: as long as the loader's `ttl` says. */
  readonly ttlMs?: number;
  /** Stamp of the write it comes from, so that the next write of this host gets a greater one. */
  readonly stamp?: number;
}

/** Names a write: rows are only written over ones of a smaller `(stamp, origin)`. */
export interface WriteOrder {
  /** Hybrid logical clock: milliseconds since 2020 times 4,096 plus a counter; `stampToMicros` converts. */
  readonly stamp: number;
  /** Incarnation of the host that wrote; compared as text where stamps are equal. */
  readonly origin: string;
}

/** One key of a batch: its newest value, or that it is to be deleted. */
export type Mutation = WriteOrder & { readonly key: string } & (
    | {
        readonly type: "put";
        readonly value: Stored;
        /** Milliseconds since 1970 at which it expires; `Infinity` for never. */
        readonly expiresAt: number;
      }
    | { readonly type: "delete" }
  );

export interface CallOptions {
  /** Aborted when nobody waits any more, or the hard time-out is reached. */
  readonly signal: AbortSignal;
}

type Eventually<T> = T | PromiseLike<T>;

/** A database behind the store. `V` is what `codec` makes of a row for callers; without one, the row itself. */
export interface Upstream<V = Stored> {
  /** The row of a key; `undefined` if there is none. Rejects when the answer cannot be had. */
  load(key: string, options: CallOptions): Eventually<Stored | Row | undefined>;
  /** Several at once; keys without a row are left out. Without it, each key is loaded by itself. */
  loadMany?(
    keys: readonly string[],
    options: CallOptions,
  ): Eventually<ReadonlyMap<string, Stored | Row | undefined>>;
  /**
   * Writes a batch of different keys, each only over an older row. Resolves once all of it is durable, to
   * the keys whose row was newer and so stayed; rejects if any of it may be missing, and is then tried again.
   * Absent: the upstream is read only.
   */
  commit?(batch: readonly Mutation[], options: CallOptions): Eventually<readonly string[] | void>;
  /** Whether trying the same again may help. Default: an error with `retryable: true`. */
  retryable?(error: unknown): boolean;
  /** Frees what it holds. Called once, after the last commit. */
  close?(): Eventually<void>;
  /** How callers of `getOrLoad` and `update` see rows. Absent: as text, or bytes where they are no text. */
  readonly codec?: Codec<V>;
}

/** The simplest upstream: answers a key with its row, or nothing. */
export type LoadFunction = Upstream["load"];

/** An upstream as given, functions included. Throws `INVALID_ARGUMENT`. */
export function toUpstream(given: Upstream<unknown> | LoadFunction): Upstream<unknown> {
  if (typeof given === "function") return { load: given };
  if (typeof given === "object" && given !== null && typeof given.load === "function") return given;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    "upstream takes a function from a key to its value, or an object with load(key, { signal })",
  );
}

/** A row as an upstream answered it, checked. Throws `INVALID_ARGUMENT` for a value that is neither text nor bytes. */
export function toRow(key: string, answered: Stored | Row | undefined | null): Row | undefined {
  if (answered === undefined || answered === null) return undefined;
  if (isStored(answered)) return { value: answered };
  if (typeof answered === "object" && isStored(answered.value)) return answered;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `the upstream's answer for "${key}" is neither text nor bytes: wrap it by typed(…) for other values`,
  );
}

const EPOCH_MS = Date.UTC(2020, 0, 1);
const STAMPS_PER_MS = 4096;

/** A stamp as microseconds since 1970, the unit of other databases; updates of one key are apart in it. */
export function stampToMicros(stamp: number): number {
  const ms = Math.floor(stamp / STAMPS_PER_MS);
  return (ms + EPOCH_MS) * 1_000 + Math.floor(((stamp % STAMPS_PER_MS) * 1_000) / STAMPS_PER_MS);
}

/** The least stamp of a moment in microseconds since 1970. */
export function microsToStamp(micros: number): number {
  const ms = Math.floor(micros / 1_000);
  return (ms - EPOCH_MS) * STAMPS_PER_MS + Math.ceil(((micros % 1_000) * STAMPS_PER_MS) / 1_000);
}

function isStored(value: unknown): value is Stored {
  return typeof value === "string" || value instanceof Uint8Array;
}
