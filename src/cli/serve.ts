/**
 * `tidemark serve`: one host as a process of its own. It opens, says where it listens, says when it is ready,
 * and drains when it is told to end. What it says goes to standard output, one line for one event.
 */
import { setTimeout as delay } from "node:timers/promises";
import { TidemarkError } from "../errors.ts";
import type { OpenOptions } from "../options.ts";
import { open, type Tidemark } from "../tidemark.ts";
import { type Doors, openDoors } from "./doors.ts";
import { EXIT } from "./failure.ts";
import type { ServeSettings } from "./flags.ts";
import { natsWithFiles } from "./nats-login.ts";
import { type Tell, tellJson, tellPeople } from "./tell.ts";

/** Orchestrators send SIGKILL after 10 s as a rule, and nobody learns why. */
const DRAIN_LIMIT_MS = 10_000;
/** How often a host that NATS refuses something looks whether it has been granted. */
const REFUSED_RETRY_MS = 1_000;

/** Runs a host until a signal ends it; settles with the exit code. */
export async function serve(settings: ServeSettings): Promise<number> {
  const tell = settings.json ? tellJson : tellPeople;
  const signalled = nextSignal();
  const opening = open(await openOptions(settings));
  const first = await Promise.race([opening, signalled]);
  if (typeof first === "string") {
    tell("stopped", `ended on ${first}, not connected yet`, { signal: first });
    return EXIT.done;
  }
  const kv = await opening;
  tellOfCheckpoints(kv, tell);
  let doors: Doors | undefined;
  try {
    doors = await openDoors(kv, settings, tell);
    const gone = new AbortController();
    const ready = untilReady(kv, tell, gone.signal);
    // Without a door and without NATS nothing else would keep the process alive.
    const alive = setInterval(() => undefined, 60_000);
    const told = Promise.race([signalled, doors.shutDown]);
    const signal = await Promise.race([told, ready.then(() => told)]).finally(() => clearInterval(alive));
    gone.abort();
    tell("draining", `ending on ${signal}`, { signal });
  } catch (error) {
    await kv.close();
    await doors?.close();
    throw error;
  }
  return await drain(kv, doors, tell);
}

async function openOptions({ open: options, natsFiles }: ServeSettings): Promise<OpenOptions> {
  if (natsFiles === undefined) return options;
  return { ...options, nats: await natsWithFiles(options.nats, natsFiles) };
}

/** Says what became of the checkpoint that was found, and when one cannot be written. */
function tellOfCheckpoints(kv: Tidemark, tell: Tell): void {
  const refused = kv.status().checkpoint?.refused;
  if (refused !== undefined) tell("checkpoint-refused", refused.message, { reason: refused.message });
  let failing = "";
  kv.on("replication", (batch) => {
    for (const event of batch) {
      if (event.type === "checkpoint") failing = "";
      else if (event.type === "checkpoint-failed" && event.detail !== failing) {
        failing = event.detail;
        tell(event.type, event.detail, { reason: event.detail });
      }
    }
  });
}

/** Says once that it is ready; says so too when NATS refuses what the host needs, and goes on trying. */
async function untilReady(kv: Tidemark, tell: Tell, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  let refused = "";
  while (!signal.aborted) {
    try {
      await kv.ready({ timeout: Number.POSITIVE_INFINITY, signal });
      const { node, namespace, incarnation, size: keys } = kv;
      const { state } = kv.status();
      const tookMs = Math.round(performance.now() - startedAt);
      const alone = state === "standalone" ? ", standalone" : "";
      const text = `ready  ${node} in namespace ${namespace}${alone}, ${keys} ${keys === 1 ? "key" : "keys"}, after ${tookMs} ms`;
      tell("ready", text, { node, namespace, incarnation, state, keys, tookMs });
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TidemarkError) || error.code !== "FENCED") throw error;
      if (error.message !== refused) tell("fenced", `fenced ${error.message}`, { reason: error.message });
      refused = error.message;
      await delay(REFUSED_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function drain(kv: Tidemark, doors: Doors, tell: Tell): Promise<number> {
  const drained = doors.close(() => kv.close());
  const second = nextSignal();
  const outcome = await Promise.race([
    drained.then(() => "drained" as const),
    second.then(() => "interrupted" as const),
    delay(DRAIN_LIMIT_MS, "late" as const),
  ]);
  if (outcome === "drained") {
    const { unconfirmedBytes } = kv.status();
    const lost = unconfirmedBytes > 0 ? `; NATS did not confirm the last ${unconfirmedBytes} bytes` : "";
    tell("stopped", `ended${lost}`, { unconfirmedBytes });
    return EXIT.done;
  }
  if (outcome === "interrupted")
    throw new TidemarkError("CLOSED", "ended by a second signal, before all was handed over");
  throw new TidemarkError("TIMEOUT", `not drained within ${DRAIN_LIMIT_MS / 1_000} s; ended all the same`);
}

/** Settles with the next signal to end. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals = ["SIGTERM", "SIGINT"] as const;
    const heard = (signal: NodeJS.Signals) => {
      for (const each of signals) process.off(each, heard);
      resolve(signal);
    };
    for (const each of signals) process.on(each, heard);
  });
}
