/** Six commands at three depths of pipeline, 50 clients. */
import { startOne } from "../rig/redis.js";
import { goal } from "../rig/report.js";
import { median, pairedRatio } from "../rig/statistics.js";
import { load, startHost } from "./contenders.js";

const CLIENTS = 50;
const TESTS = ["get", "set", "incr", "sadd", "lpush", "mset"];
/** What Redis and we are asked for at each depth; MSET writes ten keys, so it is asked for less often. */
const DEPTHS = [
  { pipeline: 1, requests: 60_000, atLeast: 0.9 },
  { pipeline: 16, requests: 400_000, atLeast: 0.75 },
  { pipeline: 64, requests: 800_000, atLeast: undefined },
];
const MSET_SHARE = 1 / 8;

export async function measureThroughput({ redis, quick, say }) {
  const repeats = quick ? 1 : 3;
  const rows = [];
  const goals = [];
  for (const { pipeline, requests, atLeast } of DEPTHS) {
    const ratios = [];
    const tails = [];
    for (const test of TESTS) {
      const count = Math.round(requests * (test === "mset" ? MSET_SHARE : 1) * (quick ? 0.2 : 1));
      const { ours, theirs } = await compare(
        redis,
        { test, requests: count, pipeline, clients: CLIENTS },
        repeats,
      );
      const of = (name) => [ours.map((one) => one[name]), theirs.map((one) => one[name])];
      const [rates, p99s, micros] = [of("perSecond"), of("p99"), of("micros")];
      const [rate, tail] = [pairedRatio(...rates), pairedRatio(...p99s)];
      ratios.push(rate);
      tails.push(tail);
      const medians = [...rates, ...p99s, ...micros].map(median);
      rows.push([
        `${test} -P ${pipeline}`,
        ...medians.slice(0, 2),
        rate,
        ...medians.slice(2, 4),
        ...medians.slice(4),
      ]);
      say(`resp: ${test} -P ${pipeline}: ${rate.toFixed(2)} of Redis`);
    }
    if (atLeast !== undefined)
      goals.push(goal("rate", `least ratio at -P ${pipeline}`, Math.min(...ratios), { atLeast }));
    goals.push(goal("p99", `greatest ratio at -P ${pipeline}`, Math.max(...tails), { atMost: 3 }));
  }
  return {
    title: "Requests per second, 99th percentile in ms, and the server's µs of processor time for a request",
    columns: ["", "tidemark/s", "redis/s", "ratio", "p99", "redis p99", "µs", "redis µs"],
    rows,
    goals,
    notes: [`${CLIENTS} clients; medians of ${repeats}, by turns; 100,000 keys; one list, one set`],
  };
}

/** Both, by turns, each on an empty data set. */
async function compare(redis, what, repeats) {
  const host = await startHost();
  const server = await startOne(redis.server, []);
  const [ours, theirs] = [[], []];
  try {
    for (let repeat = -1; repeat < repeats; repeat++) {
      const pair = [
        [host, ours],
        [server, theirs],
      ];
      // Each repeat begins with the other one; the first pass warms up.
      for (const [contender, results] of repeat % 2 === 0 ? pair : pair.reverse()) {
        const result = await load(redis.benchmark, contender, what);
        if (repeat >= 0) results.push(result);
      }
    }
    return { ours, theirs };
  } finally {
    await host.end();
    await server.end();
  }
}
