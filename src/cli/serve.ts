/**
 * `tidemark serve`: one host as a process of its own. It opens, says where it listens, says when it is ready,
 * and drains when it is told to end. What it says goes to standard output, one line for one event.
 */
import { setTimeout as delay } from "node:timers/promises";
import { TidemarkError } from "../errors.ts";
import { type HttpDoor, serveHttp } from "../providers/http/http.ts";
import { open, type Tidemark } from "../tidemark.ts";
import { EXIT } from "./failure.ts";
import type { ServeSettings } from "./flags.ts";

/** Orchestrators send SIGKILL after 10 s as a rule, and nobody learns why. */
const DRAIN_LIMIT_MS = 10_000;
/** How often a host that NATS refuses something looks whether it has been granted. */
const REFUSED_RETRY_MS = 1_000;

/** Tells of one event: as a line for people, or as JSON with its data. */
type Tell = (event: string, text: string, data: Record<string, unknown>) => void;

/** Runs a host until a signal ends it; settles with the exit code. */
export async function serve(settings: ServeSettings): Promise<number> {
  const tell = settings.json ? tellJson : tellPeople;
  const signalled = nextSignal();
  const opening = open(settings.open);
  const first = await Promise.race([opening, signalled]);
  if (typeof first === "string") {
    tell("stopped", `ended on ${first}, not connected yet`, { signal: first });
    return EXIT.done;
  }
  const kv = await opening;
  let door: HttpDoor | undefined;
  try {
    door = settings.http && (await serveHttp({ kv, ...settings.http }));
    if (door !== undefined) {
      const { host, port, url } = door.address;
      tell("listening", `http   ${url}  /healthz /readyz /status`, { door: "http", host, port, url });
    }
    const gone = new AbortController();
    const ready = untilReady(kv, tell, gone.signal);
    // Without a door and without NATS nothing else would keep the process alive.
    const alive = setInterval(() => undefined, 60_000);
    const signal = await Promise.race([signalled, ready.then(() => signalled)]).finally(() =>
      clearInterval(alive),
    );
    gone.abort();
    tell("draining", `ending on ${signal}`, { signal });
  } catch (error) {
    await kv.close();
    await door?.close();
    throw error;
  }
  return await drain(kv, door, tell);
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
      const text = `ready  ${node} in namespace ${namespace}${alone}, ${keys} keys, after ${tookMs} ms`;
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

/** The door stays open until the host has left, so that readiness is seen to be gone. */
async function drain(kv: Tidemark, door: HttpDoor | undefined, tell: Tell): Promise<number> {
  const drained = kv.close().then(() => door?.close());
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

const tellPeople: Tell = (_event, text) => void process.stdout.write(`${text}\n`);

const tellJson: Tell = (event, _text, data) =>
  void process.stdout.write(`${JSON.stringify({ event, ...data })}\n`);
