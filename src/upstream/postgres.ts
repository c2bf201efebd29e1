/**
 * PostgreSQL as an upstream, by the package `pg`: one table of our making, or statements of yours. A batch is
 * one statement and one round trip; a row is only written over an older one, in the statement itself.
 */
import { checkOptions, type Duration, parseDuration } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import { bytesOf, type Codec } from "../loader/codec.ts";
import type { Mutation, Row, Stored, Upstream } from "../loader/upstream.ts";
import { checkedName, isNetworkError, once, optionalPackage, orClosed } from "./optional-package.ts";
import { purgeBefore, rowOf, type TableRow } from "./table-row.ts";

/** What we use of a `pg.Pool`. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
}
export interface PostgresClient {
  query(query: { name?: string; text: string; values: unknown[] }): Promise<{ rows: unknown[] }>;
  release(destroy?: boolean | Error): void;
}

/** Statements of yours, for a table that is there already. */
export interface PostgresStatements {
  /** From `$1`, the key, to at most one row with a column `value` (text or bytea), and if you like `expires_at` (ms since 1970) and `stamp`. */
  load: string;
  /** From `$1`, an array of keys, to rows with `key` and the same columns. */
  loadMany?: string;
  /**
   * Writes a batch, given as arrays of equal length: `$1` keys, `$2` values (bytea, null deletes), `$3`
   * expiries in milliseconds since 1970 (null for never), `$4` stamps (bigint), `$5` origins. Must return the
   * `key` of each row it wrote, and leave rows of a greater `(stamp, origin)` alone. Absent: read only.
   */
  commit?: string;
}

export interface PostgresOptions<V = Stored> {
  /** A URL, a configuration of `pg.Pool`, or a pool of yours (never closed by us). */
  connection: string | object | PostgresPool;
  /** Made if it is not there. Default `"tidemark"`. */
  table?: string;
  /** In place of the table. */
  statements?: PostgresStatements;
  /** Values as objects: see `typed`. Absent: text and bytes. */
  codec?: Codec<V>;
  /** How long a deleted row is remembered against older writes. Default `"1h"`. */
  keepDeleted?: Duration;
}

/** A PostgreSQL table as upstream. Rejects `MISSING_PACKAGE` on its first use without `pg`. */
export function postgres<V = Stored>(options: PostgresOptions<V>): Upstream<V> {
  checkOptions(options, ["connection", "table", "statements", "codec", "keepDeleted"], "postgres");
  if (options?.connection === undefined) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      'postgres takes connection: a URL such as "postgres://…", or a pool',
    );
  }
  const table = checkedName(options.table ?? "tidemark", "table");
  const keepMs = parseDuration(options.keepDeleted ?? "1h", "keepDeleted");
  const statements = options.statements ?? statementsFor(table);
  const own = !isPool(options.connection);
  const opened = once(async () => {
    const pool = isPool(options.connection) ? options.connection : await newPool(options.connection);
    if (options.statements === undefined)
      await orClosed(createTable(pool, table), () => (own ? pool.end() : undefined));
    return pool;
  });
  let purgeAt = 0;

  const run = async (text: string, values: unknown[], signal: AbortSignal): Promise<TableRow[]> =>
    (await query(await opened.get(), text, values, signal)) as TableRow[];

  const upstream: { -readonly [K in keyof Upstream<V>]: Upstream<V>[K] } = {
    load: async (key, { signal }) => rowOf(normal((await run(statements.load, [key], signal))[0])),
    retryable: isRetryable,
    close: async () => {
      const pool = await opened.made();
      if (own) await pool?.end();
    },
  };
  if (options.codec !== undefined) upstream.codec = options.codec;
  if (statements.loadMany !== undefined) {
    upstream.loadMany = async (keys, { signal }) => {
      const rows = new Map<string, Row>();
      for (const found of await run(statements.loadMany!, [keys], signal)) {
        const row = rowOf(normal(found));
        if (row !== undefined) rows.set(found.key, row);
      }
      return rows;
    };
  }
  if (statements.commit !== undefined) {
    upstream.commit = async (batch, { signal }) => {
      const written = new Set(
        (await run(statements.commit!, columnsOf(batch), signal)).map(({ key }) => key),
      );
      if (options.statements === undefined && Date.now() >= purgeAt) {
        purgeAt = Date.now() + keepMs / 4;
        await run(purgeStatement(table), [purgeBefore(keepMs), Date.now() - keepMs], signal);
      }
      return batch.flatMap(({ key }) => (written.has(key) ? [] : [key]));
    };
  }
  return upstream;
}

