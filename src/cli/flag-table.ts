/**
 * The flags of `tidemark serve` as data: the command line, the variables of the environment, the keys of a
 * configuration file and its schema all come from this table.
 */
import { HTTP_HOST, HTTP_PORT } from "../providers/http/http.ts";
import { RESP_HOST, RESP_PORT } from "../providers/resp/resp.ts";

/** What a flag takes: a kind of `config-kinds.ts`, or one of a few words. */
export type Takes =
  | "address"
  | "count"
  | "duration"
  | "file"
  | "name"
  | "secret"
  | "servers"
  | "size"
  | "switch"
  | "text"
  | readonly string[];

export interface Flag {
  /** As commander takes it. */
  readonly flag: string;
  /** What the command calls its value, and the key of a configuration file. */
  readonly name: string;
  readonly takes: Takes;
  readonly about: string;
}

export const FLAGS: readonly Flag[] = [
  {
    flag: "--config <file>",
    name: "config",
    takes: "file",
    about: "take from a JSON file what is not set here; docs/CLI.md",
  },
  {
    flag: "--nats <urls>",
    name: "nats",
    takes: "servers",
    about: "servers, separated by commas; without them the host stands alone",
  },
  {
    flag: "--nats-creds <file>",
    name: "natsCreds",
    takes: "file",
    about: "credentials file (user JWT and seed)",
  },
  {
    flag: "--nats-nkey <file>",
    name: "natsNkey",
    takes: "file",
    about: "seed of an nkey",
  },
  {
    flag: "--nats-ca <file>",
    name: "natsCa",
    takes: "file",
    about: "TLS: whom its certificate must come from, PEM",
  },
  {
    flag: "--nats-cert <file>",
    name: "natsCert",
    takes: "file",
    about: "TLS: this host's certificate, PEM",
  },
  {
    flag: "--nats-key <file>",
    name: "natsKey",
    takes: "file",
    about: "TLS: its key",
  },
  {
    flag: "--namespace <name>",
    name: "namespace",
    takes: "name",
    about: 'hosts of one namespace share one data set (default "default")',
  },
  {
    flag: "--node <name>",
    name: "node",
    takes: "name",
    about: "this host's name (default: from the machine's)",
  },
  {
    flag: "--resp <address>",
    name: "resp",
    takes: "address",
    about: `Redis protocol: host:port, port or "off" (default ${RESP_HOST}:${RESP_PORT})`,
  },
  {
    flag: "--requirepass <password>",
    name: "requirepass",
    takes: "secret",
    about: "what clients of the Redis protocol log in with",
  },
  {
    flag: "--resp-users <file>",
    name: "respUsers",
    takes: "file",
    about: "named users as JSON; see docs/REDIS.md",
  },
  {
    flag: "--resp-cert <file>",
    name: "respCert",
    takes: "file",
    about: "TLS for the Redis protocol: certificate, PEM",
  },
  {
    flag: "--resp-key <file>",
    name: "respKey",
    takes: "file",
    about: "its key; SIGHUP reads both again",
  },
  {
    flag: "--resp-ca <file>",
    name: "respCa",
    takes: "file",
    about: "whom client certificates must come from",
  },
  {
    flag: "--allow-open",
    name: "allowOpen",
    takes: "switch",
    about: "serve the Redis protocol beyond this machine without a password",
  },
  {
    flag: "--http <address>",
    name: "http",
    takes: "address",
    about: `HTTP: the same (default ${HTTP_HOST}:${HTTP_PORT}; port 0: a free one)`,
  },
  {
    flag: "--http-token <token>",
    name: "httpToken",
    takes: "secret",
    about: "what callers of HTTP log in with; health and readiness stay open",
  },
  {
    flag: "--http-token-file <file>",
    name: "httpTokenFile",
    takes: "file",
    about: "a file that holds it",
  },
  {
    flag: "--http-cert <file>",
    name: "httpCert",
    takes: "file",
    about: "TLS for HTTP: certificate, PEM",
  },
  {
    flag: "--http-key <file>",
    name: "httpKey",
    takes: "file",
    about: "its key; SIGHUP reads both again",
  },
  {
    flag: "--allow-remote",
    name: "allowRemote",
    takes: "switch",
    about: "serve HTTP beyond this machine without a token",
  },
  {
    flag: "--ttl <duration>",
    name: "ttl",
    takes: "duration",
    about: "time to live of keys created without one (default: none)",
  },
  {
    flag: "--ttl-from <moment>",
    name: "ttlFrom",
    takes: ["creation", "write"],
    about: "what it counts from: creation of the key (default), or its last write",
  },
  {
    flag: "--max-entries <keys>",
    name: "maxEntries",
    takes: "count",
    about: "how many keys to keep at most (default: no bound)",
  },
  {
    flag: "--max-bytes <size>",
    name: "maxBytes",
    takes: "size",
    about: "how much memory they may take, such as 512mb (default: no bound)",
  },
  {
    flag: "--eviction <policy>",
    name: "eviction",
    takes: ["lru", "s3fifo", "none"],
    about: "who goes at the bound: lru (default), s3fifo, or none: refuse",
  },
  {
    flag: "--checkpoint <file>",
    name: "checkpoint",
    takes: "file",
    about: "keep a copy of the data there, and load it at the next start",
  },
  {
    flag: "--checkpoint-every <duration>",
    name: "checkpointEvery",
    takes: "duration",
    about: "how often it is written (default 30s)",
  },
  {
    flag: "--heartbeat <duration>",
    name: "heartbeat",
    takes: "duration",
    about: "how often hosts compare notes (default 1s)",
  },
  {
    flag: "--connect-timeout <duration>",
    name: "connectTimeout",
    takes: "duration",
    about: "how long to try to reach a server (default 10s)",
  },
  {
    flag: "--subject-prefix <subject>",
    name: "subjectPrefix",
    takes: "text",
    about: "what subjects start with (default tidemark.<namespace>)",
  },
  { flag: "--json", name: "json", takes: "switch", about: "write JSON lines" },
];

/** The environment variable of a flag: `TIDEMARK_MAX_ENTRIES` of `--max-entries <keys>`. */
export function variableOf({ flag }: Pick<Flag, "flag">): string {
  return `TIDEMARK_${flag.split(" ")[0]!.slice(2).replaceAll("-", "_").toUpperCase()}`;
}

/** What a setting was given as, and by which name an error has to call it. */
export interface Given {
  readonly text: string | true;
  readonly source: string;
}
