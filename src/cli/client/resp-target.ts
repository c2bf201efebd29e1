/**
 * Which host a command talks to over the Redis protocol, and as whom: from flags, else from the environment,
 * else the host of this machine. Nothing here connects.
 */
import { type Command, Option } from "commander";
import { type Duration, parseDuration } from "../../arguments.ts";
import { TidemarkError } from "../../errors.ts";
import { RESP_HOST, RESP_PORT } from "../../providers/resp/resp.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A host's door of the Redis protocol. */
export interface RespTarget {
  /** Without the password, so that it can be shown. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Names of files, PEM: whom the host's certificate must come from, and a certificate of ours with its key. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** How long to wait for a connection, and for an answer. */
  readonly timeoutMs: number;
}

/** What commander makes of the flags of `addRespFlags`. */
export interface RespFlags {
  readonly url?: string;
  readonly user?: string;
  readonly password?: string;
  readonly respCa?: string;
  readonly respCert?: string;
  readonly respKey?: string;
  readonly timeout?: string;
}

const DEFAULT_TIMEOUT = "10s";

/** Every command that talks to a host has these. */
export const RESP_HELP = `
Instead of flags: TIDEMARK_URL, TIDEMARK_USER, TIDEMARK_PASSWORD (a command
line can be read by others), TIDEMARK_TIMEOUT, TIDEMARK_RESP_CA, _CERT, _KEY.`;

export function addRespFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", `host, redis:// or rediss:// (default redis://${RESP_HOST}:${RESP_PORT})`),
    )
    .addOption(new Option("--user <name>", "user to log in as (default: the one without a name)"))
    .addOption(new Option("--password <password>", "password to log in with"))
    .addOption(new Option("--resp-ca <file>", "TLS: whom the host's certificate must come from, PEM"))
    .addOption(new Option("--resp-cert <file>", "TLS: a client certificate, PEM"))
    .addOption(new Option("--resp-key <file>", "TLS: its key"))
    .addOption(
      new Option("--timeout <duration>", `how long to wait for an answer (default ${DEFAULT_TIMEOUT})`),
    );
}

/** Throws `INVALID_ARGUMENT` with the flag or the variable that is wrong. */
export function respTarget(flags: RespFlags, env: Environment): RespTarget {
  const from = (flag: string | undefined, ...variables: string[]): string | undefined =>
    flag ?? variables.map((name) => env[name]).find((value) => value !== undefined && value !== "");
  const ca = from(flags.respCa, "TIDEMARK_RESP_CA");
  const [cert, key] = [from(flags.respCert, "TIDEMARK_RESP_CERT"), from(flags.respKey, "TIDEMARK_RESP_KEY")];
  if ((cert === undefined) !== (key === undefined))
    throw wrong("a client certificate takes both --resp-cert and --resp-key");
  const given = from(flags.url, "TIDEMARK_URL");
  const encrypted = ca !== undefined || cert !== undefined;
  const address = given ?? `${encrypted ? "rediss" : "redis"}://${RESP_HOST}:${RESP_PORT}`;
  const target = addressOf(address, flags.url === undefined ? "TIDEMARK_URL" : "--url");
  const timeout = from(flags.timeout, "TIDEMARK_TIMEOUT") ?? DEFAULT_TIMEOUT;
  return {
    ...target,
    user: from(flags.user, "TIDEMARK_USER") ?? target.user,
    // Beside a host of `serve`, as in its container, its own variable says the password.
    password:
      from(flags.password, "TIDEMARK_PASSWORD") ?? target.password ?? from(undefined, "TIDEMARK_REQUIREPASS"),
    ca,
    cert,
    key,
    timeoutMs: durationOf(timeout, flags.timeout === undefined ? "TIDEMARK_TIMEOUT" : "--timeout"),
  };
}

/** A duration as typed: a plain number is milliseconds. Throws `INVALID_ARGUMENT` with the name. */
export function durationOf(text: string, name: string): number {
  return parseDuration((/^\d+(\.\d+)?$/.test(text) ? Number(text) : text) as Duration, name);
}

type Address = Pick<RespTarget, "url" | "host" | "port" | "tls" | "user" | "password">;

function addressOf(given: string, source: string): Address {
  const takes = `${source} takes redis://host:port, or rediss://host:port for TLS`;
  const parsed = URL.canParse(given) ? new URL(given) : undefined;
  // What was typed is not repeated: it may hold a password.
  if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === "")
    throw wrong(takes);
  if (parsed.pathname.length > 1 && parsed.pathname !== "/0")
    throw wrong(`${takes}; there is database 0 only`);
  const port = parsed.port === "" ? RESP_PORT : Number(parsed.port);
  return {
    url: `${parsed.protocol}//${parsed.hostname}:${port}`,
    host: parsed.hostname.replace(/^\[|\]$/g, ""),
    port,
    tls: parsed.protocol === "rediss:",
    user: decoded(parsed.username, takes),
    password: decoded(parsed.password, takes),
  };
}

function decoded(text: string, takes: string): string | undefined {
  try {
    return text === "" ? undefined : decodeURIComponent(text);
  } catch {
    throw wrong(`${takes}; write a % in the user or the password as %25`);
  }
}

function wrong(sentence: string): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", sentence);
}
