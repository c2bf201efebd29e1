/**
 * What `open` takes, and the checks that turn it into settings. Every wrong option is refused at once with
 * a sentence that names it and says what it takes: an option that is silently ignored or bent costs its
 * user a day. Nothing here connects to anything.
 */
import { hostname, totalmem } from "node:os";
import { resolve } from "node:path";
import { checkOptions, type Duration, invalid, parseDuration, parseSize, type Size } from "./arguments.ts";

import { type LoadingOptions, type LoadingSettings, resolveLoading } from "./loader/settings.ts";
import { type LoadFunction, toUpstream, type Upstream } from "./loader/upstream.ts";

export interface OpenOptions {
  /**
   * Server URL or URLs, connection options of the `nats` package, or an open connection (of `nats` or of
   * `@nats-io/transport-node`; never closed by us). Absent: standalone.
   */
  nats?: string | readonly string[] | object;
  /** Hosts of one namespace share one data set. `[A-Za-z0-9_-]{1,64}`, default `"default"`. */
  namespace?: string;
  /**
   * What NATS subjects start with, instead of `tidemark.<namespace>`: for accounts that only grant a
   * certain subject tree. The same on every host of a namespace; no spaces, no wildcards.
   */
  subjectPrefix?: string;
  /** This host's name, `[A-Za-z0-9_-]{1,64}`. Default: drawn from the machine's name. */
  node?: string;
  /** Time to live of keys created without one. Absent: none. */
  ttl?: Duration;
  /**
   * What `ttl` counts from: `"creation"` of the key (default), or the last `"write"` to it, whatever it changed
   * (idle expiry); a write that sets a deadline of its own is not moved.
   */
  ttlFrom?: "creation" | "write";
  /**
   * How many keys, and how many bytes of memory (keys, values, what is kept about them, the log), to keep at most.
   * Default: no bound. What happens at the
   * bound is `eviction`: `"lru"` (default; an approximation, CLOCK) and `"s3fifo"` (resists scans) let keys
   * go that hold a value, here alone, once every live host has them; sets, lists and counters stay. `"none"`
   * refuses writes with `STORE_FULL`, and applies what other hosts write whatever the bound. A host that has
   * let go of something refuses what depends on a value that may stand elsewhere (`EVICTED`).
   */
  maxEntries?: number;
  maxBytes?: Size;
  eviction?: "lru" | "s3fifo" | "none";
  /**
   * The database behind the store: a driver of `tidemark/upstream/…`, an object with `load` (and `commit`), or
   * a function from a key to its value. The same on every host of a namespace.
   */
  upstream?: Upstream<unknown> | LoadFunction;
  /** How loads and commits behave. */
  loading?: LoadingOptions;
  /**
   * Keeps a copy of the data in a file, written in the background every so often (default `"30s"`, if anything has
   * changed) and by `close`, and loads it at the next start; the folder has to be there. A replicated host then only
   * asks the others for what is newer; a standalone one survives its end, but for what it wrote after the last
   * checkpoint if it is killed. One host per path.
   */
  checkpoint?: { path: string; every?: Duration };
  /** Largest key and value. Defaults 64 KiB and 8 MiB. */
  maxKeyBytes?: Size;
  maxValueBytes?: Size;
  /**
   * How much of the recent event stream is kept to answer replays, default `"64mb"`, or an eighth of `maxBytes` if
   * that is less. It counts towards `maxBytes`.
   */
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
  /** Subjects are this, a dot, and what `transport/` puts behind it. */
  readonly subjectPrefix: string;
  readonly node: string;
  /** `Infinity`: none. */
  readonly ttlMs: number;
  readonly ttlFrom: "creation" | "write";
  /** `Infinity`: no bound. */
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly eviction: "lru" | "s3fifo" | "none";
  readonly upstream: Upstream<unknown> | undefined;
  readonly loading: LoadingSettings;
  /** `chunkBytes`: what is read of the store in one turn while one is written. Not an option; 64 KiB. */
  readonly checkpoint:
    | { readonly path: string; readonly everyMs: number; readonly chunkBytes: number }
    | undefined;
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
  /** So many entries of an image are put in place at a time. Not an option; 1,000, about a millisecond. */
  readonly sliceEntries: number;
  /** Frames that wait for their predecessors, at most. Not an option; 16 MiB per origin. */
  readonly inboxBytes: number;
  /** A snapshot being taken over is at most this large. Not an option; half of the memory there is. */
  readonly imageBytes: number;
}

