/**
 * How long a write takes to be seen by a watcher in another process, beside a bare message of the same client
 * between the same two processes, sent by turns. Goal G10.
 */

import { startRole } from "../rig/processes.js";
import { goal } from "../rig/report.js";
import { median, percentile } from "../rig/statistics.js";

/** On average between two messages, of which every other one is a write. */
const PAUSE_MS = 2;
const FULL = { rounds: 5, warmUp: 50_000, count: 1_000 };
const QUICK = { rounds: 1, warmUp: 10_000, count: 300 };

export async function measurePropagation({ server, quick, say }) {
  const { rounds, warmUp, count } = quick ? QUICK : FULL;
  const namespace = `bench-${process.pid}-${Date.now()}`;
  const subject = `${namespace}.bare`;
  const roles = [startRole("messenger"), startRole("messenger")];
  const [sender, receiver] = roles;
  const samples = { set: [], bare: [] };
  try {
    for (const [index, role] of roles.entries()) {
      const options = { nats: server.url, namespace, node: `host-${index}`, joinWait: 200 };
      await role.ask("open", { options, url: server.url });
    }
    await receiver.ask("listen", { subject });
    await sender.ask("warmUp", { subject, count: warmUp });
    await sender.ask("send", { subject, count: 100, pauseMs: PAUSE_MS });
    await receiver.ask("latencies");
    for (let round = 0; round < rounds; round++) {
      await sender.ask("send", { subject, count, pauseMs: PAUSE_MS });
      const { set, bare } = await receiver.ask("latencies");
      if (set.length !== count || bare.length !== count)
        throw new Error("not everything that was sent arrived");
      samples.set.push(set);
      samples.bare.push(bare);
      say(
        `propagation ${round + 1}/${rounds}: p50 ${Math.round(median(set))} µs, bare ${Math.round(median(bare))} µs`,
      );
    }
    await Promise.all(roles.map((role) => role.ask("close")));
  } finally {
    for (const role of roles) await role.end();
  }
  // Percentiles of all rounds together: one round has too few samples beyond its p99.
  const at = (kind, percent) => percentile(samples[kind].flat(), percent);
  const row = (name, kind) => [name, at(kind, 50), at(kind, 90), at(kind, 99), at(kind, 99.9)];
  return {
    title: "Propagation to another process, one way, microseconds",
    columns: ["", "p50", "p90", "p99", "p99.9"],
    rows: [row("set to watch", "set"), row("bare nats publish to callback", "bare")],
    goals: [
      goal("G10", "p50 / bare nats", at("set", 50) / at("bare", 50), { atMost: 1.2 }),
      goal("G10", "p99 / bare nats", at("set", 99) / at("bare", 99), { atMost: 1.3 }),
    ],
    notes: [
      `${rounds * count} of each by turns, ${1_000 / PAUSE_MS} messages per second at random distances, ` +
        `after ${warmUp} of each as fast as they went`,
    ],
    rounds: samples.set.map((set, round) => ({
      set: summary(set),
      bare: summary(samples.bare[round]),
    })),
  };
}

function summary(micros) {
  return { p50: percentile(micros, 50), p99: percentile(micros, 99) };
}
