/**
 * A process of the test of SIGTERM: updates keys that are to be committed within an hour, says so, and closes when
 * it is told to end. What `close` rejects with is printed, and the process ends with 1.
 */
import type { TidemarkError } from "../../../src/errors.ts";
import { open } from "../../../src/tidemark.ts";
import { postgres } from "../../../src/upstream/postgres.ts";

const connection = process.env.POSTGRES_URL!;
const kv = await open({
  upstream: postgres({ connection, table: "ended" }),
  loading: { drainTimeout: "500ms" },
});
for (let i = 0; i < 20; i++) {
  // What is there need not be loaded, so this works without the database too.
  kv.set(`key ${i}`, "old");
  await kv.update(`key ${i}`, () => `value ${i}`, { commit: { within: "1h" } });
}
const service = setInterval(() => undefined, 1_000);
process.once("SIGTERM", async () => {
  clearInterval(service);
  try {
    await kv.close();
  } catch (error) {
    const { code, keys } = error as TidemarkError;
    process.stdout.write(`${JSON.stringify({ code, keys })}\n`);
    process.exitCode = 1;
  }
});
process.stdout.write("updated\n");
