/**
 * Where logs do not reach: a host that was cut off while every key was written anew, and a host that starts
 * empty, each beside a fleet that holds a million keys. How long until it has them all.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { OpenOptions } from "../../src/options.ts";
import { HostProcess } from "./host-process.ts";
import { Link, OPEN } from "./link.ts";
import { startServers } from "./servers.ts";

export interface FullSyncOptions {
  readonly keys: number;
  readonly rounds: number;
  readonly say: (line: string) => void;
}

export interface FullSyncResult {
  readonly keys: number;
  /** Milliseconds from the moment a host is reachable again until all three are equal, every key being new. */
  readonly healedMs: readonly number[];
  /** Processor time of all three meanwhile: other load on the machine does not count in it. */
  readonly healedProcessorMs: readonly number[];
  /** Milliseconds from the opening of an empty host until it is ready and all three are equal. */
  readonly freshMs: readonly number[];
}

const BATCH = 2_000;
const VALUE_BYTES = 32;
const LIMIT_MS = 120_000;
const OPTIONS: OpenOptions = { namespace: "full-sync", logBytes: "1mb", connectTimeout: "60s" };

export async function runFullSync({ keys, rounds, say }: FullSyncOptions): Promise<FullSyncResult> {
  const cluster = await startServers({ say: () => undefined, count: 1 });
  const link = await Link.to(cluster.servers[0]!.port);
  const hosts: HostProcess[] = [];
  const load = async (name: string): Promise<HostProcess> => {
    const host = new HostProcess(name);
    hosts.push(host);
    // The first answer comes when the program is loaded.
    await host.ask("burden", { busyMs: 0 });
    return host;
  };
  const open = async (host: HostProcess, port: number): Promise<void> => {
    const options = { ...OPTIONS, node: host.name, nats: `nats://127.0.0.1:${port}` };
    await host.ask("open", { options, journal: undefined });
    await host.ask("ready", { timeoutMs: LIMIT_MS });
  };
  try {
    const writer = await load("writer");
    await open(writer, cluster.servers[0]!.port);
    const second = await load("second");
    await open(second, cluster.servers[0]!.port);
    const [healedMs, freshMs, healedProcessorMs]: [number[], number[], number[]] = [[], [], []];
    await writeAll(writer, keys);
    let third: HostProcess | undefined;
    for (let round = 1; round <= rounds; round++) {
      await third?.kill();
      await level([writer, second]);
      third = await load("third");
      const openedAt = performance.now();
      await open(third, link.port);
      await level([writer, second, third]);
      freshMs.push(performance.now() - openedAt);
      link.set({ kind: "cut" });
      await writeAll(writer, keys);
      await level([writer, second]);
      const before = await snapshotsOf(third);
      const processorBefore = await processorMs([writer, second, third]);
      link.set(OPEN);
      const healedAt = performance.now();
      await level([writer, second, third]);
      healedMs.push(performance.now() - healedAt);
      healedProcessorMs.push((await processorMs([writer, second, third])) - processorBefore);
      if ((await snapshotsOf(third)) === before) throw new Error("the logs reached back: nothing was tried");
      const [fresh, healed, processor] = [freshMs, healedMs, healedProcessorMs].map((all) =>
        all.at(-1)!.toFixed(0),
      );
      say(`round ${round}: fresh ${fresh} ms, healed ${healed} ms (${processor} ms of processor time)`);
    }
    return { keys, healedMs, freshMs, healedProcessorMs };
  } finally {
    await Promise.all(hosts.map((host) => host.kill()));
    await link.close();
    await cluster.discard();
  }
}

async function writeAll(host: HostProcess, keys: number): Promise<void> {
  for (let from = 0; from < keys; ) {
    const count = Math.min(BATCH, keys - from);
    const { written } = await host.ask("fill", { prefix: "key.", from, count, bytes: VALUE_BYTES });
    from += written;
    // Refused for back-pressure, so a little later.
    if (written < count) await delay(20);
  }
}

async function processorMs(hosts: readonly HostProcess[]): Promise<number> {
  const marks = await Promise.all(hosts.map((host) => host.ask("mark", undefined)));
  return marks.reduce((sum, mark) => sum + mark.processorMs, 0);
}

async function snapshotsOf(host: HostProcess): Promise<number> {
  return (await host.ask("mark", undefined)).snapshotsInstalled;
}

async function level(hosts: readonly HostProcess[]): Promise<void> {
  const until = performance.now() + LIMIT_MS;
  for (;;) {
    const marks = await Promise.all(hosts.map((host) => host.ask("mark", undefined)));
    const first = marks[0]!;
    if (marks.every((mark) => mark.vectorHash === first.vectorHash && mark.digest === first.digest)) return;
    if (performance.now() > until)
      throw new Error(`not level after ${LIMIT_MS} ms: ${JSON.stringify(marks)}`);
    await delay(10);
  }
}
