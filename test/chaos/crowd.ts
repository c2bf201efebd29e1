/** Hosts as processes on one server, without journals or links: for tests of load. */
import { setTimeout as delay } from "node:timers/promises";
import type { OpenOptions } from "../../src/options.ts";
import type { Status } from "../../src/status.ts";
import { HostProcess } from "./host-process.ts";
import { type ServerProcess, startServers } from "./servers.ts";

const READY_LIMIT_MS = 120_000;
const LEVEL_LIMIT_MS = 120_000;
const LOOK_EVERY_MS = 50;

export interface Crowd {
  readonly server: ServerProcess;
  readonly hosts: HostProcess[];
  /** Starts a host; settles when it is ready. */
  join(options?: OpenOptions): Promise<HostProcess>;
  /** Settles with milliseconds once all have one vector and one digest. */
  level(): Promise<number>;
  statusOf(host: HostProcess): Promise<Status>;
}

/** Runs something with a server and however many hosts, and leaves none of them behind. */
export async function withCrowd(
  { count, config, options = {} }: { count: number; config?: string; options?: OpenOptions },
  run: (crowd: Crowd) => Promise<void>,
): Promise<void> {
  const cluster = await startServers({
    say: () => undefined,
    count: 1,
    ...(config === undefined ? {} : { config }),
  });
  const server = cluster.servers[0]!;
  const hosts: HostProcess[] = [];
  const join = async (more: OpenOptions = {}): Promise<HostProcess> => {
    const name = `host-${hosts.length + 1}`;
    const host = new HostProcess(name);
    hosts.push(host);
    const nats = `nats://127.0.0.1:${server.port}`;
    await host.ask("open", {
      options: { connectTimeout: "60s", ...options, ...more, nats, namespace: "crowd", node: name },
      journal: undefined,
    });
    await host.ask("ready", { timeoutMs: READY_LIMIT_MS });
    return host;
  };
  try {
    await Promise.all(Array.from({ length: count }, () => join()));
    await run({
      server,
      hosts,
      join,
      level: () => level(hosts),
      statusOf: (host) => host.ask("status", undefined),
    });
  } finally {
    await Promise.all(hosts.map((host) => host.kill()));
    await cluster.discard();
  }
}

async function level(hosts: readonly HostProcess[]): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const marks = await Promise.all(hosts.map((host) => host.ask("mark", undefined)));
    const first = marks[0]!;
    const equal = marks.every(
      ({ vectorHash, digest }) => vectorHash === first.vectorHash && digest === first.digest,
    );
    if (equal) return performance.now() - startedAt;
    if (performance.now() - startedAt > LEVEL_LIMIT_MS) {
      throw new Error(`not level after ${LEVEL_LIMIT_MS} ms: ${JSON.stringify(marks)}`);
    }
    await delay(LOOK_EVERY_MS);
  }
}

/** What a writer got done. */
export interface Written {
  readonly writes: number;
  /** Writes that were refused with `BACKPRESSURE`; any other refusal is thrown. */
  readonly refused: number;
}

/**
 * Has a host write plain values as fast as it can for so long; after a refusal it pauses a little. `look` is
 * called between its batches.
 */
export async function writeHard(
  host: HostProcess,
  { forMs, bytes, keys, look }: { forMs: number; bytes: number; keys: number; look?: () => Promise<void> },
): Promise<Written> {
  const until = performance.now() + forMs;
  let [writes, refused] = [0, 0];
  while (performance.now() < until) {
    const answer = await host.ask("fill", { prefix: "k", from: writes % keys, count: 1_000, bytes });
    writes += answer.written;
    if (answer.refused !== undefined) {
      if (answer.refused !== "BACKPRESSURE") throw new Error(`a write was refused with ${answer.refused}`);
      refused++;
      await delay(20);
    }
    await look?.();
  }
  return { writes, refused };
}
