/**
 * A host of the chaos test, as a process of its own: updates keys of a common set without end, each to be
 * committed to PostgreSQL within a second, until it is killed.
 */
import { setTimeout as delay } from "node:timers/promises";
import { open } from "../../../src/tidemark.ts";
import { postgres } from "../../../src/upstream/postgres.ts";

const { NATS_URL, POSTGRES_URL, NODE_NAME } = process.env;
const kv = await open({
  nats: NATS_URL!,
  node: NODE_NAME!,
  namespace: "ledger",
  upstream: postgres({ connection: { connectionString: POSTGRES_URL!, max: 3 }, table: "ledger" }),
});
await kv.ready();
process.stdout.write("ready\n");
for (let n = 0; ; n++) {
  const key = `key ${Math.floor(Math.random() * 200)}`;
  // The time orders the values of a key: all hosts of this test read one clock.
  const value = `${Date.now()} ${NODE_NAME} ${n}`;
  await kv.update(key, () => value, { commit: { within: 100 + Math.floor(Math.random() * 900) } });
  if (n % 5 === 0) await delay(1);
}
