/**
 * A NATS KV bucket as an upstream. Stamp, origin and expiry travel in the headers of a row, and a row is only
 * written if it is still the one that was looked at. (Servers of a cluster have been seen to accept such writes
 * though another came first; the stamps of what is there are looked at again by the next commit of the key.)
 */
import {
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  type StoredMsg,
} from "nats";
import { checkOptions } from "../arguments.ts";
import { bytesOf, type Codec } from "../loader/codec.ts";
import { type Mutation, microsToStamp, type Row, type Stored, type Upstream } from "../loader/upstream.ts";
import { keyToToken } from "./kv-keys.ts";
import { checkedBucket, connectionOf, isConnection } from "./nats-bucket.ts";
import type { NatsConnectionOption } from "./nats-connection.ts";
import { once, orClosed } from "./optional-package.ts";

export { type Mirror, type MirrorOptions, mirror } from "./mirror.ts";

export interface JetStreamKvOptions<V = Stored> {
  /** A server URL, options of `nats.connect`, or a connection of `nats` 2 (never closed by us). */
  connection: NatsConnectionOption;
  /** Made if it is not there. */
  bucket: string;
  /** Values as objects: see `typed`. Absent: text and bytes. */
  codec?: Codec<V>;
}

const STAMP = "Tidemark-Stamp";
const ORIGIN = "Tidemark-Origin";
const EXPIRES = "Tidemark-Expires";
const OPERATION = "KV-Operation";
/** Another writer may come between look and write so often in a row before it counts as a failure. */
const MOST_TRIES = 8;
const WRONG_LAST_SEQUENCE = 10_071;
const NO_MESSAGE_FOUND = 10_037;
/** Loads and writes of one call under way at a time. */
const AT_A_TIME = 64;

interface Opened {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
}

/** A KV bucket as upstream. */
export function jetstreamKv<V = Stored>(options: JetStreamKvOptions<V>): Upstream<V> {
  checkOptions(options, ["connection", "bucket", "codec"], "jetstreamKv");
  const bucket = checkedBucket(options?.bucket);
  const stream = `KV_${bucket}`;
  const opened = once(async (): Promise<Opened> => {
    const connection = await connectionOf(options.connection);
    const jetstream = connection.jetstream();
    const ready = jetstream.views.kv(bucket).then(() => connection.jetstreamManager());
    const manager = await orClosed(ready, () =>
      isConnection(options.connection) ? undefined : connection.close(),
    );
    return { connection, jetstream, manager };
  });

  const last = async (key: string): Promise<StoredMsg | undefined> => {
    try {
      const { manager } = await opened.get();
      return await manager.streams.getMessage(stream, { last_by_subj: subjectOf(bucket, key) });
    } catch (error) {
      if (apiCode(error) === NO_MESSAGE_FOUND) return undefined;
      throw error;
    }
  };

  /** False if what is there is newer. */
  const commitOne = async (mutation: Mutation): Promise<boolean> => {
    const { jetstream } = await opened.get();
    for (let attempt = 1; ; attempt++) {
      const found = await last(mutation.key);
      if (found !== undefined && isNewer(found, mutation)) return false;
      try {
        await jetstream.publish(subjectOf(bucket, mutation.key), payloadOf(mutation), {
          headers: headersOf(mutation),
          expect: { lastSubjectSequence: found?.seq ?? 0 },
        });
        return true;
      } catch (error) {
        if (apiCode(error) !== WRONG_LAST_SEQUENCE || attempt === MOST_TRIES) throw error;
      }
    }
  };

  return {
    ...(options.codec === undefined ? {} : { codec: options.codec }),
    load: async (key) => rowOf(await last(key)),
    loadMany: async (keys) => {
      const rows = new Map<string, Row>();
      await inTurns(keys, async (key) => {
        const row = rowOf(await last(key));
        if (row !== undefined) rows.set(key, row);
      });
      return rows;
    },
    commit: async (batch) => {
      const superseded: string[] = [];
      await inTurns(batch, async (mutation) => {
        if (!(await commitOne(mutation))) superseded.push(mutation.key);
      });
      return superseded;
    },
    retryable: isRetryable,
    close: async () => {
      const made = await opened.made();
      if (!isConnection(options.connection)) await made?.connection.close();
    },
  };
}

function subjectOf(bucket: string, key: string): string {
  return `$KV.${bucket}.${keyToToken(key)}`;
}

/** Rows that others put in are as old as their message. */
function stampOf(found: StoredMsg): number {
  const stamp = Number(found.header?.get(STAMP));
  return stamp > 0 ? stamp : microsToStamp(found.time.getTime() * 1_000);
}

function isNewer(found: StoredMsg, mutation: Mutation): boolean {
  const stamp = stampOf(found);
  if (stamp !== mutation.stamp) return stamp > mutation.stamp;
  return (found.header?.get(ORIGIN) ?? "") > mutation.origin;
}

function rowOf(found: StoredMsg | undefined): Row | undefined {
  const operation = found?.header?.get(OPERATION);
  if (found === undefined || operation === "DEL" || operation === "PURGE") return undefined;
  const row = { value: found.data, stamp: stampOf(found) };
  const expires = found.header?.get(EXPIRES);
  if (!expires) return row;
  const ttlMs = Number(expires) - Date.now();
  return ttlMs <= 0 ? undefined : { ...row, ttlMs };
}

function payloadOf(mutation: Mutation): Uint8Array {
  return mutation.type === "put" ? bytesOf(mutation.value) : new Uint8Array();
}

function headersOf(mutation: Mutation) {
  const made = headers();
  made.set(STAMP, String(mutation.stamp));
  made.set(ORIGIN, mutation.origin);
  if (mutation.type === "delete") made.set(OPERATION, "DEL");
  else if (Number.isFinite(mutation.expiresAt)) made.set(EXPIRES, String(mutation.expiresAt));
  return made;
}

function apiCode(error: unknown): number | undefined {
  return (error as { api_error?: { err_code?: number } } | null)?.api_error?.err_code;
}

function isRetryable(error: unknown): boolean {
  if (apiCode(error) === WRONG_LAST_SEQUENCE) return true;
  const { code } = (error ?? {}) as { code?: unknown };
  return ["TIMEOUT", "503", "DISCONNECT", "CONNECTION_REFUSED", "CONNECTION_CLOSED"].includes(String(code));
}

/** Does something with all items, so many at a time. Rejects with the first failure, once all have ended. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  const workers = Array.from({ length: Math.min(AT_A_TIME, items.length) }, worker);
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
