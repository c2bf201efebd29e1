/** The doors that `serve` opens on a host, and how they close: clients first, then the host, then who looks on. */
import { readFile } from "node:fs/promises";
import { TidemarkError } from "../errors.ts";
import { type HttpDoor, type HttpTls, serveHttp } from "../providers/http/http.ts";
import { type RespDoor, type RespTls, type RespUser, serveResp } from "../providers/resp/resp.ts";
import type { Tidemark } from "../tidemark.ts";
import { checkedUsers } from "./config-users.ts";
import type { HttpSettings, RespSettings, ServeSettings } from "./flags.ts";
import type { Tell } from "./tell.ts";

export interface Doors {
  /** Settles when a client has asked the host to end. */
  readonly shutDown: Promise<string>;
  /** Ends what clients do, lets `leave` end the host, and closes HTTP last, so that readiness is seen to be gone. */
  close(leave?: () => Promise<void>): Promise<void>;
}

/** Opens what is asked for, and says where it listens. Whatever fails, nothing stays open. */
export async function openDoors(
  kv: Tidemark,
  settings: Pick<ServeSettings, "resp" | "http">,
  tell: Tell,
): Promise<Doors> {
  let resp: RespDoor | undefined;
  let http: HttpDoor | undefined;
  let asked: (how: string) => void = () => undefined;
  const shutDown = new Promise<string>((resolve) => {
    asked = resolve;
  });
  try {
    if (settings.resp !== undefined) {
      resp = await openResp(kv, settings.resp, () => asked("SHUTDOWN"));
      const { host, port, url } = resp.address;
      tell("listening", `redis  ${url}`, { door: "resp", host, port, url });
    }
    if (settings.http !== undefined) {
      http = await openHttp(kv, settings.http, resp);
      const { host, port, url } = http.address;
      tell("listening", `http   ${url}  the status page; /healthz /readyz /status /metrics`, {
        door: "http",
        host,
        port,
        url,
      });
    }
  } catch (error) {
    await resp?.close();
    throw error;
  }
  const renew = () => void renewTls(resp, http, settings, tell);
  if (settings.resp?.tls !== undefined || settings.http?.tls !== undefined) process.on("SIGHUP", renew);
  return {
    shutDown,
    close: async (leave) => {
      process.off("SIGHUP", renew);
      await resp?.close();
      await leave?.();
      await http?.close();
    },
  };
}

async function openResp(kv: Tidemark, settings: RespSettings, onShutdown: () => void): Promise<RespDoor> {
  const { host, port, password, usersFile, limits, allowOpen, tls } = settings;
  const users = usersFile === undefined ? settings.users : await readUsers(usersFile);
  return serveResp({
    kv,
    host,
    port,
    allowOpen,
    onShutdown,
    ...(password === undefined ? {} : { password }),
    limits,
    ...(users === undefined ? {} : { users }),
    ...(tls === undefined ? {} : { tls: await readTls(tls) }),
  });
}

async function openHttp(kv: Tidemark, settings: HttpSettings, resp: RespDoor | undefined): Promise<HttpDoor> {
  const { host, port, tokenFile, tls } = settings;
  const token =
    tokenFile === undefined ? settings.token : String(await read(tokenFile, "--http-token-file")).trim();
  return serveHttp({
    kv,
    host,
    port,
    ...(resp === undefined ? {} : { redis: () => resp.status() }),
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls: await readHttpTls(tls) }),
  });
}

async function renewTls(
  resp: RespDoor | undefined,
  http: HttpDoor | undefined,
  settings: Pick<ServeSettings, "resp" | "http">,
  tell: Tell,
): Promise<void> {
  const { resp: forResp, http: forHttp } = settings;
  if (forResp?.tls !== undefined) {
    const { tls } = forResp;
    await renewDoor("resp", "redis ", async () => resp!.renewTls(await readTls(tls)), tell);
  }
  if (forHttp?.tls !== undefined) {
    const { tls } = forHttp;
    await renewDoor("http", "http  ", async () => http!.renewTls(await readHttpTls(tls)), tell);
  }
}

async function renewDoor(door: string, name: string, renew: () => Promise<void>, tell: Tell): Promise<void> {
  try {
    await renew();
    tell("renewed", `${name} new connections get the certificate as it is now`, { door });
  } catch (error) {
    // The old certificate stays in force: a door that closes over a typing error helps nobody.
    const reason = error instanceof Error ? error.message : String(error);
    tell("notRenewed", `${name} the certificate stays as it was: ${reason}`, { door, reason });
  }
}

async function readHttpTls({ cert, key }: NonNullable<HttpSettings["tls"]>): Promise<HttpTls> {
  return { cert: await read(cert, "--http-cert"), key: await read(key, "--http-key") };
}

async function readTls({ cert, key, ca }: NonNullable<RespSettings["tls"]>): Promise<RespTls> {
  const files = { cert: await read(cert, "--resp-cert"), key: await read(key, "--resp-key") };
  return ca === undefined ? files : { ...files, ca: await read(ca, "--resp-ca") };
}

async function readUsers(file: string): Promise<readonly RespUser[]> {
  const text = String(await read(file, "--resp-users"));
  let users: unknown;
  try {
    users = JSON.parse(text);
  } catch (cause) {
    // The message of the parser quotes what stands there, which may be a password.
    throw wrong(`--resp-users: ${file} is no JSON; look for a comma or a quote`, cause);
  }
  return checkedUsers(users, `--resp-users: ${file}: users`);
}

async function read(file: string, flag: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw wrong(`${flag}: ${(cause as Error).message}`, cause);
  }
}

function wrong(message: string, cause?: unknown): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", message, { cause });
}