/** The numbers that stand where an option is absent. */
export const DEFAULTS = {
  namespace: "default",
  maxKeyBytes: 64 * 1024,
  maxValueBytes: 8 * 1024 * 1024,
  logBytes: 64 * 1024 * 1024,
  maxUnconfirmedBytes: 64 * 1024 * 1024,
  joinWaitMs: 1_000,
  connectTimeoutMs: 10_000,
  /** A cliff in throughput lies at 64 KiB; half of that already amortises the cost of a message. */
  frameBytes: 32 * 1024,
  chunkBytes: 256 * 1024,
  sliceEntries: 1_000,
  checkpointEveryMs: 30_000,
  checkpointChunkBytes: 64 * 1024,
  inboxBytes: 16 * 1024 * 1024,
} as const;

/** Node keeps timers in 32 bits, and nobody means to wait longer. */
const MAX_WAIT_MS = 86_400_000;
/** Each checkpoint writes all there is. */
const LEAST_CHECKPOINT_MS = 100;
/** What the tick of a host resolves. */
const MIN_HEARTBEAT_MS = 20;
/** Keys are in every message about them and cannot be split into parts; NATS takes 1 MiB by default. */
const LARGEST_KEY_BYTES = 512 * 1024;
/** A string of V8 ends at 512 MiB, and a value is one. */
const LARGEST_VALUE_BYTES = 256 * 1024 * 1024;
/** The server reads a protocol line of 4 KiB; this leaves room for the rest of it. */
const MAX_SUBJECT_PREFIX_LENGTH = 256;

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

// A record and not a list, so that the compiler notices an option that is missing here.
const OPTION_NAMES: Readonly<Record<keyof OpenOptions, true>> = {
  nats: true,
  namespace: true,
  subjectPrefix: true,
  node: true,
  ttl: true,
  ttlFrom: true,
  maxEntries: true,
  maxBytes: true,
  eviction: true,
  upstream: true,
  checkpoint: true,
  loading: true,
  maxKeyBytes: true,
  maxValueBytes: true,
  logBytes: true,
  maxUnconfirmedBytes: true,
  heartbeat: true,
  joinWait: true,
  connectTimeout: true,
};

/** Checks every option and fills in the defaults. Throws `INVALID_ARGUMENT`. */
export function resolveSettings(options: OpenOptions = {}): Settings {
  checkOptions(options, Object.keys(OPTION_NAMES), "open");
  checkNats(options.nats);
  const namespace = nameOption(options.namespace, "namespace") ?? DEFAULTS.namespace;
  const { ttl, heartbeat } = options;
  const ttlMs = ttl === undefined ? Number.POSITIVE_INFINITY : positiveTtl(ttl);
  return {
    namespace,
    subjectPrefix: subjectPrefixOption(options.subjectPrefix) ?? `tidemark.${namespace}`,
    node: nameOption(options.node, "node") ?? defaultNode(hostname()),
    ttlMs,
    ttlFrom: ttlFromOption(options.ttlFrom, ttl),
    maxEntries: entriesOption(options.maxEntries),
    maxBytes: options.maxBytes === undefined ? Number.POSITIVE_INFINITY : boundOption(options.maxBytes),
    eviction: evictionOption(options.eviction),
    upstream: options.upstream === undefined ? undefined : toUpstream(options.upstream),
    loading: resolveLoading(options.loading, ttlMs),
    checkpoint: checkpointOption(options.checkpoint),
    maxKeyBytes: sizeOption(options, "maxKeyBytes", LARGEST_KEY_BYTES),
    maxValueBytes: sizeOption(options, "maxValueBytes", LARGEST_VALUE_BYTES),
    logBytes: logOption(options),
    maxUnconfirmedBytes: sizeOption(options, "maxUnconfirmedBytes", Number.MAX_SAFE_INTEGER),
    heartbeatMs: heartbeat === undefined ? undefined : wait(heartbeat, "heartbeat", MIN_HEARTBEAT_MS),
    joinWaitMs: wait(options.joinWait ?? DEFAULTS.joinWaitMs, "joinWait", 0),
    connectTimeoutMs: wait(options.connectTimeout ?? DEFAULTS.connectTimeoutMs, "connectTimeout", 1),
    frameBytes: DEFAULTS.frameBytes,
    chunkBytes: DEFAULTS.chunkBytes,
    sliceEntries: DEFAULTS.sliceEntries,
    inboxBytes: DEFAULTS.inboxBytes,
    // A process in a container may have less than the machine; 0 and huge numbers mean that nobody said.
    imageBytes: Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()) / 2,
  };
}

/** A host name made from the machine's: what a name may not hold becomes `-`. */
export function defaultNode(machine: string): string {
  const node = machine
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 64)
    .replace(/-+$/, "");
  return node === "" ? "node" : node;
}

