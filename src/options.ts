/** What `open` takes, and the checks that turn it into settings. */

/** Milliseconds, or text such as `"250ms"`, `"10s"`, `"5m"`, `"2h"`, `"1d"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

/** Bytes, or text such as `"64kb"`, `"512mb"`, `"2gb"` (powers of 1,024). */
export type Size = number | `${number}${"b" | "kb" | "mb" | "gb"}`;

export interface OpenOptions {
  /**
   * Server URL or URLs, connection options of the `nats` package, or an open connection (of `nats` or of
   * `@nats-io/transport-node`; never closed by us). Absent: standalone.
   */
  nats?: string | readonly string[] | object;
  /** Hosts of one namespace share one data set. `[A-Za-z0-9_-]{1,64}`, default `"default"`. */
  namespace?: string;
  /** This host's name, `[A-Za-z0-9_-]{1,64}`. Default: drawn from the machine's name. */
  node?: string;
  /** Time to live of keys created without one. Absent: none. */
  ttl?: Duration;
  /** Largest key and value. Defaults 64 KiB and 8 MiB. */
  maxKeyBytes?: Size;
  maxValueBytes?: Size;
  /** How much of the recent event stream is kept to answer replays, default `"64mb"`. */
  logBytes?: Size;
  /** Own events that the server has not confirmed, at most, before writes throw `BACKPRESSURE`. Default `"64mb"`. */
  maxUnconfirmedBytes?: Size;
  /** How often hosts compare notes. Default 1 s, or 50 ms per host if that is more. */
  heartbeat?: Duration;
  /** How long a starting host listens for others before it takes itself for the first. Default 1 s. */
  joinWait?: Duration;
  /** How long `open` tries to reach a server. Default 10 s. */
  connectTimeout?: Duration;
}

/** Checked options, every unit spelled out: what the rest of the product works from. */
export interface Settings {
  readonly namespace: string;
  readonly node: string;
  /** `Infinity`: none. */
  readonly ttlMs: number;
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  readonly logBytes: number;
  readonly maxUnconfirmedBytes: number;
  /** `undefined`: 1 s, or 50 ms per live host if that is more. */
  readonly heartbeatMs: number | undefined;
  readonly joinWaitMs: number;
  readonly connectTimeoutMs: number;
  /** A frame is closed when it reaches this size. Not an option; 32 KiB, small in simulations and 1 to switch batching off. */
  readonly frameBytes: number;
  /** A snapshot is streamed in chunks of about this size. Not an option; 256 KiB. */
  readonly chunkBytes: number;
  /** Frames that wait for their predecessors, at most. Not an option; 16 MiB per origin. */
  readonly inboxBytes: number;
}
