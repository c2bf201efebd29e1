/**
 * A fresh host takes over what another holds, beside the same chunks read in process, Redis's full resync and a NATS
 * KV watch of the same data. Goals G11 and, of the donor's event loop meanwhile, G12.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { startServer } from "../rig/nats.js";
import { startRole } from "../rig/processes.js";
import { findRedis, startOne } from "../rig/redis.js";
import { goal, packageVersion } from "../rig/report.js";
import { median, pairedRatio } from "../rig/statistics.js";
import { keyFor, valueFor } from "../rig/workload.js";

export async function run({ quick, say }) {
  const entries = quick ? 20_000 : 1_000_000;
  const repeats = quick ? 1 : 3;
  const redis = await findRedis();
  if (redis === undefined) say("redis: skipped, redis-server and redis-benchmark are not both installed");
  const server = await startServer(say);
  const donor = startRole("join");
  const master = redis === undefined ? undefined : await filledRedis(redis, entries);
  const measured = { decode: [], join: [], redis: [], watch: [], donor: [], joiner: [] };
  let chunks;
  try {
    say(`join: writing ${entries.toLocaleString("en-US")} keys`);
    await donor.ask("fill", { nats: server.url, entries });
    await inRole((role) => role.ask("fillBucket", { nats: server.url, entries }));
    for (let repeat = 1; repeat <= repeats; repeat++) {
      chunks = await inRole((role) => role.ask("decode", { entries }));
      measured.decode.push(chunks.seconds);
      await donor.ask("watchTurns");
      const joined = await inRole((role) => role.ask("join", { nats: server.url }));
      measured.donor.push(await donor.ask("longestTurn"));
      if (joined.size !== entries || joined.snapshotsInstalled !== 1) {
        throw new Error(`the joiner holds ${joined.size} keys after ${joined.snapshotsInstalled} snapshots`);
      }
      measured.join.push(joined.seconds);
      measured.joiner.push(joined.turns);
      if (master !== undefined) measured.redis.push(await resync(redis, master, entries));
      const watched = await inRole((role) => role.ask("watchBucket", { nats: server.url, entries }));
      measured.watch.push(watched.seconds);
      const last = (name) => measured[name].at(-1)?.toFixed(2);
      say(
        `join ${repeat}/${repeats}: ${last("join")} s, decode ${last("decode")}, redis ${last("redis")}, ` +
          `watch ${last("watch")}; turns of ${measured.donor.at(-1).longest.toFixed(1)} and ${joined.turns.longest.toFixed(1)} ms`,
      );
    }
    await donor.ask("close");
  } finally {
    await donor.end();
    await master?.end();
    await server.end();
  }
  const versions = { "nats-server": server.version, nats: await packageVersion("nats") };
  if (redis !== undefined) versions.redis = redis.version;
  return { tables: [tableOf(measured, { entries, repeats, chunks })], versions };
}

function tableOf(measured, { entries, repeats, chunks }) {
  const rows = [
    ["a fresh host joins", measured.join, measured.joiner],
    ["its chunks read in process", measured.decode, []],
    ["Redis, full resync", measured.redis, []],
    ["NATS KV, watch", measured.watch, []],
    ["the donor meanwhile", [], measured.donor],
  ];
  const toJoin = (peers) => pairedRatio(measured.join, peers);
  return {
    title: `Taking over ${entries.toLocaleString("en-US")} entries`,
    columns: ["", "seconds", "longest turn, ms", "longest collection, ms"],
    rows: rows.map(([name, seconds, turns]) => [
      name,
      median(seconds),
      median(turns.map(({ longest }) => longest)),
      median(turns.map(({ longestPause }) => longestPause)),
    ]),
    goals: [
      goal("G11", "join / decode + insert in process", toJoin(measured.decode), { atMost: 1.5 }),
      goal("G11", "join / Redis full resync", toJoin(measured.redis), { atMost: 1.3 }),
      goal("G11", "join / NATS KV watch", toJoin(measured.watch), { atMost: 0.17 }),
      goal("G12", "longest turn of the donor, ms", median(measured.donor.map(({ longest }) => longest)), {
        atMost: 5,
      }),
    ],
    notes: [
      `medians of ${repeats}; ${chunks.chunks} chunks, ${(chunks.bytes / entries).toFixed(1)} bytes per entry`,
      "collecting garbage is part of a turn; its own column is by the clock",
      "a turn counts no longer than the processor time in it: what is beyond that went to other programs",
    ],
  };
}

/** Asks a process of its own. */
async function inRole(ask) {
  const role = startRole("join");
  try {
    const answer = await ask(role);
    await role.ask("close");
    return answer;
  } finally {
    await role.end();
  }
}

async function filledRedis(programs, entries) {
  // Redis waits five seconds for further replicas before it begins; here there is one.
  const master = await startOne(programs.server, ["--repl-diskless-sync-delay", "0"]);
  const client = new Redis(master.port, "127.0.0.1");
  for (let first = 0; first < entries; first += 10_000) {
    const pipeline = client.pipeline();
    for (let i = first; i < Math.min(first + 10_000, entries); i++) pipeline.set(keyFor(i), valueFor(i));
    await pipeline.exec();
  }
  client.disconnect();
  return master;
}

/** Seconds until a fresh replica is level. */
async function resync(programs, master, entries) {
  const replica = await startOne(programs.server, []);
  const client = new Redis(replica.port, "127.0.0.1");
  try {
    await client.ping();
    const startedAt = performance.now();
    await client.replicaof("127.0.0.1", master.port);
    while ((await replica.info("replication")).master_link_status !== "up") await delay(2);
    const seconds = (performance.now() - startedAt) / 1_000;
    const size = await client.dbsize();
    if (size !== entries) throw new Error(`the replica of Redis holds ${size} keys`);
    return seconds;
  } finally {
    client.disconnect();
    await replica.end();
  }
}
