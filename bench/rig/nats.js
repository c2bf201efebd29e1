/** The nats-server of a benchmark. */

import { startNatsServer } from "../../dist/nats-server/nats-server.js";
import { readInfo } from "../../dist/nats-server/ready.js";
import { pidNaming } from "./processes.js";

/** A server with JetStream, in memory where it can choose, and its process if that is ours. */
export async function startServer(say) {
  const server = await startNatsServer({ jetstream: true, say });
  const { hostname, port } = new URL(server.url);
  const { version } = await readInfo({ host: hostname, port: Number(port), timeoutMs: 2_000 });
  const pid = server.directory === undefined ? undefined : await pidNaming(`${server.directory}/nats.conf`);
  return { url: server.url, version, pid, end: () => server[Symbol.asyncDispose]() };
}
