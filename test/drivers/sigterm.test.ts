/** A process with a database behind it is told to end: what waits for its commit is committed, or named. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { startPostgres } from "../support/postgres.ts";
import { missing } from "./missing.ts";

const ROLE = fileURLToPath(new URL("roles/ended.ts", import.meta.url));
const KEYS = Array.from({ length: 20 }, (_, i) => `key ${i}`);

const database = await startPostgres();
if (database === undefined) missing("PostgreSQL is not installed (Debian: apt-get install postgresql)");
else afterAll(() => database[Symbol.asyncDispose]());

/** Starts the process, ends it by SIGTERM once it has updated its keys, and answers what it said then. */
async function ended(url: string): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", ROLE], {
    env: { ...process.env, POSTGRES_URL: url },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let said = "";
    child.stdout!.on("data", (bytes: Buffer) => {
      said += bytes.toString();
    });
    while (!said.startsWith("updated\n")) await once(child.stdout!, "data");
    child.kill("SIGTERM");
    const [code] = (await once(child, "close")) as [number | null];
    return { code, said: said.slice("updated\n".length) };
  } finally {
    child.kill("SIGKILL");
  }
}

describe("a process that is told to end", () => {
  it.skipIf(database === undefined)("commits what waits, and ends", async () => {
    expect(await ended(database!.url)).toEqual({ code: 0, said: "" });
    const rows = await database!.query("SELECT key, convert_from(value, 'UTF8') AS value FROM ended");
    expect(new Map(rows.map(({ key, value }) => [key, value]))).toEqual(
      new Map(KEYS.map((key, i) => [key, `value ${i}`])),
    );
  });

  it("names every key that the database would not take in time", async () => {
    const { code, said } = await ended("postgres://nobody@127.0.0.1:1/none");
    expect(code).toBe(1);
    expect(JSON.parse(said)).toEqual({ code: "UNCOMMITTED", keys: KEYS });
  });
});
