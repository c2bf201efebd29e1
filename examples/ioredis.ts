/** A host of `tidemark serve` by ioredis: `tidemark serve &`, then `npx tsx examples/ioredis.ts`. */
import { Redis } from "ioredis";

const redis = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:7379");

await redis.set("session:1", "ada", "EX", 600);
await redis.sadd("online", "ada", "grace");
const [, visits] = (await redis.pipeline().del("visits").incr("visits").exec())!.map(([, reply]) => reply);

console.log(await redis.get("session:1"), visits, (await redis.smembers("online")).sort());
redis.disconnect();
