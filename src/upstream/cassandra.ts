/**
 * Cassandra (and ScyllaDB) as an upstream, by the package `cassandra-driver`. A row is a key and a value; its
 * write time is the stamp of its write in microseconds, so the database itself keeps the newest, whoever
 * commits, and keeps a deletion against older writes. Equal microseconds are only possible for truly concurrent
 * updates of two hosts; then Cassandra keeps the greater value.
 */
import { checkOptions } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import { bytesOf, type Codec, cbor } from "../loader/codec.ts";
import { type Mutation, microsToStamp, type Row, stampToMicros, type Upstream } from "../loader/upstream.ts";
import { checkedName, isNetworkError, once, optionalPackage, orClosed } from "./optional-package.ts";

/** What we use of a `cassandra.Client`. */
export interface CassandraClient {
  connect(): Promise<void>;
  execute(query: string, params: unknown[], options: object): Promise<{ rows: unknown[] }>;
  shutdown(): Promise<void>;
}

export interface CassandraOptions<V = unknown> {
  /** Options of `cassandra.Client` (`contactPoints`, `localDataCenter`, `credentials`, …), or a client of yours (never closed by us). */
  connection: object | CassandraClient;
  /** Has to be there. */
  keyspace: string;
  /** `(key text PRIMARY KEY, value blob)`, made if it is not there. Default `"tidemark"`. */
  table?: string;
  /** How values are stored. Default: CBOR. `null`: as they are, text and bytes. */
  codec?: Codec<V> | null;
  /** As the driver's `types.consistencies`; default `localQuorum`. */
  consistency?: Consistency;
}

export type Consistency =
  | "one"
  | "two"
  | "three"
  | "quorum"
  | "all"
  | "localQuorum"
  | "eachQuorum"
  | "localOne";

/** Statements of one batch under way at a time. */
const AT_A_TIME = 64;

/** A Cassandra table as upstream. Rejects `MISSING_PACKAGE` on its first use without `cassandra-driver`. */
export function cassandra<V = unknown>(options: CassandraOptions<V>): Upstream<V> {
  checkOptions(options, ["connection", "keyspace", "table", "codec", "consistency"], "cassandra");
  if (typeof options?.connection !== "object" || options.connection === null) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      "cassandra takes connection: { contactPoints, localDataCenter }, or a client",
    );
  }
  const keyspace = checkedName(options.keyspace, "keyspace");
  const table = `${keyspace}.${checkedName(options.table ?? "tidemark", "table")}`;
  const given = options.connection;
  const opened = once(async () => {
    const { default: driver } = await optionalPackage(
      "cassandra-driver",
      "4",
      () => import("cassandra-driver"),
    );
    const client: CassandraClient = isClient(given) ? given : new driver.Client(given as never);
    const consistency = driver.types.consistencies[options.consistency ?? "localQuorum"];
    const schema = `CREATE TABLE IF NOT EXISTS ${table} (key text PRIMARY KEY, value blob)`;
    const ready = client.connect().then(() => client.execute(schema, [], {}));
    await orClosed(ready, () => (isClient(given) ? undefined : client.shutdown()));
    // Prepared statements know their partition key, so the driver goes straight to a replica. What carries its
    // own time may be sent again.
    const execute = (text: string, params: unknown[]) =>
      client.execute(text, params, { prepare: true, consistency, isIdempotent: true });
    return { client, execute, long: (value: number) => driver.types.Long.fromNumber(value) };
  });

  const loadOne = async (key: string): Promise<Row | undefined> => {
    const { execute } = await opened.get();
    const { rows } = await execute(
      `SELECT value, TTL(value) AS ttl, WRITETIME(value) AS written FROM ${table} WHERE key = ?`,
      [key],
    );
    const found = rows[0] as { value: Buffer | null; ttl: number | null; written: unknown } | undefined;
    if (found === undefined || found.value === null) return undefined;
    const row = { value: new Uint8Array(found.value), stamp: microsToStamp(Number(found.written)) };
    return found.ttl === null ? row : { ...row, ttlMs: found.ttl * 1_000 };
  };

  const commitOne = async (mutation: Mutation): Promise<void> => {
    const { execute, long } = await opened.get();
    const at = long(stampToMicros(mutation.stamp));
    if (mutation.type === "delete") {
      await execute(`DELETE FROM ${table} USING TIMESTAMP ? WHERE key = ?`, [at, mutation.key]);
      return;
    }
    const ttl = Number.isFinite(mutation.expiresAt) ? secondsLeft(mutation.expiresAt) : 0;
    await execute(`INSERT INTO ${table} (key, value) VALUES (?, ?) USING TIMESTAMP ? AND TTL ?`, [
      mutation.key,
      Buffer.from(bytesOf(mutation.value)),
      at,
      ttl,
    ]);
  };

  const codec = options.codec === undefined ? cbor<V>() : options.codec;
  return {
    ...(codec === null ? {} : { codec }),
    load: loadOne,
    loadMany: async (keys) => {
      const rows = new Map<string, Row>();
      await each(keys, async (key) => {
        const row = await loadOne(key);
        if (row !== undefined) rows.set(key, row);
      });
      return rows;
    },
    // Not as a batch: one over many partitions burdens its coordinator, and one statement each goes to its replicas.
    commit: (batch) => each(batch, commitOne),
    retryable: isRetryable,
    close: async () => {
      const made = await opened.made();
      if (!isClient(given)) await made?.client.shutdown();
    },
  };
}

/** Whole seconds, at least one: 0 would mean for ever. */
function secondsLeft(expiresAt: number): number {
  return Math.max(1, Math.ceil((expiresAt - Date.now()) / 1_000));
}

function isClient(connection: object): connection is CassandraClient {
  return typeof (connection as { execute?: unknown }).execute === "function";
}

/** Does something with all items, so many at a time. Rejects with the first failure, once all have ended. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      await work(items[next++]!).catch((error: unknown) => {
        failure ??= { error };
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
}

function isRetryable(error: unknown): boolean {
  if (isNetworkError(error)) return true;
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  if (name === "NoHostAvailableError" || name === "OperationTimedOutError" || name === "BusyConnectionError")
    return true;
  // Of its answers: unavailable, overloaded, bootstrapping, write time-out, read time-out.
  return typeof code === "number" && [0x1000, 0x1001, 0x1002, 0x1100, 0x1200].includes(code);
}
