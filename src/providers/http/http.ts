/**
 * Health, readiness, status, metrics and a page over HTTP, for orchestrators and for people. It only reads: nothing
 * a caller sends changes a host, and nothing it sends can take it down; bodies are refused unread.
 *
 * `/healthz` says that the process works, `/readyz` that the host has caught up and may get traffic. They
 * differ so that a host which catches up, drains or is fenced is taken out of rotation and not restarted.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Duplex } from "node:stream";
import type { Tidemark } from "../../tidemark.ts";
import { type Certificate, renew, secured } from "../listening/certificate.ts";
import { listen, urlOf } from "../listening/listen.ts";
import { processFigures, type RedisFigures } from "./figures.ts";
import { readPage } from "./page.ts";
import { rateLimit } from "./rate.ts";
import { reportOf } from "./report.ts";
import { type Desk, handle, lastWordsTo, MAX_HEADER_BYTES, REQUEST_LIMIT_MS } from "./requests.ts";
import { Streams } from "./streams.ts";
import { Timeline } from "./timeline.ts";
import { admits } from "./token.ts";
import { Traffic } from "./traffic.ts";

export type { RedisFigures } from "./figures.ts";

/** Certificate and key as PEM. */
export type HttpTls = Omit<Certificate, "ca">;

export interface HttpOptions {
  /** The host that is told about; it is not closed with the door. */
  readonly kv: Pick<Tidemark, "status" | "on">;
  /** The address to listen on, `127.0.0.1` for this machine only. Default that. */
  readonly host?: string;
  /** 0: a free one. Default 7380. */
  readonly port?: number;
  /** What the door of the Redis protocol has counted, where there is one. */
  readonly redis?: () => RedisFigures;
  /** What callers have to know to see more than health and readiness; 16 characters at least. Absent: nothing. */
  readonly token?: string;
  readonly tls?: HttpTls;
}

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  readonly url: string;
}

export interface HttpDoor {
  /** Where it listens, with the port it got. */
  readonly address: HttpAddress;
  /** Serves new connections with another certificate. Throws `INVALID_ARGUMENT` where it cannot be used. */
  renewTls(tls: HttpTls): void;
  /** Takes no more connections and ends those there are. Safe to call twice. */
  close(): Promise<void>;
}

export const HTTP_HOST = "127.0.0.1";
export const HTTP_PORT = 7380;
/** A handful of probes and dashboards ask; the rest would cost memory for nothing. */
const MAX_CONNECTIONS = 256;
const MAX_HEADERS = 100;
const IDLE_LIMIT_MS = 5_000;
const CHECK_EVERY_MS = 1_000;
/** How long an answer under way may take to be read once the door closes. */
const CLOSE_LIMIT_MS = 1_000;

/** Starts to listen. Rejects `LISTEN_FAILED` when the address cannot be had, `INVALID_ARGUMENT` for a bad token or certificate. */
export async function serveHttp(options: HttpOptions): Promise<HttpDoor> {
  const { kv, host = HTTP_HOST, port = HTTP_PORT, redis } = options;
  const admitted = admits(options.token);
  const page = await readPage();
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: REQUEST_LIMIT_MS,
    requestTimeout: REQUEST_LIMIT_MS,
    keepAliveTimeout: IDLE_LIMIT_MS,
    connectionsCheckingInterval: CHECK_EVERY_MS,
  };
  const server: Server =
    options.tls === undefined
      ? createServer(limits)
      : secured(options.tls, (context) => createSecureServer({ ...limits, ...context }));
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = MAX_CONNECTIONS;
  const traffic = new Traffic(server);
  const timeline = new Timeline(() => kv.status());
  const figures = () => ({
    status: kv.status(),
    redis: redis?.(),
    http: traffic.figures(streams),
    process: processFigures(),
  });
  const streams: Streams = new Streams({
    timeline,
    report: () => reportOf(figures(), performance.now(), Date.now()),
  });
  const mayAsk = rateLimit();
  const desk: Desk = { page, traffic, streams, figures, status: () => kv.status(), admitted, mayAsk };
  const answering = new WeakSet<Duplex>();
  const asked = (request: IncomingMessage, response: ServerResponse) => {
    answering.add(request.socket);
    response.once("close", () => answering.delete(request.socket));
    void handle(desk, request, response);
  };
  server.on("request", asked);
  // Without this Node would invite the body that is refused.
  server.on("checkContinue", asked);
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    traffic.badRequests++;
    // In the midst of an answer there is no place for another one.
    if (socket.writable && error.code !== "ECONNRESET" && !answering.has(socket))
      socket.write(lastWordsTo(error));
    socket.destroy();
  });
  const bound = await listen(server, "HTTP", host, port);
  const deaf = kv.on("replication", (batch) => {
    timeline.add(batch);
    streams.timelineGrew();
  });
  let closing: Promise<void> | undefined;
  return {
    address: {
      host: bound.address,
      port: bound.port,
      url: urlOf(options.tls === undefined ? "http" : "https", bound),
    },
    renewTls: (tls) => renew(server, tls),
    close: () => {
      deaf();
      streams.close();
      closing ??= closeDoor(server);
      return closing;
    },
  };
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