function positiveTtl(value: Duration): number {
  const ms = parseDuration(value, "ttl");
  if (ms === 0) throw invalid("ttl", value, "a duration above 0; leave it out for keys that stay");
  return ms;
}

function checkpointOption(value: OpenOptions["checkpoint"]): Settings["checkpoint"] {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) {
    throw invalid("checkpoint", value, `{ path, every }, such as { path: "/var/lib/tidemark/sessions" }`);
  }
  checkOptions(value, ["path", "every"], "checkpoint");
  const { path, every = DEFAULTS.checkpointEveryMs } = value;
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw invalid("checkpoint.path", path, "the name of a file in a folder that is there");
  }
  const everyMs = wait(every, "checkpoint.every", LEAST_CHECKPOINT_MS);
  return { path: resolve(path), everyMs, chunkBytes: DEFAULTS.checkpointChunkBytes };
}

function wait(value: Duration, name: string, leastMs: number): number {
  const ms = parseDuration(value, name);
  if (ms < leastMs || ms > MAX_WAIT_MS) throw invalid(name, value, `a duration from ${leastMs} ms to 1 day`);
  return ms;
}

function entriesOption(value: unknown): number {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  throw invalid("maxEntries", value, "a whole number from 1");
}

function boundOption(value: Size): number {
  const bytes = parseSize(value, "maxBytes");
  if (bytes < 1) throw invalid("maxBytes", value, "a size above 0");
  return bytes;
}

function ttlFromOption(value: unknown, ttl: unknown): "creation" | "write" {
  if (value === undefined || value === "creation") return "creation";
  if (value !== "write") throw invalid("ttlFrom", value, `"creation" or "write"`);
  if (ttl !== undefined) return "write";
  throw invalid("ttlFrom", value, `"creation" unless there is a ttl that could count from the last write`);
}

function evictionOption(value: unknown): "lru" | "s3fifo" | "none" {
  if (value === undefined) return "lru";
  if (value === "lru" || value === "s3fifo" || value === "none") return value;
  throw invalid("eviction", value, `"lru", "s3fifo" or "none"`);
}

/** The log counts towards `maxBytes`: unless told, an eighth of that at most. */
function logOption(options: OpenOptions): number {
  if (options.logBytes !== undefined || options.maxBytes === undefined)
    return sizeOption(options, "logBytes", Number.MAX_SAFE_INTEGER);
  return Math.min(DEFAULTS.logBytes, Math.ceil(boundOption(options.maxBytes) / 8));
}

type SizeOption = "maxKeyBytes" | "maxValueBytes" | "logBytes" | "maxUnconfirmedBytes";

function sizeOption(options: OpenOptions, name: SizeOption, largest: number): number {
  const value = options[name];
  if (value === undefined) return DEFAULTS[name];
  const bytes = parseSize(value, name);
  if (bytes < 1 || bytes > largest) throw invalid(name, value, `a size from 1 to ${largest} bytes`);
  return bytes;
}

function nameOption(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && NAME.test(value)) return value;
  throw invalid(name, value, "1 to 64 of the characters A-Z a-z 0-9 _ -");
}

function subjectPrefixOption(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && isSubjectPrefix(value)) return value;
  const takes = `a NATS subject of at most ${MAX_SUBJECT_PREFIX_LENGTH} characters such as "acme.cache"`;
  throw invalid("subjectPrefix", value, `${takes}: no spaces, no * or >, no empty part, no $ at the start`);
}

function isSubjectPrefix(text: string): boolean {
  if (text.length > MAX_SUBJECT_PREFIX_LENGTH || text.startsWith("$")) return false;
  return text.split(".").every((token) => /^[\x21-\x7e]+$/.test(token) && !/[*>]/.test(token));
}

function checkNats(value: unknown): void {
  if (value === undefined) return;
  const urls = typeof value === "string" ? [value] : value;
  if (
    Array.isArray(urls)
      ? urls.length > 0 && urls.every(isServerUrl)
      : typeof urls === "object" && urls !== null
  )
    return;
  const takes = `a URL such as "nats://127.0.0.1:4222", a list of them, connection options or a connection`;
  throw invalid("nats", value, `${takes}; leave it out to run standalone`);
}

function isServerUrl(url: unknown): boolean {
  if (typeof url !== "string" || !/^[\x21-\x7e]+$/.test(url)) return false;
  const scheme = /^([^:/]*):\/\//.exec(url);
  return scheme === null || /^(nats|tls|wss?)$/.test(scheme[1]!);
}
