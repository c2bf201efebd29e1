/**
 * How a connection of our own comes to be: what the user may give as `nats`, the options we add, and
 * the attempts until a server answers. A connection opened by the user never comes through here.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions } from "nats";
import { TidemarkError } from "../errors.ts";
import { distrustsServer, type NatsClient, refusesCredentials, refusesOptions } from "./nats-client.ts";

/** Options of the `nats` package as the user gave them: handed on, not checked one by one. */
interface ClientOptions {
  readonly [name: string]: unknown;
  readonly servers?: unknown;
}

/** Where and how to connect, checked; `shown` is for people and never holds a password. */
export interface DialPlan {
  readonly options: ClientOptions;
  readonly shown: string;
}

export interface DialLimits {
  /** `Infinity`: until a server answers. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

// A dead link is noticed after pingInterval x (maxPingOut + 1) = 6 s. The client's default is minutes.
const PING_INTERVAL_MS = 2_000;
const MAX_PINGS_OUT = 2;
// Attempts start fast, because every missed message has to be recovered, and are spread so that the
// hosts of a restarted server do not all come back in one instant.
const RECONNECT_WAIT_MS = 250;
const RECONNECT_JITTER_MS = 250;
// How long one server may take to answer a dial; a black-holed server must not hide a live one for the
// client's default of 20 s.
const DIAL_TIMEOUT_MS = 5_000;
// A longer timer would fire at once.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Checks what the user gave (a URL, several, or options) and adds what a connection of ours needs. */
export function planDial(nats: string | readonly string[] | object, node: string): DialPlan {
  const given = givenOptions(nats);
  const servers = serversOf(given).map(parseServer);
  const credentials = servers.find((server) => server.credentials !== undefined)?.credentials;
  const named = ["user", "token", "authenticator"].some((name) => given[name] !== undefined);
  const options: ClientOptions = {
    name: `tidemark/${node}`,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_OUT,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    reconnectJitterTLS: RECONNECT_JITTER_MS,
    timeout: DIAL_TIMEOUT_MS,
    // Own messages are dropped by their origin anyway; this spares the traffic.
    noEcho: true,
    // The client knows no schemes: without this, tls:// would take a plain connection if offered one.
    ...(servers.some((server) => server.tls) ? { tls: {} } : {}),
    // The client ignores user and password in a URL.
    ...(named ? {} : credentials),
    ...given,
    // From here on the user has no say: a host that stopped trying to come back would be lost for good.
    reconnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    // The first attempts are ours to repeat: only so do we learn why they fail.
    waitOnFirstConnect: false,
    ...(servers.length === 0 ? {} : { servers: servers.map((server) => server.address) }),
  };
  const shown = servers.map((server) => `${server.tls ? "tls" : "nats"}://${server.address}`);
  return { options, shown: shown.join(", ") || `nats://127.0.0.1:${given.port ?? 4222}` };
}

/** What the user gave, as options; a member set to `undefined` counts as left out. */
function givenOptions(nats: string | readonly string[] | object): ClientOptions {
  if (typeof nats === "string" || Array.isArray(nats)) return { servers: nats };
  if (nats instanceof URL) return { servers: nats.href };
  return Object.fromEntries(Object.entries(nats).filter(([, value]) => value !== undefined));
}

/** Tries until a server answers, the time is up, or trying is pointless; see `DialLimits`. */
export async function dial(plan: DialPlan, { timeoutMs, signal }: DialLimits): Promise<NatsClient> {
  signal?.throwIfAborted();
  // Loaded here so that a standalone host never pays for it.
  const { connect } = await import("nats");
  const timeUp = new AbortController();
  const timer = Number.isFinite(timeoutMs)
    ? setTimeout(() => timeUp.abort(), Math.min(timeoutMs, MAX_TIMER_MS))
    : undefined;
  const stop = signal === undefined ? timeUp.signal : AbortSignal.any([signal, timeUp.signal]);
  let lastCause: unknown;
  try {
    while (!stop.aborted) {
      try {
        return await unlessAborted(connect(plan.options as ConnectionOptions), stop);
      } catch (cause) {
        if (stop.aborted) break;
        throwIfPointless(cause, plan);
        lastCause = cause;
      }
      await sleep(RECONNECT_WAIT_MS + Math.random() * RECONNECT_JITTER_MS, undefined, { signal: stop }).catch(
        () => undefined, // aborted: the loop's condition ends it
      );
    }
  } finally {
    clearTimeout(timer);
  }
  signal?.throwIfAborted();
  throw new TidemarkError(
    "CONNECT_FAILED",
    `No NATS server answered at ${plan.shown} within ${timeoutMs / 1_000} s${reasonOf(lastCause)}. ` +
      `Start one there, correct the "nats" option, or allow more time with "connectTimeout".`,
    { cause: lastCause },
  );
}

function throwIfPointless(cause: unknown, plan: DialPlan): void {
  if (refusesCredentials(cause)) {
    throw new TidemarkError(
      "CONNECT_FAILED",
      `The NATS server at ${plan.shown} refuses the credentials of this host${reasonOf(cause)}. ` +
        `Give it a valid user and password, token or credentials file in the "nats" option.`,
      { cause },
    );
  }
  if (distrustsServer(cause)) {
    throw new TidemarkError(
      "CONNECT_FAILED",
      `The certificate of the NATS server at ${plan.shown} is not to be trusted${reasonOf(cause)}. ` +
        `Name the authority that signed it: nats: { servers, tls: { caFile: "ca.pem" } }.`,
      { cause },
    );
  }
  if (refusesOptions(cause)) {
    throw new TidemarkError(
      "CONNECT_FAILED",
      `The connection options for ${plan.shown} cannot work${reasonOf(cause)}. Correct the "nats" option.`,
      { cause },
    );
  }
}

/** Settles as `connecting` does; when aborted first, rejects and closes the connection if it still comes. */
function unlessAborted(connecting: Promise<NatsClient>, signal: AbortSignal): Promise<NatsClient> {
  return new Promise((resolve, reject) => {
    const abandon = () => {
      reject(signal.reason);
      connecting.then(
        (late) => late.close(),
        () => undefined, // it failed as well: there is nothing to close
      );
    };
    signal.addEventListener("abort", abandon, { once: true });
    connecting.then(resolve, reject).finally(() => signal.removeEventListener("abort", abandon));
  });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error && cause.message !== "" ? ` (${cause.message})` : "";
}

function serversOf({ servers, port }: ClientOptions): readonly string[] {
  const list = typeof servers === "string" ? servers.split(",") : (servers ?? []);
  if (!Array.isArray(list) || !list.every((server) => typeof server === "string")) {
    throw new TidemarkError("INVALID_ARGUMENT", "NATS servers are given as one URL or a list of URLs.");
  }
  const trimmed = list.map((server) => server.trim()).filter((server) => server !== "");
  if (trimmed.length === 0 && servers !== undefined && port === undefined) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      'The "nats" option names no server; give a URL or leave it out.',
    );
  }
  return trimmed;
}

