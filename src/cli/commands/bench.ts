/** `tidemark bench`: a quick load on a running host, and what it makes of it. */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import { connectHost, type HostClient } from "../client/host-client.ts";
import { durationOf, type RespTarget, respTarget } from "../client/resp-target.ts";
import { EXIT } from "../failure.ts";
import { shownCount, write, writeJson } from "../output.ts";
import { showProgress } from "../progress.ts";
import { tableLines } from "../table.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson } from "./command.ts";

interface BenchFlags extends CommonFlags {
  readonly duration?: string;
  readonly clients?: string;
  readonly pipeline?: string;
  readonly reads?: string;
  readonly keys?: string;
  readonly bytes?: string;
}

interface Load {
  readonly durationMs: number;
  readonly clients: number;
  readonly pipeline: number;
  /** Of a hundred. */
  readonly reads: number;
  readonly keys: number;
  readonly value: Buffer;
}

/** Latencies in microseconds, in bounded memory whatever their number. */
interface Measured {
  readonly get: RecordableHistogram;
  readonly set: RecordableHistogram;
}

const PREFIX = "tidemark-bench:";
/** Should nobody be left to remove them. */
const KEPT_MS = 600_000;
const STEP = 500;

const HELP = `
It writes keys that begin with ${PREFIX}, and removes them at the end.
It says what this program gets from the host: clients wait for answers, and
--pipeline sends more requests together. What a host can take at most is better
asked of redis-benchmark.

Examples:
  tidemark bench
  tidemark bench --clients 50 --pipeline 16 --duration 10s
  tidemark bench --reads 50 --bytes 1000 --json | jq .operationsPerSecond`;

export function addBench(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "bench",
    summary: "Put a short load on a host and measure.",
    flags: [
      new Option("--duration <duration>", "how long (default 5s)"),
      new Option("--clients <connections>", "connections (default 8)"),
      new Option("--pipeline <requests>", "requests on their way for each (default 1)"),
      new Option("--reads <percent>", "how many of a hundred are reads (default 80)"),
      new Option("--keys <keys>", "different keys (default 10000)"),
      new Option("--bytes <bytes>", "length of a value (default 100)"),
    ],
    help: HELP,
  }).action(async (flags: BenchFlags) => {
    const load = loadOf(flags);
    ended(await bench(respTarget(flags, env), load, wantsJson(flags, env)));
  });
}

async function bench(target: RespTarget, load: Load, json: boolean): Promise<number> {
  const hosts: HostClient[] = [];
  try {
    for (let client = 0; client < load.clients; client++) hosts.push(await connectHost(target));
    const measured = { get: createHistogram(), set: createHistogram() };
    await fill(hosts[0]!, load);
    const tookMs = await run(hosts, load, measured, json);
    await clean(hosts[0]!, load);
    await report(measured, load, tookMs, json);
    return EXIT.done;
  } finally {
    await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
  }
}

/** Reads shall find something. */
async function fill(host: HostClient, { keys, value }: Load): Promise<void> {
  for (let from = 0; from < keys; from += STEP) {
    const step = Array.from(
      { length: Math.min(STEP, keys - from) },
      (_, index) => `${PREFIX}${from + index}`,
    );
    await Promise.all(step.map((key) => host.call("SET", key, value, "PX", KEPT_MS)));
  }
}

async function clean(host: HostClient, { keys }: Load): Promise<void> {
  for (let from = 0; from < keys; from += STEP)
    await host.call(
      "DEL",
      ...Array.from({ length: Math.min(STEP, keys - from) }, (_, index) => `${PREFIX}${from + index}`),
    );
}

