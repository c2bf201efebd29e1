/**
 * Health, readiness, status and metrics over HTTP, for orchestrators and for people. It only reads: nothing a
 * caller sends changes a host, and nothing it sends can take it down; bodies are refused unread.
 *
 * `/healthz` says that the process works, `/readyz` that the host has caught up and may get traffic. They
 * differ so that a host which catches up, drains or is fenced is taken out of rotation and not restarted.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { TidemarkError } from "../../errors.ts";
import type { Tidemark } from "../../tidemark.ts";
import { type Answer, lastWords, refusal, send } from "./answer.ts";
import { processFigures, type RedisFigures } from "./figures.ts";
import { ROUTES, type Route, type Sources } from "./routes.ts";
import { Traffic } from "./traffic.ts";

export type { RedisFigures } from "./figures.ts";

export interface HttpOptions {
  /** The host that is told about; it is not closed with the door. */
  readonly kv: Pick<Tidemark, "status">;
  /** The address to listen on, `127.0.0.1` for this machine only. Default that. */
  readonly host?: string;
  /** 0: a free one. Default 7380. */
  readonly port?: number;
  /** What the door of the Redis protocol has counted, where there is one. */
  readonly redis?: () => RedisFigures;
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

export const HTTP_HOST = "127.0.0.1";
export const HTTP_PORT = 7380;
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

/** Starts to listen. Rejects `LISTEN_FAILED` when the address cannot be had. */
export async function serveHttp(options: HttpOptions): Promise<HttpDoor> {
  const { kv, host = HTTP_HOST, port = HTTP_PORT, redis } = options;
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: REQUEST_LIMIT_MS,
    requestTimeout: REQUEST_LIMIT_MS,
    keepAliveTimeout: IDLE_LIMIT_MS,
    connectionsCheckingInterval: CHECK_EVERY_MS,
  });
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = MAX_CONNECTIONS;
  const traffic = new Traffic(server);
  const sources: Sources = {
    status: () => kv.status(),
    figures: () => ({
      status: kv.status(),
      redis: redis?.(),
      http: traffic.figures(),
      process: processFigures(),
    }),
  };
  const answering = new WeakSet<Duplex>();
  const asked = (request: IncomingMessage, response: ServerResponse) => {
    answering.add(request.socket);
    response.once("close", () => answering.delete(request.socket));
    void handle(sources, traffic, request, response);
  };
  server.on("request", asked);
  // Without this Node would invite the body that is refused.
  server.on("checkContinue", asked);
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    traffic.badRequests++;
    // In the midst of an answer there is no place for another one.
    if (socket.writable && error.code !== "ECONNRESET" && !answering.has(socket)) {
      const [phrase, answer] = BAD_REQUESTS[error.code ?? ""] ?? BAD_REQUEST;
      socket.write(lastWords(answer, phrase));
    }
    socket.destroy();
  });
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

const BAD_REQUEST: readonly [phrase: string, answer: Answer] = [
  "Bad Request",
  refusal(400, "BAD_REQUEST", "this is no HTTP request; send one such as GET /healthz"),
];

/** By the codes of Node's parser. */
const BAD_REQUESTS: Readonly<Record<string, typeof BAD_REQUEST>> = {
  HPE_HEADER_OVERFLOW: [
    "Request Header Fields Too Large",
    refusal(431, "HEADERS_TOO_LARGE", `path and headers take ${MAX_HEADER_BYTES} bytes at most; send fewer`),
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    "Request Timeout",
    refusal(
      408,
      "TIMEOUT",
      `a request has to be there within ${REQUEST_LIMIT_MS / 1_000} s; send it at once`,
    ),
  ],
};

/** Answers one request; never rejects. */
async function handle(
  sources: Sources,
  traffic: Traffic,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A caller that hangs up half-way is its own affair.
  response.on("error", () => undefined);
  // What was not read cannot be told from the next request.
  if (hasBody(request)) response.shouldKeepAlive = false;
  const path = pathOf(request);
  const route = ROUTES.get(path);
  response.once("finish", () => traffic.answered(route === undefined ? "other" : path, response.statusCode));
  send(request, response, refused(request, route) ?? (await answerOf(route!, sources)));
}

function refused(request: IncomingMessage, route: Route | undefined): Answer | undefined {
  if (route === undefined) {
    return refusal(404, "NOT_FOUND", `there is nothing here; there is ${[...ROUTES.keys()].join(", ")}`);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    const allow = { allow: "GET, HEAD" };
    return refusal(405, "METHOD_NOT_ALLOWED", "only GET and HEAD are answered here", allow);
  }
  if (hasBody(request)) return refusal(413, "BODY_REFUSED", "send no body; nothing here reads one");
  return undefined;
}

async function answerOf(route: Route, sources: Sources): Promise<Answer> {
  try {
    return await route(sources);
  } catch (error) {
    // A fault in here must not end a host that still serves its data.
    return refusal(500, "INTERNAL", error instanceof Error ? error.message : String(error));
  }
}

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
