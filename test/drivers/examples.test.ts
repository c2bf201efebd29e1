/** The examples with a database or a bucket, as a user would run them. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { natsServerForTests } from "../integration/support/nats.ts";
import { startPostgres } from "../support/postgres.ts";
import { missing } from "./missing.ts";

const run = promisify(execFile);
const cwd = fileURLToPath(new URL("../../", import.meta.url));
const nats = await natsServerForTests({ jetstream: true });
const database = await startPostgres();
if (database === undefined) missing("PostgreSQL is not installed (Debian: apt-get install postgresql)");
else afterAll(() => database[Symbol.asyncDispose]());
const env = { ...process.env, POSTGRES_URL: database?.url, NATS_URL: nats?.url };

describe.skipIf(database === undefined)("with PostgreSQL", () => {
  it("counts visits in memory and commits them behind", async () => {
    const { stdout } = await run(process.execPath, ["--import", "tsx", "examples/write-behind.ts"], {
      cwd,
      env,
    });
    expect(stdout.trim().split("\n")).toEqual(["in memory: 500 500", "in the database: 500 500"]);
  });

  it.skipIf(nats === undefined)("serves users over HTTP, each read once", async () => {
    await database!.query("CREATE TABLE users (id text PRIMARY KEY, doc jsonb)");
    await database!.query(`INSERT INTO users VALUES ('ada', '{"name": "Ada"}')`);
    const server = spawn(process.execPath, ["--import", "tsx", "examples/read-through.ts"], {
      cwd,
      env: { ...env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [line] = (await once(server.stdout!, "data")) as [Buffer];
      const url = /http:\S+\//.exec(line.toString())![0];
      expect(await (await fetch(`${url}ada`)).json()).toEqual({ name: "Ada" });
      await database!.query("DROP TABLE users");
      expect(await (await fetch(`${url}ada`)).json()).toEqual({ name: "Ada" });
      expect((await fetch(`${url}grace`)).status).toBe(503);
      server.kill("SIGTERM");
      const [code] = await once(server, "exit");
      expect(code).toBe(0);
    } finally {
      server.kill("SIGKILL");
    }
  });
});

describe.skipIf(nats === undefined)("with a bucket", () => {
  it("mirrors it into memory", async () => {
    const { stdout } = await run(process.execPath, ["--import", "tsx", "examples/mirror.ts"], { cwd, env });
    expect(stdout.trim().split("\n")).toEqual(["theme: dark", "theme: light"]);
  });
});
