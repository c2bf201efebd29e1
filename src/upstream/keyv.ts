/**
 * Any store of Keyv (major 5) as an upstream: Redis, Valkey, MySQL, MongoDB, files and more. Keyv has no
 * conditional write, so what is older is found by a look before the write, and by another one after it: who
 * finds an older row in place of its own writes it again. What is left is a host that is held up between its look
 * and its write while another one looks, writes and looks: then the older stays until the key is committed again.
 * Use a driver of a database where that matters.
 */
import { checkOptions, type Duration, parseDuration } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import type { Codec } from "../loader/codec.ts";
import type { Mutation, Row, Stored, Upstream } from "../loader/upstream.ts";
import { isNetworkError, once, optionalPackage } from "./optional-package.ts";

/** What we use of a Keyv. */
export interface KeyvLike {
  getMany(keys: string[]): Promise<unknown[]>;
  setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<unknown>;
  disconnect(): Promise<void>;
  on(event: "error", listener: (error: unknown) => void): unknown;
}

export interface KeyvOptions<V = Stored> {
  /** A store adapter such as `new KeyvRedis(url)`, or a Keyv of yours with `throwOnErrors` (never closed by us). */
  store: object | KeyvLike;
  /** Prefix of its keys. Default `"tidemark"`. */
  namespace?: string;
  /** Values as objects: see `typed`. Absent: text and bytes. */
  codec?: Codec<V>;
  /** How long a deleted row is remembered against older writes. Default `"1h"`. */
  keepDeleted?: Duration;
}

/** A key that others overwrite with older values so often in a row is left for later. */
const MOST_WRITES = 8;

/** A row as Keyv holds it: plain JSON, since adapters differ in what else they take. */
interface Envelope {
  readonly tidemark: 1;
  readonly stamp: number;
  readonly origin: string;
  /** Text as it is, or bytes in base 64; neither: deleted. */
  readonly text?: string;
  readonly bytes?: string;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
}

/** A Keyv store as upstream. Rejects `MISSING_PACKAGE` on its first use without `keyv`. */
export function keyv<V = Stored>(options: KeyvOptions<V>): Upstream<V> {
  checkOptions(options, ["store", "namespace", "codec", "keepDeleted"], "keyv");
  const { store: given, namespace = "tidemark" } = options ?? {};
  if (typeof given !== "object" || given === null) {
    throw new TidemarkError("INVALID_ARGUMENT", "keyv takes store: a store adapter of Keyv 5, or a Keyv");
  }
  const keepMs = parseDuration(options.keepDeleted ?? "1h", "keepDeleted");
  // Adapters differ in whether a failed call rejects or only says so by an event and resolves to nothing,
  // which would look like an absent row, or like a commit. So an error event fails the calls under way.
  const failures = { count: 0, last: undefined as unknown };
  const failed = (error: unknown): void => {
    failures.count++;
    failures.last = error;
  };
  const opened = once(async (): Promise<KeyvLike> => {
    if (isKeyv(given)) {
      given.on("error", failed);
      return given;
    }
    const { Keyv } = await optionalPackage("keyv", "5", () => import("keyv"));
    const made = new Keyv({ store: given as never, namespace, throwOnErrors: true });
    made.on("error", failed);
    return made as KeyvLike;
  });
  const unlessFailed = async <T>(call: (store: KeyvLike) => Promise<T>): Promise<T> => {
    const store = await opened.get();
    const before = failures.count;
    const answer = await call(store);
    if (failures.count !== before) throw failures.last;
    return answer;
  };

  const read = async (keys: readonly string[]): Promise<(Envelope | Stored | undefined)[]> =>
    (await unlessFailed((store) => store.getMany([...keys]))) as (Envelope | Stored | undefined)[];

  return {
    ...(options.codec === undefined ? {} : { codec: options.codec }),
    load: async (key) => rowOf((await read([key]))[0]),
    loadMany: async (keys) => {
      const found = await read(keys);
      return new Map(keys.map((key, index) => [key, rowOf(found[index])]));
    },
    commit: async (batch) => {
      const superseded: string[] = [];
      let left = batch;
      for (let looks = 0; looks <= MOST_WRITES; looks++) {
        const there = await read(left.map(({ key }) => key));
        left = left.filter((mutation, index) => {
          const row = there[index];
          const order = isEnvelope(row) ? orderOf(row, mutation) : -1;
          if (order > 0) superseded.push(mutation.key);
          // After a write, what is gone has expired; or somebody else has removed it, who may.
          return looks === 0 ? order <= 0 : order < 0 && row !== undefined && row !== null;
        });
        if (left.length === 0) return superseded;
        const entries = left.map((mutation) => entryOf(mutation, keepMs));
        await unlessFailed((store) => store.setMany(entries));
      }
      throw new TidemarkError(
        "UPSTREAM_BUSY",
        `other hosts write "${left[0]!.key}" all the time; it is tried again`,
      );
    },
    retryable: (error) =>
      isNetworkError(error) || (error instanceof TidemarkError && error.code === "UPSTREAM_BUSY"),
    close: async () => {
      const made = await opened.made();
      if (!isKeyv(given)) await made?.disconnect();
    },
  };
}

function isKeyv(store: object): store is KeyvLike {
  return (
    ["getMany", "setMany", "disconnect", "hasMany"].every(
      (name) => typeof (store as Record<string, unknown>)[name] === "function",
    ) && "stats" in store
  );
}

function isEnvelope(row: unknown): row is Envelope {
  return typeof row === "object" && row !== null && (row as { tidemark?: unknown }).tidemark === 1;
}

/** Above 0: the row is newer; 0: it is what the mutation made. */
function orderOf(row: Envelope, mutation: Mutation): number {
  if (row.stamp !== mutation.stamp) return row.stamp - mutation.stamp;
  return row.origin === mutation.origin ? 0 : row.origin > mutation.origin ? 1 : -1;
}

/** What others have put in as text or bytes is a row as well. */
function rowOf(found: Envelope | Stored | undefined): Row | undefined {
  if (found === undefined || found === null) return undefined;
  if (typeof found === "string" || found instanceof Uint8Array) return { value: found };
  if (!isEnvelope(found)) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      "a row in this Keyv store is neither text, nor bytes, nor written by Tidemark; load it by typed(…)",
    );
  }
  const value = found.text ?? (found.bytes === undefined ? undefined : Buffer.from(found.bytes, "base64"));
  if (value === undefined) return undefined;
  if (found.expiresAt === undefined) return { value, stamp: found.stamp };
  const ttlMs = found.expiresAt - Date.now();
  return ttlMs <= 0 ? undefined : { value, stamp: found.stamp, ttlMs };
}

function entryOf(mutation: Mutation, keepMs: number): { key: string; value: Envelope; ttl?: number } {
  const { key, stamp, origin } = mutation;
  const order = { tidemark: 1, stamp, origin } as const;
  if (mutation.type === "delete") return { key, value: order, ttl: keepMs };
  const { value, expiresAt } = mutation;
  const held = typeof value === "string" ? { text: value } : { bytes: Buffer.from(value).toString("base64") };
  if (!Number.isFinite(expiresAt)) return { key, value: { ...order, ...held } };
  return { key, value: { ...order, ...held, expiresAt }, ttl: Math.max(1, expiresAt - Date.now()) };
}
