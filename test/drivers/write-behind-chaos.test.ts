/**
 * Hosts that write behind to a real PostgreSQL are killed at random, over a real nats-server. In the end the
 * database has the newest value of every key that was replicated. 15 s, or as many as TIDEMARK_CHAOS_SECONDS says (60 in CI);
 * TIDEMARK_SEED repeats who is killed and when, which a failed run names.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../src/testing/random.ts";
import { open } from "../../src/tidemark.ts";
import { postgres } from "../../src/upstream/postgres.ts";
import { natsServerForTests } from "../integration/support/nats.ts";
import { startPostgres } from "../support/postgres.ts";
import { missing } from "./missing.ts";

const SECONDS = Number(process.env.TIDEMARK_CHAOS_SECONDS ?? 15);
const SEED = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const WRITERS = 3;
const ROLE = fileURLToPath(new URL("roles/writer.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const nats = await natsServerForTests();
const database = await startPostgres();
if (database === undefined) missing("PostgreSQL is not installed (Debian: apt-get install postgresql)");
else afterAll(() => database[Symbol.asyncDispose]());

const timeOf = (value: unknown) => Number(String(value).split(" ")[0]);

describe.skipIf(nats === undefined || database === undefined)("write-behind while hosts are killed", () => {
  it(
    `leaves the newest value of every replicated key in the database (TIDEMARK_SEED=${SEED}, ${SECONDS} s)`,
    async () => {
      const random = new Random(SEED);
      const writers: ChildProcess[] = [];
      let starts = 0;
      let stopped = false;
      const start = async (place: number): Promise<void> => {
        const writer = spawn(process.execPath, ["--import", "tsx", ROLE], {
          cwd: ROOT,
          env: {
            ...process.env,
            NATS_URL: nats!.url,
            POSTGRES_URL: database!.url,
            NODE_NAME: `writer-${place}-${starts++}`,
          },
          stdio: ["ignore", "pipe", "inherit"],
        });
        writers[place] = writer;
        await Promise.race([once(writer.stdout!, "data"), once(writer, "exit")]);
        if (stopped) writer.kill("SIGKILL");
      };
      // It is never killed, so it has every event that reached anybody who lives.
      const witness = await open({
        nats: nats!.url,
        node: "witness",
        namespace: "ledger",
        upstream: postgres({ connection: database!.url, table: "ledger" }),
      });
      try {
        await witness.ready();
        await Promise.all(Array.from({ length: WRITERS }, (_, place) => start(place)));
        const end = performance.now() + SECONDS * 1_000;
        let kills = 0;
        while (performance.now() < end) {
          await delay(random.between(300, 1_800));
          const place = random.integer(0, WRITERS - 1);
          const victim = writers[place]!;
          victim.kill("SIGKILL");
          if (victim.exitCode === null && victim.signalCode === null) await once(victim, "exit");
          kills++;
          await start(place);
        }
        stopped = true;
        for (const writer of writers) writer.kill("SIGKILL");
        await delay(1_000);
        const limit = performance.now() + 30_000;
        while (witness.status().loader!.dirty > 0 && performance.now() < limit) await delay(100);
        expect(witness.status().loader!.dirty).toBe(0);

        const found = await database!.query("SELECT key, convert_from(value, 'UTF8') AS value FROM ledger");
        const rows = new Map(found.map(({ key, value }) => [key as string, value as string]));
        let newer = 0;
        for (const key of witness.keys()) {
          const held = witness.get(key)!;
          const row = rows.get(key);
          // A host may commit and be killed before anybody heard of the write: the row is newer then.
          if (row !== undefined && row !== held && timeOf(row) > timeOf(held)) newer++;
          else expect([key, row]).toEqual([key, held]);
        }
        expect(kills).toBeGreaterThan(2);
        expect(witness.size).toBeGreaterThan(150);
        expect(newer).toBeLessThan(10);
        console.warn(
          `chaos: ${kills} kills in ${SECONDS} s, ${witness.size} keys, ${newer} rows newer than memory, ` +
            `the witness committed ${witness.status().loader!.committedKeys}`,
        );
      } finally {
        stopped = true;
        for (const writer of writers) writer?.kill("SIGKILL");
        await witness.close();
      }
    },
    (SECONDS + 90) * 1_000,
  );
});
