/**
 * `tidemark demo`: the promises of the README, kept before your eyes. It starts a nats-server and three hosts
 * as processes of their own, breaks what can break, and compares what they hold in the end with what was
 * written. Nothing it prints is made up beforehand: every time and every count is measured in this run.
 */
import { randomBytes } from "node:crypto";
import { TidemarkError } from "../errors.ts";
import { type NatsServer, startNatsServer } from "../nats-server/nats-server.ts";
import { Fleet } from "./demo/fleet.ts";
import { showKinds } from "./demo/kinds.ts";
import { Model } from "./demo/model.ts";
import { showOutage } from "./demo/outage.ts";
import { Report, shownMs, wantsColours } from "./demo/report.ts";
import { showRestart } from "./demo/restart.ts";
import type { Stage } from "./demo/stage.ts";
import { showVerdict } from "./demo/verdict.ts";
import { EXIT } from "./failure.ts";

export interface DemoOptions {
  readonly keep: boolean;
  readonly json: boolean;
}

const HOSTS = ["ann", "ben", "cid"] as const;
/** From when the server runs; a run takes a quarter of it. */
const LIMIT_MS = 50_000;

/** Runs the demo to its end; settles with the exit code. */
export async function demo({ keep, json }: DemoOptions): Promise<number> {
  const write = (line: string) => void process.stdout.write(`${line}\n`);
  const report = new Report({ json, write, colours: wantsColours(process.stdout, process.env) });
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort(new Error("interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
  try {
    return await withServer(report, { keep, signal: interrupt.signal });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    report.say("Interrupted; the hosts and the server were ended.");
    return EXIT.interrupted;
  }
}

async function withServer(
  report: Report,
  { keep, signal }: { keep: boolean; signal: AbortSignal },
): Promise<number> {
  const startedAt = performance.now();
  report.title("Tidemark demo: three hosts on one nats-server, killed and started again");
  report.section("A nats-server");
  const server = await startNatsServer({ say: (line) => report.say(line, "dim"), signal });
  const fleet = new Fleet({ nats: server.url, namespace: `demo-${randomBytes(3).toString("hex")}` });
  try {
    report.say(`It listens on ${shownUrl(server)}.`);
    report.fact("server", { url: shownUrl(server), way: server.way, restartable: server.restartable });
    await unlessAborted(signal, LIMIT_MS, (stop) =>
      showAll({ fleet, server, model: new Model(), report, signal: stop }),
    );
    const seconds = shownMs(performance.now() - startedAt);
    const ok = report.failures.length === 0;
    report.say("");
    if (ok) report.say(`All as promised, in ${seconds}.`, ["bold", "green"]);
    else report.say(`Not as promised: ${report.failures.join(" ")}`, ["bold", "red"]);
    report.fact("result", { ok, failures: report.failures, tookMs: performance.now() - startedAt });
    if (keep) await keepRunning(report, { server, fleet, signal });
    else await fleet.askAll("close", undefined);
    return ok ? EXIT.done : EXIT.failed;
  } finally {
    await fleet.killAll();
    await server[Symbol.asyncDispose]();
  }
}

async function showAll(stage: Stage): Promise<void> {
  const { report } = stage;
  report.section("Three hosts, each a process with a full copy of the data");
  await startHosts(stage);
  report.section("Every kind of write, and how long until the other hosts see it");
  await showKinds(stage);
  report.section("A host is killed and comes back");
  await showRestart(stage);
  report.section("The nats-server is killed and comes back");
  await showOutage(stage);
  report.section("What everybody holds in the end");
  await showVerdict(stage);
}

async function startHosts({ fleet, report }: Stage): Promise<void> {
  const row = report.table([
    { head: "host", width: 4 },
    { head: "process", width: 8, right: true },
    { head: "ready after", width: 11, right: true },
    { head: "incarnation", width: 26 },
  ]);
  const started = await Promise.all(HOSTS.map((name) => fleet.start(name)));
  for (const { host, tookMs, incarnation } of started) {
    row(host.name, String(host.pid), shownMs(tookMs), incarnation);
    report.fact("started", { host: host.name, pid: host.pid, tookMs, incarnation });
  }
  report.say(
    "Before the first of them takes itself for the first, it listens for others for a second.",
    "dim",
  );
}

/** Ends the waiting when told to or when it takes too long; what still runs ends with the processes. */
async function unlessAborted(
  signal: AbortSignal,
  limitMs: number,
  work: (stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new TidemarkError("TIMEOUT", `the demo did not end within ${limitMs / 1_000} s`)),
    limitMs,
  );
  const stop = AbortSignal.any([signal, late.signal]);
  try {
    await new Promise<void>((resolve, reject) => {
      stop.addEventListener("abort", () => reject(stop.reason), { once: true });
      if (stop.aborted) reject(stop.reason);
      work(stop).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
  }
}

async function keepRunning(
  report: Report,
  { server, fleet, signal }: { server: NatsServer; fleet: Fleet; signal: AbortSignal },
): Promise<void> {
  const { namespace } = fleet;
  report.section("The hosts keep running");
  report.say("Join them from another terminal:");
  report.command(`tidemark serve --nats ${shownUrl(server)} --namespace ${namespace} --http 0`);
  report.say("Ctrl-C ends them all.");
  report.fact("kept", { nats: shownUrl(server), namespace });
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** Without the credentials that a NATS_URL may carry. */
function shownUrl({ url }: NatsServer): string {
  return url.replace(/\/\/[^@/]*@/g, "//");
}
