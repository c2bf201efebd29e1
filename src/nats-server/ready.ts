/**
 * When a server is ready: a connection is accepted and greets with INFO. A server is known by the name in
 * its greeting, so that a stranger on the same port is never taken for the one just started.
 */
import { randomInt } from "node:crypto";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What of a server's INFO is read here. */
export interface ServerInfo {
  readonly version: string;
  readonly server_name?: string;
  readonly jetstream?: boolean;
}

const INFO_LIMIT_BYTES = 64 * 1024;
const BETWEEN_TRIES_MS = 20;

// Below the range systems hand out for outgoing connections (32768 and up on Linux): while a server is down
// between stop and restart, a client that keeps dialling its port could otherwise be given that very port.
const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 32_767;
const PORT_TRIES = 50;

/** Reads the greeting of the server at an address, or rejects within the time given. */
export function readInfo(at: { host: string; port: number; timeoutMs: number }): Promise<ServerInfo> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: at.host, port: at.port, timeout: at.timeoutMs });
    const fail = (reason: Error) => {
      socket.destroy();
      reject(reason);
    };
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", fail);
    socket.on("timeout", () => fail(new Error(`${at.host}:${at.port} sent no INFO in ${at.timeoutMs} ms`)));
    socket.on("close", () => fail(new Error(`${at.host}:${at.port} hung up before INFO`)));
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\r\n");
      if (end < 0 && text.length < INFO_LIMIT_BYTES) return;
      try {
        resolve(parseInfo(text.slice(0, end)));
      } catch {
        reject(new Error(`${at.host}:${at.port} does not greet as a nats-server`));
      }
      socket.destroy();
    });
  });
}

function parseInfo(line: string): ServerInfo {
  if (!/^INFO\s/.test(line)) throw new SyntaxError("no INFO");
  const info: unknown = JSON.parse(line.slice(4));
  if (typeof info !== "object" || info === null || !("version" in info)) throw new SyntaxError("no version");
  return info as ServerInfo;
}

/** Waits until the server of that name greets; rejects when the time is over or `failed` says it is in vain. */
export async function untilReady(server: {
  host: string;
  port: number;
  name: string;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** The reason to stop waiting, such as a process that has ended, or undefined. */
  failed: () => string | undefined;
}): Promise<void> {
  const limit = AbortSignal.timeout(server.timeoutMs);
  let last = "no answer";
  while (!limit.aborted) {
    server.signal?.throwIfAborted();
    const reason = server.failed();
    if (reason !== undefined) throw new Error(reason);
    try {
      const info = await readInfo({ host: server.host, port: server.port, timeoutMs: 1_000 });
      if (info.server_name === server.name) return;
      last = `port ${server.port} is held by another server, ${info.server_name ?? "without a name"}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await delay(BETWEEN_TRIES_MS);
  }
  throw new Error(`not ready after ${server.timeoutMs} ms: ${last}`);
}

/** A port nobody listens on at this moment, outside the range of outgoing connections. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES; attempt++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port found in ${PORT_TRIES} tries between ${LOWEST_PORT} and ${HIGHEST_PORT}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
