/** Counters that are written to a database behind the back: a thousand visits, a handful of commits. */
import { open } from "tidemark";
import { postgres } from "tidemark/upstream/postgres";

const connection = process.env.POSTGRES_URL ?? "postgres://localhost/app";
const kv = await open({ namespace: "visits", upstream: postgres({ connection, table: "visits" }) });

const visit = (page: string) =>
  kv.update(page, (visits) => String(Number(visits ?? 0) + 1), { commit: { within: "1s" } });
for (let i = 0; i < 1_000; i++) await visit(i % 2 === 0 ? "/home" : "/about");
console.log("in memory:", kv.get("/home"), kv.get("/about"));

// Commits what waits, and rejects with the keys if the database would not take them.
await kv.close();

const other = await open({ namespace: "visits", upstream: postgres({ connection, table: "visits" }) });
console.log("in the database:", await other.getOrLoad("/home"), await other.getOrLoad("/about"));
await other.close();
