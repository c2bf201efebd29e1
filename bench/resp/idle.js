/** What a connection costs that says nothing: memory of the server before and after many of them. */
import { startRole } from "../rig/processes.js";
import { startOne } from "../rig/redis.js";
import { goal } from "../rig/report.js";
import { residentBytes, startHost } from "./contenders.js";

const MANY = 10_000;
const FEW = 2_000;
/** The first ones make the server grow for good. */
const FIRST = 500;

export async function measureIdle({ redis, quick, say }) {
  const count = quick ? FEW : MANY;
  const host = await startHost();
  const server = await startOne(redis.server, ["--maxclients", String(count + FIRST + 100)]);
  try {
    const ours = await bytesEach(host, count);
    const theirs = await bytesEach(server, count);
    say(`resp: ${count} idle connections`);
    return {
      title: `Bytes of memory for each of ${count} idle connections`,
      columns: ["", "bytes"],
      rows: [
        ["tidemark", ours],
        ["redis", theirs],
      ],
      goals: [goal("idle", "bytes for each connection", ours, { atMost: 20 * 1_024 })],
      notes: ["each has asked for one key; resident memory of the server"],
    };
  } finally {
    await host.end();
    await server.end();
  }
}

async function bytesEach({ pid, port }, count) {
  const clients = startRole("idle-clients");
  try {
    await clients.ask("open", { port, count: FIRST });
    const before = await residentBytes(pid);
    await clients.ask("open", { port, count: count - FIRST });
    return ((await residentBytes(pid)) - before) / (count - FIRST);
  } finally {
    await clients.end();
  }
}
