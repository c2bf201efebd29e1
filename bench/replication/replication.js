/** What replication costs: throughput, latency, bytes. Each part stands in a file of its own. */

import { startServer } from "../rig/nats.js";
import { findRedis } from "../rig/redis.js";
import { packageVersion } from "../rig/report.js";
import { measurePropagation } from "./propagation.js";
import { measureWireBytes } from "./wire-bytes.js";
import { measureWrites } from "./writes.js";

export async function run({ quick, say }) {
  const redis = await findRedis();
  if (redis === undefined) say("redis: skipped, redis-server and redis-benchmark are not both installed");
  const server = await startServer(say);
  try {
    const surroundings = { server, redis, quick, say };
    const tables = [
      await measureWrites(surroundings),
      await measurePropagation(surroundings),
      await measureWireBytes(surroundings),
    ];
    const versions = { "nats-server": server.version, nats: await packageVersion("nats") };
    if (redis !== undefined) versions.redis = redis.version;
    return { tables, versions };
  } finally {
    await server.end();
  }
}
