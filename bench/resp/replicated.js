/** SET while one other host, or one replica of Redis, takes everything over. */
import { startServer } from "../rig/nats.js";
import { startOne } from "../rig/redis.js";
import { goal } from "../rig/report.js";
import { median, pairedRatio } from "../rig/statistics.js";
import { load, startHost } from "./contenders.js";

const WHAT = { test: "set", requests: 400_000, pipeline: 16, clients: 50 };

export async function measureReplicated({ redis, quick, say }) {
  const repeats = quick ? 1 : 5;
  const nats = await startServer(say);
  const hosts = [await startHost("--nats", nats.url, "--node", "a")];
  hosts.push(await startHost("--nats", nats.url, "--node", "b"));
  const master = await startOne(redis.server, []);
  const replica = await startOne(redis.server, ["--replicaof", "127.0.0.1", String(master.port)]);
  const [ours, theirs] = [[], []];
  try {
    while ((await replica.info("replication")).master_link_status !== "up")
      await new Promise((go) => setTimeout(go, 50));
    const requests = Math.round(WHAT.requests * (quick ? 0.2 : 1));
    for (let repeat = -1; repeat < repeats; repeat++) {
      const [us, them] = [
        await load(redis.benchmark, hosts[0], { ...WHAT, requests }),
        await load(redis.benchmark, master, { ...WHAT, requests }),
      ];
      if (repeat < 0) continue;
      ours.push(us);
      theirs.push(them);
      say(`resp: replicated SET ${repeat + 1}/${repeats}`);
    }
  } finally {
    for (const one of [...hosts, replica, master, nats]) await one.end();
  }
  const of = (name) => [ours.map((one) => one[name]), theirs.map((one) => one[name])];
  const rates = of("perSecond");
  return {
    title: `SET -P ${WHAT.pipeline} with one other host, or one replica`,
    columns: ["", "tidemark", "redis", "ratio"],
    rows: [
      ["requests/s", ...rates.map(median), pairedRatio(...rates)],
      ["p99 ms", ...of("p99").map(median), pairedRatio(...of("p99"))],
      ["µs of the host that is written to", ...of("micros").map(median), pairedRatio(...of("micros"))],
    ],
    goals: [goal("rate", "ratio with one replica", pairedRatio(...rates), { atLeast: 0.6 })],
    notes: [`medians of ${repeats}, by turns`],
  };
}
