/** What one way of getting a nats-server came to: something to use, or the reason there is none. */

/** The names of the ways, in the order they are tried. */
export const WAYS = ["NATS_URL", "NATS_SERVER_BIN", "PATH", "docker", "download", "apt"] as const;

/** One way of getting a nats-server. */
export type Way = (typeof WAYS)[number];

/** A server that already runs and is not ours to stop. */
export interface RunningServer {
  readonly kind: "running";
  readonly url: string;
  readonly version: string;
}

/** A nats-server program that ran when asked for its version. */
export interface ServerBinary {
  readonly kind: "binary";
  readonly path: string;
  readonly version: string;
}

/** An image a Docker engine holds. */
export interface ServerImage {
  readonly kind: "image";
  readonly image: string;
}

/** A way that led nowhere, and why. */
export interface Missing {
  readonly kind: "missing";
  readonly reason: string;
}

/** The reason of a way that was never asked for; the only one not worth saying aloud. */
export const NOT_SET = "not set";

/** A way that led nowhere, for the reason given. */
export function missing(reason: string): Missing {
  return { kind: "missing", reason };
}

/** One line for a failure of any kind, with the cause that Node hides below "fetch failed". */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const own = error.message.split("\n")[0] || code || error.name;
  return error.cause === undefined ? own : `${own} (${reasonOf(error.cause)})`;
}
