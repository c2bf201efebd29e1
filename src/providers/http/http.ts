/**
 * Health, readiness, status, metrics and a page over HTTP, for orchestrators and for people. It only reads: nothing
 * a caller sends changes a host, and nothing it sends can take it down; bodies are refused unread.
 *
 * `/healthz` says that the process works, `/readyz` that the host has caught up and may get traffic. They
 * differ so that a host which catches up, drains or is fenced is taken out of rotation and not restarted.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { TidemarkError } from "../../errors.ts";
import type { Tidemark } from "../../tidemark.ts";
import { processFigures, type RedisFigures } from "./figures.ts";
import { readPage } from "./page.ts";
import { rateLimit } from "./rate.ts";
import { reportOf } from "./report.ts";
import { type Desk, handle, lastWordsTo, MAX_HEADER_BYTES, REQUEST_LIMIT_MS } from "./requests.ts";
import { Streams } from "./streams.ts";
import { Timeline } from "./timeline.ts";
import { type HttpTls, renew, serverOf } from "./tls.ts";
import { admits } from "./token.ts";
import { Traffic } from "./traffic.ts";

export type { RedisFigures } from "./figures.ts";
export type { HttpTls } from "./tls.ts";

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
  const server = serverOf(limits, options.tls);
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
  await listen(server, host, port);
  const bound = server.address() as AddressInfo;
  const deaf = kv.on("replication", (batch) => {
    timeline.add(batch);
    streams.timelineGrew();
  });
  let closing: Promise<void> | undefined;
  return {
    address: { host: bound.address, port: bound.port, url: urlOf(bound, options.tls !== undefined) },
    renewTls: (tls) => renew(server, tls),
    close: () => {
      deaf();
      streams.close();
      closing ??= closeDoor(server);
      return closing;
    },
  };
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

function urlOf({ address, family, port }: AddressInfo, encrypted: boolean): string {
  return `${encrypted ? "https" : "http"}://${family === "IPv6" ? `[${address}]` : address}:${port}`;
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
