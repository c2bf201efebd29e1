/** Which host a command asks over HTTP: from flags, else from the environment, else the host of this machine. */
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import { HTTP_HOST, HTTP_PORT } from "../../providers/http/http.ts";
import { durationOf, type Environment } from "./resp-target.ts";

export interface HttpTarget {
  /** Without a path and without what logs in. */
  readonly url: string;
  /** What the host wants as its bearer token. */
  readonly token: string | undefined;
  /** The name of a file, PEM: whom the host's certificate must come from. */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
}

/** What commander makes of the flags of `addHttpFlags`. */
export interface HttpFlags {
  readonly url?: string;
  readonly httpToken?: string;
  readonly httpCa?: string;
  readonly timeout?: string;
}

const DEFAULT_TIMEOUT = "10s";

export const HTTP_HELP = `
Instead of flags: TIDEMARK_HTTP_URL, TIDEMARK_HTTP_TOKEN (a command line can be
read by others), TIDEMARK_HTTP_CA, TIDEMARK_TIMEOUT.`;

export function addHttpFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", `host, http:// or https:// (default http://${HTTP_HOST}:${HTTP_PORT})`),
    )
    .addOption(new Option("--http-token <token>", "bearer token, where the host wants one"))
    .addOption(new Option("--http-ca <file>", "TLS: whom the host's certificate must come from, PEM"))
    .addOption(
      new Option("--timeout <duration>", `how long to wait for an answer (default ${DEFAULT_TIMEOUT})`),
    );
}

/** Throws `INVALID_ARGUMENT` with the flag or the variable that is wrong. */
export function httpTarget(flags: HttpFlags, env: Environment): HttpTarget {
  const from = (flag: string | undefined, variable: string) => flag ?? (env[variable] || undefined);
  const given = from(flags.url, "TIDEMARK_HTTP_URL") ?? `http://${HTTP_HOST}:${HTTP_PORT}`;
  const parsed = URL.canParse(given) ? new URL(given) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    const source = flags.url === undefined ? "TIDEMARK_HTTP_URL" : "--url";
    throw new TidemarkError("INVALID_ARGUMENT", `${source} takes http://host:port, or https://host:port`);
  }
  const timeout = from(flags.timeout, "TIDEMARK_TIMEOUT") ?? DEFAULT_TIMEOUT;
  return {
    url: parsed.origin,
    token: from(flags.httpToken, "TIDEMARK_HTTP_TOKEN"),
    ca: from(flags.httpCa, "TIDEMARK_HTTP_CA"),
    timeoutMs: durationOf(timeout, flags.timeout === undefined ? "TIDEMARK_TIMEOUT" : "--timeout"),
  };
}
