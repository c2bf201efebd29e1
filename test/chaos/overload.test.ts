/**
 * More than a part of the fleet can take: everything stays bounded and says so, a writer may be refused and is
 * never silently dropped, and in the end all are equal. No bound here is a time of this machine.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { startCluster } from "../../src/testing/index.ts";
import type { Tidemark } from "../../src/tidemark.ts";
import { say } from "../integration/support/nats.ts";
import { type Crowd, withCrowd, writeHard } from "./crowd.ts";
import type { HostProcess } from "./host-process.ts";
import { withServers } from "./support.ts";

const MIB = 1024 * 1024;
const JOINS = 1_000;
/** Longer with `TIDEMARK_LONG=1`, as before a release. */
const LONG = process.env.TIDEMARK_LONG === "1";

/** The third host is the slow one; the fleet was empty when it joined. */
const NOT_OVERRUN = { waitedFor: "host-3", dropped: 0, snapshotsInstalled: 0 };

/** Everything that was accepted is everywhere, nobody saw anything wrong, nobody took what he may not. */
async function expectAllWell(crowd: Crowd, mostResidentMib: number): Promise<void> {
  await crowd.level();
  const seq = (await crowd.hosts[0]!.ask("mark", undefined)).seq;
  const peaks: number[] = [];
  for (const host of crowd.hosts) {
    const status = await crowd.statusOf(host);
    const { divergences, rejected } = status.counts;
    const why = `${host.name}: ${JSON.stringify(status.quarantine)}`;
    expect({ divergences, rejected }, why).toEqual({ divergences: 0, rejected: 0 });
    const writer = (await crowd.statusOf(crowd.hosts[0]!)).incarnation;
    expect(status.highWaterMarks[writer], host.name).toBe(seq);
    expect([status.inboxBytes, status.flow.queuedBytes], host.name).toEqual([0, 0]);
    const { peakResidentBytes } = await host.ask("memory", undefined);
    peaks.push(Math.round(peakResidentBytes / MIB));
    expect(peakResidentBytes / MIB, `${host.name}, MiB at most`).toBeLessThan(mostResidentMib);
  }
  say(`${crowd.hosts.length} hosts at one digest, with at most ${peaks.join(", ")} MiB resident`);
}

it("a writer goes no faster than a receiver with a tenth of a processor, and says whom it waits for", (test) =>
  withServers(test, () =>
    withCrowd({ count: 3, options: { maxUnconfirmedBytes: "4mb" } }, async (crowd) => {
      const [writer, , slow] = crowd.hosts as [HostProcess, HostProcess, HostProcess];
      await slow.ask("burden", { busyMs: 90 });
      const slowedBy = new Set<string | undefined>();
      let mostUnconfirmed = 0;
      const { writes, refused } = await writeHard(writer, {
        forMs: LONG ? 60_000 : 5_000,
        bytes: 400,
        keys: 20_000,
        look: async () => {
          const { flow, unconfirmedBytes } = await crowd.statusOf(writer);
          slowedBy.add(flow.slowedBy);
          mostUnconfirmed = Math.max(mostUnconfirmed, unconfirmedBytes);
        },
      });
      await slow.ask("burden", { busyMs: 0 });
      // Never beyond the configured bound by more than one command.
      expect(mostUnconfirmed).toBeLessThan(4 * MIB + 1_024);
      expect((await crowd.statusOf(writer)).counts.backpressure).toBe(refused);
      // On a machine that is busy enough the slow one passes for dead, and then nobody waits for it.
      const { dropped, snapshotsInstalled } = (await crowd.statusOf(slow)).counts;
      const waitedFor = [...slowedBy].filter((name) => name !== undefined).join(", ") || "nobody";
      say(
        `overload: ${writes} writes, ${refused} refused, waited for ${waitedFor}; the slow host dropped ${dropped}`,
      );
      if (LONG) expect({ waitedFor, dropped, snapshotsInstalled }).toEqual(NOT_OVERRUN);
      expect((await writer.ask("mark", undefined)).seq).toBe(writes);
      await expectAllWell(crowd, 512);
    }),
  ));

