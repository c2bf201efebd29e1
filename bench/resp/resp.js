/** The Redis protocol beside redis-server, driven by redis-benchmark: the same client, the same load, by turns. */
import { findRedis } from "../rig/redis.js";
import { measureIdle } from "./idle.js";
import { measureReplicated } from "./replicated.js";
import { measureThroughput } from "./throughput.js";

const PARTS = { throughput: measureThroughput, replicated: measureReplicated, idle: measureIdle };

export async function run({ quick, parts, say }) {
  const redis = await findRedis();
  if (redis === undefined) throw new Error("redis-server and redis-benchmark are not installed");
  const tables = [];
  for (const name of parts.length > 0 ? parts : Object.keys(PARTS))
    tables.push(await PARTS[name]({ redis, quick, say }));
  return { tables, versions: { redis: redis.version } };
}
