/**
 * Health, readiness and status over HTTP, for orchestrators and for people. It only reads: nothing a caller
 * sends changes a host, and nothing it sends can take it down; bodies are refused unread.
 *
 * `/healthz` says that the process works, `/readyz` that the host has caught up and may get traffic. They
 * differ so that a host which catches up, drains or is fenced is taken out of rotation and not restarted.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { TidemarkError } from "../../errors.ts";
import type { HostState, Status } from "../../status.ts";
import type { Tidemark } from "../../tidemark.ts";

export interface HttpOptions {
  /** The host that is told about; it is not closed with the door. */
  readonly kv: Pick<Tidemark, "status">;
  /** The address to listen on, `127.0.0.1` for this machine only. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  readonly url: string;
}

export interface HttpDoor {
  /** Where it listens, with the port it got. */
  readonly address: HttpAddress;
  /** Takes no more connections and ends those there are. Safe to call twice. */
  close(): Promise<void>;
}

// The answers are small and come at once, so whoever takes longer to ask is broken or means ill.
const REQUEST_LIMIT_MS = 10_000;
const IDLE_LIMIT_MS = 5_000;
const CHECK_EVERY_MS = 1_000;
/** Request line and headers together; past it Node answers 431. */
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 100;
/** A handful of probes and dashboards ask; the rest would cost memory for nothing. */
const MAX_CONNECTIONS = 256;
/** How long an answer under way may take to be read once the door closes. */
const CLOSE_LIMIT_MS = 1_000;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const PAGES: ReadonlyMap<string, (status: Status) => Answer> = new Map([
  ["/healthz", () => ({ status: 200, body: { ok: true } })],
  ["/readyz", readiness],
  ["/status", (status) => ({ status: 200, body: status })],
]);

/** Starts to listen. Rejects `LISTEN_FAILED` when the address cannot be had. */
export async function serveHttp({ kv, host, port }: HttpOptions): Promise<HttpDoor> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_LIMIT_MS,
      requestTimeout: REQUEST_LIMIT_MS,
      keepAliveTimeout: IDLE_LIMIT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    (request, response) => handle(kv, request, response),
  );
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = MAX_CONNECTIONS;
  // Without this Node would invite the body that is refused.
  server.on("checkContinue", (request, response) => handle(kv, request, response));
  await listen(server, host, port);
  const bound = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    address: { host: bound.address, port: bound.port, url: urlOf(bound) },
    close: () => {
      closing ??= closeDoor(server);
      return closing;
    },
  };
}

function handle(kv: HttpOptions["kv"], request: IncomingMessage, response: ServerResponse): void {
  // A caller that hangs up half-way is its own affair.
  response.on("error", () => undefined);
  // What was not read cannot be told from the next request.
  if (hasBody(request)) response.shouldKeepAlive = false;
  const page = PAGES.get(pathOf(request));
  if (page === undefined) {
    const known = [...PAGES.keys()].join(", ");
    send(request, response, { status: 404, body: { error: `there is nothing here; there is ${known}` } });
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    send(request, response, { status: 405, body: { error: "only GET and HEAD are answered here" } });
  } else if (hasBody(request)) {
    send(request, response, { status: 413, body: { error: "send no body; nothing here reads one" } });
  } else send(request, response, answerOf(page, kv));
}

function answerOf(page: (status: Status) => Answer, kv: HttpOptions["kv"]): Answer {
  try {
    return page(kv.status());
  } catch (error) {
    // A fault in here must not end a host that still serves its data.
    return { status: 500, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}

function readiness({ state, reason, node, incarnation, keys }: Status): Answer {
  const ready = state === "ready" || state === "standalone";
  const why = ready ? undefined : (DEPARTURES[state] ?? reason);
  return { status: ready ? 200 : 503, body: { ready, state, reason: why, node, incarnation, keys } };
}

const DEPARTURES: Partial<Record<HostState, string>> = {
  leaving: "it is draining and about to stop",
  closed: "it has stopped",
};

// No `new URL`: it throws at what clients may send. The query says nothing here.
function pathOf(request: IncomingMessage): string {
  const target = request.url ?? "";
  const end = target.indexOf("?");
  return end < 0 ? target : target.slice(0, end);
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) !== 0);
}

function send(request: IncomingMessage, response: ServerResponse, { status, body }: Answer): void {
  const text = `${JSON.stringify(body, asText, 2)}\n`;
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

/** JSON has no bigint, and a number would lose digits. */
function asText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => {
      const what = WHY_NOT[cause.code ?? ""] ?? cause.message;
      const sentence = `HTTP cannot listen on ${host}:${port}: ${what}.`;
      reject(new TidemarkError("LISTEN_FAILED", sentence, { cause }));
    };
    server.once("error", failed);
    server.listen({ host, port }, () => {
      server.off("error", failed);
      // From here on an error is a connection that could not be accepted, for want of file descriptors.
      server.on("error", () => undefined);
      resolve();
    });
  });
}

const WHY_NOT: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there; choose another port, or 0 for a free one",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "this user may not; choose a port above 1023",
  ENOTFOUND: "that name has no address",
};

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

function closeDoor(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => server.closeAllConnections(), CLOSE_LIMIT_MS);
    server.close(() => {
      clearTimeout(late);
      resolve();
    });
    server.closeIdleConnections();
  });
}