interface Server {
  readonly address: string;
  readonly tls: boolean;
  readonly credentials: { user: string; pass: string } | { token: string } | undefined;
}

// scheme, user part, host (in brackets when it holds colons), port; a path says nothing to NATS.
const SERVER_URL = /^(?:([a-z]+):\/\/)?(?:(.*)@)?(\[[0-9a-f:.%]+\]|[^\s/@:[\]]+)(?::(\d{1,5}))?\/?$/i;

/** Takes a server URL apart. The sentences never repeat the URL: it may hold a password. */
export function parseServer(url: string): Server {
  const [, scheme = "nats", login, host, port = "4222"] = SERVER_URL.exec(url) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      "A NATS URL does not read nats://host:port or tls://host:port.",
    );
  }
  if (scheme !== "nats" && scheme !== "tls") {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `A NATS URL begins with nats:// or tls://, not with ${scheme}://.`,
    );
  }
  return { address: `${host}:${port}`, tls: scheme === "tls", credentials: credentialsOf(login) };
}

function credentialsOf(login: string | undefined): Server["credentials"] {
  if (login === undefined || login === "") return undefined;
  const colon = login.indexOf(":");
  if (colon < 0) return { token: percentDecoded(login) };
  return { user: percentDecoded(login.slice(0, colon)), pass: percentDecoded(login.slice(colon + 1)) };
}

/** Percent-decoding that takes a stray `%` in a password for itself. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not percent-encoded
  }
}
