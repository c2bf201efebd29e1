/** One host as a process of its own: what `open` composes, with an observer that keeps a journal. */
import { readFileSync } from "node:fs";
import { TidemarkError } from "../../src/errors.ts";
import { createHost, type Host } from "../../src/host.ts";
import { resolveSettings } from "../../src/options.ts";
import { connectNats } from "../../src/transport/nats.ts";
import { systemWorld } from "../../src/world.ts";
import { contentName, readContent } from "../simulation/model.ts";
import { perform } from "../simulation/operations.ts";
import { journalTo } from "./journal.ts";
import type { OrderName, Orders, Reply, Request } from "./orders.ts";

let host: Host;
let burden: NodeJS.Timeout | undefined;

type Handlers = {
  [Name in OrderName]: (
    takes: Orders[Name]["takes"],
  ) => Orders[Name]["answers"] | Promise<Orders[Name]["answers"]>;
};

const handlers: Handlers = {
  async open({ options, journal }) {
    const settings = resolveSettings(options);
    const transport = await connectNats(options.nats!, settings);
    host = createHost(settings, systemWorld(), transport, journal === undefined ? {} : journalTo(journal));
    return { incarnation: host.incarnation };
  },
  async ready({ timeoutMs }) {
    await host.ready({ timeout: timeoutMs });
    return undefined;
  },
  operate({ operations, sum }) {
    const refused: Record<string, number> = {};
    const attempt = (act: () => unknown): boolean => {
      try {
        act();
        return true;
      } catch (error) {
        if (!(error instanceof TidemarkError)) throw error;
        refused[error.code] = (refused[error.code] ?? 0) + 1;
        return false;
      }
    };
    for (const operation of operations) attempt(() => perform(host, operation));
    const summed = sum !== undefined && attempt(() => host.increment(sum.key, sum.delta));
    return { seq: host.token().seq, summed, refused };
  },
  fill({ prefix, from, count, bytes }) {
    let written = 0;
    let refused: string | undefined;
    try {
      for (; written < count; written++)
        host.set(`${prefix}${from + written}`, textFor(from + written, bytes));
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      refused = error.code;
    }
    return { written, refused, seq: host.token().seq };
  },
  async confirm({ hosts, timeoutMs }) {
    const { seq } = host.token();
    return { seq, hosts: await host.replicated({ hosts, timeout: timeoutMs }) };
  },
  burden({ busyMs }) {
    clearInterval(burden);
    burden = setInterval(() => {
      const until = performance.now() + busyMs;
      while (performance.now() < until);
    }, 100);
    return undefined;
  },
  mark() {
    const { state, connected, vectorHash, digest, counts } = host.status();
    const { snapshotsInstalled } = counts;
    const { user, system } = process.cpuUsage();
    const processorMs = (user + system) / 1_000;
    return { state, connected, seq: host.token().seq, vectorHash, digest, snapshotsInstalled, processorMs };
  },
  status: () => host.status(),
  show() {
    const from = host.fleetNow();
    const contents = new Map(Array.from(host.keys(), (key) => [key, contentName(readContent(host, key))]));
    return { inspection: host.inspect(), contents, between: [from, host.fleetNow()] };
  },
  memory() {
    globalThis.gc?.();
    const { heapUsed, external, rss } = process.memoryUsage();
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return {
      liveBytes: heapUsed + external,
      residentBytes: rss,
      peakResidentBytes: peak === undefined ? rss : Number(peak) * 1024,
    };
  },
  async close() {
    await host.close();
    return undefined;
  },
};

/** Different for every number, and not a run of one letter. */
function textFor(number: number, bytes: number): string {
  return `${number}:`.padEnd(bytes, "the quick brown fox ");
}

async function reply<Name extends OrderName>({ id, name, takes }: Request<Name>): Promise<void> {
  let answered: Reply;
  try {
    answered = { id, answer: await handlers[name](takes) };
  } catch (error) {
    const closed = error instanceof TidemarkError && error.code === "CLOSED";
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    answered = { id, failure, closed };
  }
  if (process.connected) process.send!(answered);
}

process.on("message", (request: Request) => void reply(request));
// When to end is the test's to say, and when the test is gone.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
