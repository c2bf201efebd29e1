/**
 * SQLite as an upstream: a file and nothing to run, the embedded default. `node:sqlite` where Node has it,
 * else the package `better-sqlite3`. One table; a deleted row stays for a while with its stamp, so that an
 * older write that comes late does not bring it back.
 */
import { createRequire } from "node:module";
import { checkOptions, type Duration, parseDuration } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import type { Codec } from "../loader/codec.ts";
import type { Mutation, Row, Stored, Upstream } from "../loader/upstream.ts";
import { checkedName, once } from "./optional-package.ts";
import { purgeBefore, rowOf, type TableRow } from "./table-row.ts";

export interface SqliteOptions<V = Stored> {
  /** The file, made if it is not there; `":memory:"` for none. */
  file: string;
  /** Made if it is not there. Default `"tidemark"`. */
  table?: string;
  /** Values as objects: see `typed`. Absent: text and bytes. */
  codec?: Codec<V>;
  /** How long a deleted row is remembered against older writes. Default `"1h"`. */
  keepDeleted?: Duration;
  /** How long a call waits for another process that has the file locked. Default `"5s"`. */
  busyTimeout?: Duration;
}

/** The members of both packages that we use; both are synchronous. */
interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): void;
}
interface Statement {
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
  run(...values: unknown[]): { changes: number | bigint };
}

/** The largest batch of one `loadMany`: SQLite's old limit of parameters. */
const MOST_KEYS = 500;

/** An SQLite file as upstream. Rejects `MISSING_PACKAGE` on its first use where neither package is there. */
export function sqlite<V = Stored>(options: SqliteOptions<V>): Upstream<V> {
  checkOptions(options, ["file", "table", "codec", "keepDeleted", "busyTimeout"], "sqlite");
  if (typeof options?.file !== "string") {
    throw new TidemarkError("INVALID_ARGUMENT", 'sqlite takes file: a path, or ":memory:"');
  }
  const table = checkedName(options.table ?? "tidemark", "table");
  const keepMs = parseDuration(options.keepDeleted ?? "1h", "keepDeleted");
  const busyMs = parseDuration(options.busyTimeout ?? "5s", "busyTimeout");
  const opened = once(async () => prepared(openDatabase(options.file), table, busyMs));
  let purgeAt = 0;

  const commit = (db: Prepared, batch: readonly Mutation[]): string[] => {
    const superseded: string[] = [];
    db.database.exec("BEGIN IMMEDIATE");
    try {
      for (const mutation of batch) {
        const put = mutation.type === "put";
        const value = put ? mutation.value : null;
        const expiresAt = put && Number.isFinite(mutation.expiresAt) ? mutation.expiresAt : null;
        const { changes } = db.write.run(mutation.key, value, expiresAt, mutation.stamp, mutation.origin);
        if (Number(changes) === 0) superseded.push(mutation.key);
      }
      if (Date.now() >= purgeAt) {
        purgeAt = Date.now() + keepMs / 4;
        db.purge.run(purgeBefore(keepMs), Date.now() - keepMs);
      }
      db.database.exec("COMMIT");
    } catch (error) {
      db.database.exec("ROLLBACK");
      throw error;
    }
    return superseded;
  };

  return {
    ...(options.codec === undefined ? {} : { codec: options.codec }),
    load: async (key) => rowOf((await opened.get()).load.get(key) as TableRow | undefined),
    loadMany: async (keys) => {
      const { database } = await opened.get();
      const rows = new Map<string, Row>();
      for (let i = 0; i < keys.length; i += MOST_KEYS) {
        const some = keys.slice(i, i + MOST_KEYS);
        const marks = some.map(() => "?").join(",");
        const sql = `SELECT key, value, expires_at, stamp FROM ${table} WHERE key IN (${marks})`;
        for (const found of database.prepare(sql).all(...some) as TableRow[]) {
          const row = rowOf(found);
          if (row !== undefined) rows.set(found.key, row);
        }
      }
      return rows;
    },
    commit: async (batch) => commit(await opened.get(), batch),
    retryable: (error) => /SQLITE_BUSY|database is locked/.test(String(error)),
    close: async () => (await opened.made())?.database.close(),
  };
}

interface Prepared {
  readonly database: Database;
  readonly load: Statement;
  readonly write: Statement;
  readonly purge: Statement;
}

function prepared(database: Database, table: string, busyMs: number): Prepared {
  try {
    return statements(database, table, busyMs);
  } catch (error) {
    database.close();
    throw error;
  }
}

function statements(database: Database, table: string, busyMs: number): Prepared {
  database.exec(`PRAGMA busy_timeout = ${busyMs}`);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${table} (key TEXT PRIMARY KEY, value BLOB, expires_at INTEGER,
       stamp INTEGER NOT NULL, origin TEXT NOT NULL) WITHOUT ROWID`,
  );
  const index = `${table.replaceAll(".", "_")}_gone`;
  database.exec(
    `CREATE INDEX IF NOT EXISTS ${index} ON ${table} (stamp) WHERE value IS NULL OR expires_at IS NOT NULL`,
  );
  return {
    database,
    load: database.prepare(`SELECT key, value, expires_at, stamp FROM ${table} WHERE key = ?`),
    write: database.prepare(
      `INSERT INTO ${table} (key, value, expires_at, stamp, origin) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at,
           stamp = excluded.stamp, origin = excluded.origin
         WHERE (stamp, origin) <= (excluded.stamp, excluded.origin)`,
    ),
    purge: database.prepare(
      `DELETE FROM ${table} WHERE (value IS NULL OR expires_at IS NOT NULL) AND stamp < ?
         AND (value IS NULL OR expires_at < ?)`,
    ),
  };
}

function openDatabase(file: string): Database {
  const require = createRequire(import.meta.url);
  try {
    const { DatabaseSync } = require("node:sqlite") as { DatabaseSync: new (file: string) => Database };
    return new DatabaseSync(file);
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_UNKNOWN_BUILTIN_MODULE") throw error;
  }
  try {
    const BetterSqlite = require("better-sqlite3") as new (file: string) => Database;
    return new BetterSqlite(file);
  } catch (cause) {
    if ((cause as { code?: string }).code !== "MODULE_NOT_FOUND") throw cause;
    throw new TidemarkError(
      "MISSING_PACKAGE",
      `Node ${process.version} has no node:sqlite: use Node 22.13 or newer, or npm install better-sqlite3@12`,
      { cause },
    );
  }
}
