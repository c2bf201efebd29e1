/**
 * What the flags of `tidemark serve`, their environment variables and a configuration file come to. A flag goes
 * before its variable, a `TIDEMARK_` variable before the name that the wasmCloud provider used, and both before the
 * file. An empty variable counts as not set, because compose files pass such. Nothing here connects or listens.
 */
import { type Command, Option } from "commander";
import type { Duration } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import { type OpenOptions, resolveSettings } from "../options.ts";
import { HTTP_PORT } from "../providers/http/http.ts";
import { isLoopback } from "../providers/listening/listen.ts";
import type { RespLimits } from "../providers/resp/limits.ts";
import { RESP_HOST, RESP_PORT, type RespUser } from "../providers/resp/resp.ts";
import { type Config, NO_CONFIG } from "./config-file.ts";
import { FLAGS, type Flag, type Given, variableOf } from "./flag-table.ts";
import { type NatsFiles, natsFiles, natsOption } from "./nats-login.ts";

/** Where to listen. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** The door of the Redis protocol; certificates and users by the names of their files. */
export interface RespSettings extends Place {
  readonly password: string | undefined;
  readonly usersFile: string | undefined;
  /** Those of the configuration file, where no other file is named. */
  readonly users: readonly RespUser[] | undefined;
  readonly limits: Partial<RespLimits>;
  readonly allowOpen: boolean;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string | undefined } | undefined;
}

