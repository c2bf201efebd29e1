/** A host of `tidemark serve` by node-redis: `tidemark serve &`, then `npx tsx examples/node-redis.ts`. */
import { createClient } from "redis";

const client = createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:7379" });
await client.connect();

await client.set("session:1", "ada", { expiration: { type: "EX", value: 600 } });
await client.rPush("jobs", ["mail", "report"]);
const job = await client.lPop("jobs");

console.log(await client.get("session:1"), job, await client.lLen("jobs"));
await client.del("jobs");
client.destroy();
