/** A PostgreSQL of a test's own, from Debian's package or wherever its programs are; as the user postgres if we are root. */
import { execFile } from "node:child_process";
import { access, chown } from "node:fs/promises";
import { promisify } from "node:util";
import pg from "pg";
import { freePort } from "../../src/nats-server/ready.ts";
import { guardedFolder, startServer, type TestServer } from "./process.ts";

const run = promisify(execFile);

export interface Postgres extends TestServer {
  readonly url: string;
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** Where its programs are; `undefined` if it is not installed. */
async function programs(): Promise<string | undefined> {
  const folders = ["17", "16", "15", "14", "13"].map((version) => `/usr/lib/postgresql/${version}/bin`);
  for (const folder of folders) {
    try {
      await access(`${folder}/initdb`);
      return folder;
    } catch {
      // Another version may be there.
    }
  }
  return undefined;
}

/** Starts one; `undefined` where it is not installed. */
export async function startPostgres(): Promise<Postgres | undefined> {
  const folder = await programs();
  if (folder === undefined) return undefined;
  const { directory, guard } = await guardedFolder("postgres");
  // It refuses to run as root.
  const ids = process.getuid?.() === 0 ? await idsOf("postgres") : {};
  if (ids.uid !== undefined) await chown(directory, ids.uid, ids.gid!);
  const data = `${directory}/data`;
  await run(`${folder}/initdb`, ["-D", data, "-U", "tidemark", "-A", "trust", "-E", "UTF8", "--no-sync"], {
    cwd: directory,
    ...ids,
  });
  const port = await freePort();
  const url = `postgres://tidemark@127.0.0.1:${port}/postgres`;
  const settings = { port, listen_addresses: "127.0.0.1", unix_socket_directories: "", fsync: "off" };
  const server = await startServer({
    command: `${folder}/postgres`,
    args: ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    port,
    directory,
    guard,
    limitMs: 20_000,
    spawn: ids,
    answers: async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.end();
      return true;
    },
  });
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  // When the server goes first, idle connections say so.
  pool.on("error", () => undefined);
  return {
    ...server,
    url,
    query: async (text, values) => (await pool.query(text, values)).rows,
    [Symbol.asyncDispose]: async () => {
      await pool.end();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function idsOf(user: string): Promise<{ uid?: number; gid?: number }> {
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) => Number((await run("id", [flag, user])).stdout)),
  );
  return { uid: uid!, gid: gid! };
}