/** The door of HTTP; the token itself, or the name of the file that holds it, and the names of those of TLS. */
export interface HttpSettings extends Place {
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

/** What `serve` runs with. */
export interface ServeSettings {
  readonly open: OpenOptions;
  /** What there is to be read before it can connect; `undefined`: nothing. */
  readonly natsFiles: NatsFiles | undefined;
  /** `undefined`: no Redis protocol. */
  readonly resp: RespSettings | undefined;
  /** `undefined`: no HTTP. */
  readonly http: HttpSettings | undefined;
  readonly json: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Names of the wasmCloud provider that mean one of ours. */
const OLDER: Readonly<Record<string, string>> = {
  nats: "NATS_URL",
  subjectPrefix: "STATE_REPL_SUBJECT",
  heartbeat: "REPLAY_HEARTBEAT_SECS",
};

/** Adds the flags to a command. */
export function addServeFlags(command: Command): Command {
  for (const { flag, about } of FLAGS) command.addOption(new Option(flag, about));
  return command;
}

/** The configuration file that flags or environment name. */
export function configFile(
  { config }: Readonly<Record<string, string | boolean | undefined>>,
  env: Environment,
): string | undefined {
  return typeof config === "string" ? config : env.TIDEMARK_CONFIG || undefined;
}

/** Settings from the parsed flags, the environment and a configuration file. Throws `INVALID_ARGUMENT` with the name that is wrong. */
export function serveSettings(
  parsed: Readonly<Record<string, string | boolean | undefined>>,
  env: Environment,
  config: Config = NO_CONFIG,
): ServeSettings {
  refuseSharedReplaySubject(env);
  const given = new Map<string, Given>();
  for (const flag of FLAGS) {
    const found = givenFor(flag, parsed, env) ?? config.given.get(flag.name);
    if (found !== undefined) given.set(flag.name, found);
  }
  const open = openOptions(given, env);
  checkOpen(open, given);
  const resp = respSettings(given, config);
  const http = httpSettings(given);
  return { open, natsFiles: natsFiles(given, env), resp, http, json: isOn(given.get("json")) };
}

function givenFor(
  { flag, name }: Pick<Flag, "flag" | "name">,
  parsed: Readonly<Record<string, string | boolean | undefined>>,
  env: Environment,
): Given | undefined {
  const value = parsed[name];
  if (typeof value === "string" || value === true) return { text: value, source: flag.split(" ")[0]! };
  const older = OLDER[name];
  const source = [variableOf({ flag }), older].find((each) => each !== undefined && Boolean(env[each]));
  if (source === undefined) return undefined;
  const text = env[source]!;
  return { text: source === "REPLAY_HEARTBEAT_SECS" ? seconds(text) : text, source };
}

function openOptions(given: ReadonlyMap<string, Given>, env: Environment): OpenOptions {
  const text = (name: string): string | undefined => given.get(name)?.text as string | undefined;
  const options: Record<string, unknown> = {
    nats: natsOption(text("nats"), env),
    namespace: text("namespace"),
    node: text("node"),
    subjectPrefix: text("subjectPrefix"),
    ttl: duration(text("ttl")),
    ttlFrom: text("ttlFrom"),
    maxEntries: number(text("maxEntries")),
    maxBytes: number(text("maxBytes")),
    eviction: text("eviction"),
    checkpoint: checkpointOption(given),
    heartbeat: duration(text("heartbeat")),
    connectTimeout: duration(text("connectTimeout")),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function checkpointOption(given: ReadonlyMap<string, Given>): OpenOptions["checkpoint"] {
  const path = given.get("checkpoint")?.text as string | undefined;
  const every = given.get("checkpointEvery");
  if (path !== undefined) {
    return every === undefined ? { path } : { path, every: duration(every.text as string)! };
  }
  if (every === undefined) return undefined;
  const sentence = `${every.source} is set and there is no file to write: name one with --checkpoint`;
  throw new TidemarkError("INVALID_ARGUMENT", sentence);
}

/** A plain number is milliseconds. */
function duration(text: string | undefined): Duration | undefined {
  return number(text) as Duration | undefined;
}

/** Text that is a plain number, as one; any other as it is, for `open` to judge. */
function number(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function seconds(text: string): string {
  return /^\d+(\.\d+)?$/.test(text.trim()) ? `${text.trim()}s` : text;
}

/** As `open` will check them, but with the flag or the variable named instead of the option. */
function checkOpen(open: OpenOptions, given: ReadonlyMap<string, Given>): void {
  try {
    resolveSettings(open);
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    const [option = ""] = error.message.split(" ", 1);
    const source = given.get(option === "checkpoint.every" ? "checkpointEvery" : option)?.source;
    if (source === undefined) throw error;
    const sentence = `${source}${error.message.slice(option.length)}`;
    throw new TidemarkError(error.code, sentence, { cause: error });
  }
}

function respSettings(given: ReadonlyMap<string, Given>, config: Config): RespSettings | undefined {
  const where = place(given.get("resp"), RESP_PORT);
  if (where === undefined) return undefined;
  const text = (name: string): string | undefined => given.get(name)?.text as string | undefined;
  const [cert, key, ca] = [text("respCert"), text("respKey"), text("respCa")];
  if ((cert === undefined) !== (key === undefined) || (ca !== undefined && cert === undefined)) {
    const sentence = "TLS takes both --resp-cert and --resp-key; --resp-ca comes on top of them";
    throw new TidemarkError("INVALID_ARGUMENT", sentence);
  }
  const tls = cert === undefined || key === undefined ? undefined : { cert, key, ca };
  const [password, usersFile] = [text("requirepass"), text("respUsers")];
  const allowOpen = isOn(given.get("allowOpen"));
  const users = usersFile === undefined ? config.users : undefined;
  const loggedIn = password !== undefined || usersFile !== undefined || users !== undefined;
  if (!isLoopback(where.host) && !loggedIn && !allowOpen) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `${given.get("resp")!.source} would let other machines read and write everything without logging in; ` +
        "add --requirepass (or TIDEMARK_REQUIREPASS), or --allow-open to consent",
    );
  }
  return { ...where, password, usersFile, users, limits: config.limits, allowOpen, tls };
}

function httpSettings(given: ReadonlyMap<string, Given>): HttpSettings | undefined {
  const where = place(given.get("http"), HTTP_PORT);
  if (where === undefined) return undefined;
  const [direct, file] = [given.get("httpToken"), given.get("httpTokenFile")];
  if (direct !== undefined && file !== undefined) {
    const sentence = `${direct.source} and ${file.source} are both set; give the token once`;
    throw new TidemarkError("INVALID_ARGUMENT", sentence);
  }
  const open = direct === undefined && file === undefined;
  if (open && !isLoopback(where.host) && !isOn(given.get("allowRemote"))) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `${given.get("http")!.source} would let other machines read the status of this host without logging in; ` +
        "give a token with --http-token-file, or add --allow-remote (or TIDEMARK_ALLOW_REMOTE=true) to consent",
    );
  }
  const text = (name: string): string | undefined => given.get(name)?.text as string | undefined;
  const [cert, key] = [text("httpCert"), text("httpKey")];
  if ((cert === undefined) !== (key === undefined))
    throw new TidemarkError("INVALID_ARGUMENT", "TLS takes both --http-cert and --http-key");
  const tls = cert === undefined || key === undefined ? undefined : { cert, key };
  return { ...where, token: text("httpToken"), tokenFile: text("httpTokenFile"), tls };
}

function place(given: Given | undefined, defaultPort: number): Place | undefined {
  if (given === undefined) return { host: RESP_HOST, port: defaultPort };
  const text = String(given.text).trim();
  if (text === "off") return undefined;
  const [, bracketed, plain, port = ""] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === "" || Number(port) > 65_535) {
    const takes = `takes host:port such as "${RESP_HOST}:${defaultPort}" or "[::1]:${defaultPort}", a port, or "off"`;
    throw new TidemarkError("INVALID_ARGUMENT", `${given.source} ${takes}, not ${JSON.stringify(text)}`);
  }
  return { host: bracketed ?? plain ?? RESP_HOST, port: Number(port) };
}

function isOn(given: Given | undefined): boolean {
  if (given === undefined || given.text === true) return given !== undefined;
  if (/^(1|true|yes|on)$/i.test(given.text)) return true;
  if (/^(0|false|no|off)$/i.test(given.text)) return false;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `${given.source} takes true or false, not ${JSON.stringify(given.text)}`,
  );
}

function refuseSharedReplaySubject(env: Environment): void {
  if (!env.REPLAY_REQ_SUBJECT) return;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    "REPLAY_REQ_SUBJECT is not taken any more: a host asks one other host for what it missed and is answered " +
      "on a subject of its own, where one shared subject made every host repair; unset it, and set " +
      "TIDEMARK_SUBJECT_PREFIX to move all subjects",
  );
}
