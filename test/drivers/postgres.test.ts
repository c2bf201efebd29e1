/** The PostgreSQL driver against a PostgreSQL. */
import pg from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { postgres } from "../../src/upstream/postgres.ts";
import { objects, upstreamConformance } from "../conformance/upstream.ts";
import { startPostgres } from "../support/postgres.ts";
import { missing } from "./missing.ts";

const server = await startPostgres();
if (server === undefined) missing("PostgreSQL is not installed (Debian: apt-get install postgresql)");
else afterAll(() => server[Symbol.asyncDispose]());
const connection = server?.url ?? "";
const { signal } = new AbortController();

describe.skipIf(server === undefined)("with a server", () => {
  upstreamConformance("postgres", () => ({ create: () => postgres({ connection }) }));
  upstreamConformance("postgres with a codec", () => ({
    create: () => postgres({ connection, table: "objects", codec: objects }),
  }));

  it("takes statements for a table that is there already", async () => {
    await server!.query("CREATE TABLE users (id text PRIMARY KEY, doc text)");
    await server!.query("INSERT INTO users VALUES ('u1', 'Ada')");
    const upstream = postgres({
      connection,
      statements: { load: "SELECT doc AS value FROM users WHERE id = $1" },
    });
    expect(await upstream.load("u1", { signal })).toMatchObject({ value: "Ada" });
    expect(await upstream.load("u2", { signal })).toBeUndefined();
    expect(upstream.commit).toBeUndefined();
    await upstream.close?.();
  });

  it("uses a pool of yours and leaves it open", async () => {
    const pool = new pg.Pool({ connectionString: connection, max: 1 });
    const upstream = postgres({ connection: pool });
    await upstream.load("k", { signal });
    await upstream.close?.();
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await pool.end();
  });

  it("gives up the connection of a call that is aborted, and goes on", async () => {
    const upstream = postgres({
      connection: { connectionString: connection, max: 1 },
      statements: { load: "SELECT pg_sleep($1::text::float), 'late' AS value" },
    });
    const abort = new AbortController();
    const slow = Promise.resolve(upstream.load("60", { signal: abort.signal }));
    slow.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    abort.abort(new Error("enough"));
    expect(await upstream.load("0", { signal })).toMatchObject({ value: "late" });
    await expect(slow).rejects.toThrow();
    await upstream.close?.();
  });

  it("forgets deleted and expired rows after a while", async () => {
    const upstream = postgres({ connection, table: "purged", keepDeleted: 0 });
    const order = { origin: "A", stamp: 1_000 };
    await upstream.commit!(
      [
        { type: "put", key: "a", value: "1", expiresAt: Number.POSITIVE_INFINITY, ...order },
        { type: "put", key: "b", value: "1", expiresAt: Date.now() - 1, ...order },
        { type: "delete", key: "c", ...order },
      ],
      { signal },
    );
    expect(await server!.query("SELECT key FROM purged")).toEqual([{ key: "a" }]);
    await upstream.close?.();
  });

  it("calls a server that is away retryable, and a wrong statement not", async () => {
    const away = postgres({ connection: "postgres://tidemark@127.0.0.1:1/postgres" });
    const refusal = await Promise.resolve(away.load("k", { signal })).catch((error: unknown) => error);
    expect(away.retryable!(refusal)).toBe(true);
    const wrong = postgres({ connection, statements: { load: "SELECT nothing FROM nowhere WHERE $1 = ''" } });
    const error = await Promise.resolve(wrong.load("k", { signal })).catch((thrown: unknown) => thrown);
    expect(wrong.retryable!(error)).toBe(false);
    await Promise.all([away.close?.(), wrong.close?.()]);
  });
});