async function newPool(config: string | object): Promise<PostgresPool> {
  const { default: pg } = await optionalPackage("pg", "8", () => import("pg"));
  const pool: PostgresPool = new pg.Pool(typeof config === "string" ? { connectionString: config } : config);
  // A connection that breaks while idle is replaced by the pool; who needs one next learns of what is wrong.
  pool.on("error", () => undefined);
  return pool;
}

function isPool(connection: PostgresOptions["connection"]): connection is PostgresPool {
  return (
    typeof connection === "object" && typeof (connection as { connect?: unknown }).connect === "function"
  );
}

/** One statement on a connection of its own. A call that is given up takes its connection with it, which ends it there too. */
async function query(
  pool: PostgresPool,
  text: string,
  values: unknown[],
  signal: AbortSignal,
): Promise<unknown[]> {
  const client = await pool.connect();
  let released = false;
  const release = (destroy: boolean): void => {
    if (released) return;
    released = true;
    client.release(destroy);
  };
  const abort = (): void => release(true);
  try {
    signal.throwIfAborted();
    signal.addEventListener("abort", abort, { once: true });
    const { rows } = await client.query({ text, values });
    return rows;
  } finally {
    signal.removeEventListener("abort", abort);
    release(false);
  }
}

async function createTable(pool: PostgresPool, table: string): Promise<void> {
  const index = `${table.replaceAll(".", "_")}_gone`;
  const client = await pool.connect();
  try {
    // Hosts that start together would otherwise trip over each other: IF NOT EXISTS is no lock.
    await client.query({
      text: `DO $$ BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('tidemark ${table}'));
        CREATE TABLE IF NOT EXISTS ${table} (key text PRIMARY KEY, value bytea, expires_at bigint,
          stamp bigint NOT NULL, origin text COLLATE "C" NOT NULL);
        CREATE INDEX IF NOT EXISTS ${index} ON ${table} (stamp) WHERE value IS NULL OR expires_at IS NOT NULL;
      END $$`,
      values: [],
    });
  } finally {
    client.release();
  }
}

function statementsFor(table: string): PostgresStatements {
  const columns = "key, value, expires_at, stamp";
  return {
    load: `SELECT ${columns} FROM ${table} WHERE key = $1`,
    loadMany: `SELECT ${columns} FROM ${table} WHERE key = ANY($1::text[])`,
    commit: `INSERT INTO ${table} AS t (key, value, expires_at, stamp, origin)
      SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::text[])
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at,
        stamp = excluded.stamp, origin = excluded.origin
      WHERE (t.stamp, t.origin) <= (excluded.stamp, excluded.origin)
      RETURNING key`,
  };
}

function purgeStatement(table: string): string {
  return `DELETE FROM ${table} WHERE (value IS NULL OR expires_at IS NOT NULL) AND stamp < $1
    AND (value IS NULL OR expires_at < $2)`;
}

/** A batch as columns. In one order everywhere, so that two hosts do not lock each other's rows in turn. */
function columnsOf(batch: readonly Mutation[]): unknown[] {
  const sorted = [...batch].sort((a, b) => (a.key < b.key ? -1 : 1));
  return [
    sorted.map(({ key }) => key),
    sorted.map((each) => (each.type === "put" ? Buffer.from(bytesOf(each.value)) : null)),
    sorted.map((each) => (each.type === "put" && Number.isFinite(each.expiresAt) ? each.expiresAt : null)),
    sorted.map(({ stamp }) => stamp),
    sorted.map(({ origin }) => origin),
  ];
}

/** A row of statements that leave columns out. */
function normal(found: Partial<TableRow> | undefined): TableRow | undefined {
  if (found === undefined) return undefined;
  return { key: "", value: null, expires_at: null, stamp: 0, ...found };
}

function isRetryable(error: unknown): boolean {
  if (isNetworkError(error)) return true;
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  // Connection exceptions, serialization failures and deadlocks, lack of resources, shutdowns and restarts.
  if (/^(08...|40001|40P01|53...|55P03|57P0[1-5])$/.test(code)) return true;
  return (
    error instanceof Error &&
    /Connection terminated|timeout exceeded when trying to connect/.test(error.message)
  );
}