it("nobody waits for a replica that is stopped, and it comes back", (test) =>
  withServers(test, () =>
    withCrowd({ count: 3, options: { maxUnconfirmedBytes: "32mb", logBytes: "4mb" } }, async (crowd) => {
      const [writer, , stopped] = crowd.hosts as [HostProcess, HostProcess, HostProcess];
      const keys = 20_000;
      await writeHard(writer, { forMs: 1_000, bytes: 200, keys });
      stopped.stop();
      // It passes for alive until its heartbeats have been missing for 4 s.
      await writeHard(writer, { forMs: 5_000, bytes: 200, keys });
      const { writes } = await writeHard(writer, { forMs: LONG ? 60_000 : 1_500, bytes: 200, keys });
      expect(writes).toBeGreaterThan(0);
      expect((await crowd.statusOf(writer)).flow.slowedBy).toBeUndefined();
      expect(residentMib(crowd)).toBeLessThan(512);
      stopped.resume();
      await expectAllWell(crowd, 512);
    }),
  ));

it("a server that cuts off whoever is 1 MB behind loses messages, and no host loses anything", (test) =>
  withServers(test, () =>
    withCrowd(
      { count: 3, config: "max_pending: 1MB", options: { maxUnconfirmedBytes: "4mb", logBytes: "1mb" } },
      async (crowd) => {
        const [writer, , slow] = crowd.hosts as [HostProcess, HostProcess, HostProcess];
        await slow.ask("burden", { busyMs: 90 });
        await writeHard(writer, { forMs: LONG ? 60_000 : 4_000, bytes: 4_000, keys: 2_000 });
        await slow.ask("burden", { busyMs: 0 });
        await expectAllWell(crowd, 512);
      },
    ),
  ));

it("ten join at once while others write", (test) =>
  withServers(test, () =>
    withCrowd({ count: 2, options: { maxUnconfirmedBytes: "8mb" } }, async (crowd) => {
      const [writer] = crowd.hosts as [HostProcess];
      await writer.ask("fill", { prefix: "there.", from: 0, count: 50_000, bytes: 100 });
      await crowd.level();
      const joined = Promise.all(Array.from({ length: 10 }, () => crowd.join()));
      let done = false;
      joined.then(
        () => {
          done = true;
        },
        () => {
          done = true;
        },
      );
      while (!done) {
        await writer.ask("fill", { prefix: "k", from: 0, count: 500, bytes: 100 });
        await delay(20);
      }
      await joined;
      await expectAllWell(crowd, 512);
    }),
  ));

it("a thousand hosts join and leave one after another, and leave a row each", async () => {
  const cluster = startCluster({ hosts: 3, seed: 1, options: { joinWait: 200 } });
  const [first] = cluster.hosts as [Tidemark];
  const passing = "host-3";
  for (let i = 0; i < JOINS; i++) {
    const host = i === 0 ? cluster.hosts[2]! : cluster.restart(passing);
    await cluster.until(host.ready());
    host.set(`by.${i % 50}`, String(i));
    if (i % 2 === 0) await cluster.until(host.close());
    else {
      await cluster.until(host.replicated());
      cluster.crash(passing);
    }
  }
  await cluster.until(cluster.restart(passing).ready());
  cluster.settle();
  const status = first.status();
  expect(status.keys).toBe(50);
  for (let i = JOINS - 50; i < JOINS; i++) expect(first.get(`by.${i % 50}`)).toBe(String(i));
  expect(Object.keys(status.highWaterMarks)).toHaveLength(JOINS);
  expect([status.pendingRemovals, status.inboxBytes, status.flow.unsentBytes]).toEqual([0, 0, 0]);
  // What is kept of the departed is a row each; their heartbeats are forgotten in time.
  cluster.run("11m");
  expect(first.status().hosts.length).toBeLessThanOrEqual(2);
  await cluster[Symbol.asyncDispose]();
});

function residentMib({ server }: Crowd): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1];
  return Number(kib) / 1024;
}