/** Resolves to the milliseconds that it took. */
async function run(
  hosts: readonly HostClient[],
  load: Load,
  measured: Measured,
  json: boolean,
): Promise<number> {
  const startedAt = performance.now();
  const progress = showProgress(load.durationMs, "ms", json);
  const worker = async (host: HostClient) => {
    for (let now = performance.now(); now - startedAt < load.durationMs; now = performance.now()) {
      progress.at(Math.round(now - startedAt), 0);
      await request(host, load, measured);
    }
  };
  try {
    await Promise.all(hosts.flatMap((host) => Array.from({ length: load.pipeline }, () => worker(host))));
  } finally {
    progress.end();
  }
  return performance.now() - startedAt;
}

async function request(host: HostClient, { reads, keys, value }: Load, measured: Measured): Promise<void> {
  const key = `${PREFIX}${Math.floor(Math.random() * keys)}`;
  const reading = Math.random() * 100 < reads;
  const startedAt = process.hrtime.bigint();
  if (reading) await host.call("GET", key);
  else await host.call("SET", key, value, "PX", KEPT_MS);
  const micros = Number(process.hrtime.bigint() - startedAt) / 1_000;
  (reading ? measured.get : measured.set).record(Math.max(1, Math.round(micros)));
}

async function report(measured: Measured, load: Load, tookMs: number, json: boolean): Promise<void> {
  const operations = Object.entries(measured).filter(([, { count }]) => count > 0);
  const rate = (count: number) => Math.round((1_000 * count) / tookMs);
  const total = operations.reduce((sum, [, { count }]) => sum + count, 0);
  const figures = operations.map(([name, latency]) => ({
    name,
    operationsPerSecond: rate(latency.count),
    p50Micros: latency.percentile(50),
    p90Micros: latency.percentile(90),
    p99Micros: latency.percentile(99),
    maxMicros: latency.max,
  }));
  if (json) {
    const { clients, pipeline, reads, keys, value } = load;
    const given = { clients, pipeline, reads, keys, bytes: value.length, tookMs: Math.round(tookMs) };
    await writeJson({ ...given, operations: total, operationsPerSecond: rate(total), latencies: figures });
    return;
  }
  const columns = [
    { head: "" },
    ...["a second", "p50", "p90", "p99", "longest"].map((head) => ({ head, right: true })),
  ];
  const rows = figures.map(({ name, operationsPerSecond, p50Micros, p90Micros, p99Micros, maxMicros }) => [
    name,
    shownCount(operationsPerSecond),
    ...[p50Micros, p90Micros, p99Micros, maxMicros].map(shownMicros),
  ]);
  rows.push(["both", shownCount(rate(total))]);
  await write(`${tableLines(columns, rows).join("\n")}\n`);
}

function shownMicros(micros: number): string {
  return micros < 1_000 ? `${micros} µs` : `${(micros / 1_000).toFixed(micros < 10_000 ? 2 : 1)} ms`;
}

function loadOf({ duration = "5s", clients, pipeline, reads, keys, bytes }: BenchFlags): Load {
  const durationMs = durationOf(duration, "--duration");
  if (durationMs < 100 || durationMs > 3_600_000)
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `--duration takes a duration from 100 ms to 1 hour, not ${duration}`,
    );
  return {
    durationMs,
    clients: wholeNumber(clients, "--clients", { least: 1, most: 1_000, otherwise: 8 }),
    pipeline: wholeNumber(pipeline, "--pipeline", { least: 1, most: 1_000, otherwise: 1 }),
    reads: wholeNumber(reads, "--reads", { least: 0, most: 100, otherwise: 80 }),
    keys: wholeNumber(keys, "--keys", { least: 1, most: 10_000_000, otherwise: 10_000 }),
    value: Buffer.alloc(wholeNumber(bytes, "--bytes", { least: 0, most: 8_388_608, otherwise: 100 }), "x"),
  };
}

function wholeNumber(
  text: string | undefined,
  flag: string,
  { least, most, otherwise }: { least: number; most: number; otherwise: number },
): number {
  if (text === undefined) return otherwise;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `${flag} takes a whole number from ${least} to ${most}, not ${text}`,
  );
}
