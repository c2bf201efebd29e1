/**
 * The Redis protocol, for any language: RESP2, RESP3 and lines typed by hand, on top of the operations of a
 * host. `parser.ts` and `reply.ts` know the protocol, `command.ts` and `commands/` what is served, and
 * `connection.ts` brings them together.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { TidemarkError } from "../../errors.ts";
import type { Tidemark } from "../../tidemark.ts";
import { type Certificate, renew, secured } from "../listening/certificate.ts";
import { isLoopback, listen, urlOf } from "../listening/listen.ts";
import { Access, type RespUser } from "./access.ts";
import { Configuration } from "./configuration.ts";
import { Connection } from "./connection.ts";
import { DEFAULT_LIMITS, type RespLimits } from "./limits.ts";
import { type RespCounts, Service } from "./service.ts";

export type { RespUser } from "./access.ts";
export type { RespLimits } from "./limits.ts";
export type { RespCounts } from "./service.ts";

/** Certificate, key and whom client certificates must come from, as PEM. */
export type RespTls = Certificate;

export interface RespOptions {
  /** The host that is served; it is not closed with the door. */
  readonly kv: Tidemark;
  /** The address to listen on, `127.0.0.1` for this machine only. Default that. */
  readonly host?: string;
  /** 0: a free one. Default 7379. */
  readonly port?: number;
  /** Of the default user: who does not know it can only log in. */
  readonly password?: string;
  readonly users?: readonly RespUser[];
  /** Consent to be reached from other machines without anybody having to log in. */
  readonly allowOpen?: boolean;
  readonly tls?: RespTls;
  readonly limits?: Partial<RespLimits>;
  /** What SHUTDOWN calls; without it SHUTDOWN is refused. */
  readonly onShutdown?: () => void;
}

export interface RespAddress {
  readonly host: string;
  readonly port: number;
  /** `redis://` or `rediss://`. */
  readonly url: string;
}

export interface RespStatus extends RespCounts {
  /** Connected now, and how many may be. */
  clients: number;
  maxClients: number;
}

export interface RespDoor {
  /** Where it listens, with the port it got. */
  readonly address: RespAddress;
  status(): RespStatus;
  /** Serves new connections with another certificate. Throws `INVALID_ARGUMENT` where it cannot be used. */
  renewTls(tls: RespTls): void;
  /** Takes no more connections and ends those there are, their replies sent. Safe to call twice. */
  close(): Promise<void>;
}

export const RESP_HOST = "127.0.0.1";
export const RESP_PORT = 7379;
/** How often idle clients and slow readers are looked for. */
const CHECK_EVERY_MS = 1_000;
/** How long clients may take to read their last replies once the door closes. */
const CLOSE_LIMIT_MS = 1_000;
const TOO_MANY = Buffer.from("-ERR max number of clients reached\r\n");

/** Starts to listen. Rejects `LISTEN_FAILED` when the address cannot be had, `INVALID_ARGUMENT`. */
export async function serveResp(options: RespOptions): Promise<RespDoor> {
  const { kv, host = RESP_HOST, port = RESP_PORT, password, users = [], tls } = options;
  if (!isLoopback(host) && !password && users.length === 0 && options.allowOpen !== true) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `${host} would let other machines read and write everything without logging in; give a password, ` +
        `listen on ${RESP_HOST}, or consent with allowOpen`,
    );
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const access = new Access(password || undefined, users);
  const service: Service = new Service({
    kv,
    access,
    limits,
    configuration: new Configuration(limits, access, () => service.port),
    shutDown: options.onShutdown,
  });
  const connections = new Set<Connection>();
  const accept = (socket: Socket) => admit(socket, service, connections, tls !== undefined);
  const server =
    tls === undefined ? createServer({ noDelay: true }, accept) : tlsServer(tls, accept, limits.maxClients);
  const bound = await listen(server, "The Redis protocol", host, port);
  service.port = bound.port;
  const check = setInterval(() => {
    const now = performance.now();
    for (const connection of connections) connection.check(now);
  }, CHECK_EVERY_MS);
  check.unref();
  let closing: Promise<void> | undefined;
  return {
    address: {
      host: bound.address,
      port: bound.port,
      url: urlOf(tls === undefined ? "redis" : "rediss", bound),
    },
    status: () => ({ clients: connections.size, maxClients: limits.maxClients, ...service.counts }),
    renewTls: (renewed) => renew(server, renewed),
    close: () => {
      closing ??= closeDoor(server, connections).finally(() => clearInterval(check));
      return closing;
    },
  };
}

function admit(socket: Socket, service: Service, connections: Set<Connection>, encrypted: boolean): void {
  if (connections.size >= service.limits.maxClients) {
    service.counts.refusedConnections++;
    socket.on("error", () => undefined);
    socket.end(TOO_MANY);
    socket.destroySoon();
    return;
  }
  service.counts.connections++;
  const connection = new Connection(socket, service, encrypted);
  connections.add(connection);
  socket.once("close", () => connections.delete(connection));
}

function tlsServer(tls: RespTls, accept: (socket: Socket) => void, maxClients: number): TlsServer {
  const server = secured(tls, (context) => createTlsServer(context, accept));
  // Who has not shaken hands is not counted as a client yet, and costs memory all the same.
  server.maxConnections = 2 * maxClients;
  return server;
}

function closeDoor(server: Server, connections: ReadonlySet<Connection>): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      for (const connection of connections) connection.kill();
    }, CLOSE_LIMIT_MS);
    server.close(() => {
      clearTimeout(late);
      resolve();
    });
    for (const connection of connections) connection.leave();
  });
}
