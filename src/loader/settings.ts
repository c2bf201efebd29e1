/** How loads and commits behave: what `open({ loading })` takes, checked, with its defaults. */
import { checkOptions, type Duration, invalid, parseDuration } from "../arguments.ts";

export interface LoadingOptions {
  /** How long a loaded value is fresh. Default: the host's `ttl`, else for ever. */
  ttl?: Duration;
  /** Takes up to this share off the ttl at random, so that keys loaded together do not expire together. 0 to 1, default 0.1. */
  ttlJitter?: number;
  /** How long it is remembered that a row is absent. Default `"5s"`; 0: not at all. */
  negativeTtl?: Duration;
  /** For so long past its ttl a value is still answered, while it is loaded again. Default 0. */
  staleWhileRevalidate?: Duration;
  /** For so long past its ttl a value is answered when loading fails, or takes longer than `softTimeout`. Default 0. */
  staleIfError?: Duration;
  /** After so long a caller gets the stale value, if there is one, and another host is asked. Default `"1s"`. */
  softTimeout?: Duration;
  /** After so long a load is given up: `UPSTREAM_TIMEOUT`. Default `"10s"`. */
  hardTimeout?: Duration;
  /** Calls to the upstream's load at a time. Default 64. */
  maxConcurrentLoads?: number;
  /** Loads that wait for one of those, at most; past it `UPSTREAM_BUSY`. Default 1,024. */
  maxQueuedLoads?: number;
  /** Absent rows remembered, at most. Default 10,000; the oldest is forgotten. */
  maxNegative?: number;
  /** Tries of a load that fails with what the upstream calls retryable. Default 3. */
  tries?: number;
  /** The first retry waits up to this long, each further one up to twice as long, drawn evenly. Default `"100ms"`. */
  backoff?: Duration;
  /** No retry waits longer than this. Default `"10s"`. */
  maxBackoff?: Duration;
  /** What `commit: "default"` means. Default `"5s"`. */
  commitWithin?: Duration;
  /** Keys per call of the upstream's commit and loadMany, at most. Default 500. */
  maxBatch?: number;
  /** How long a commit that is due waits for others to join its batch. Default 0: until the end of the turn. */
  maxDelay?: Duration;
  /** Calls to the upstream's commit at a time. Default 4. */
  maxConcurrentCommits?: number;
  /** Keys that wait for their commit, at most; past it updates of further keys are refused with `DIRTY_LIMIT`. Default 100,000. */
  maxDirty?: number;
  /** How long `close` tries to commit what is left. Default `"5s"`. */
  drainTimeout?: Duration;
}

/** As `LoadingOptions`, every unit spelled out. */
export interface LoadingSettings {
  readonly ttlMs: number;
  readonly ttlJitter: number;
  readonly negativeTtlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly softTimeoutMs: number;
  readonly hardTimeoutMs: number;
  readonly maxConcurrentLoads: number;
  readonly maxQueuedLoads: number;
  readonly maxNegative: number;
  readonly tries: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly commitWithinMs: number;
  readonly maxBatch: number;
  readonly maxDelayMs: number;
  readonly maxConcurrentCommits: number;
  readonly maxDirty: number;
  readonly drainTimeoutMs: number;
}

// A record and not a list, so that the compiler notices an option that is missing here.
const NAMES: Readonly<Record<keyof LoadingOptions, true>> = {
  ttl: true,
  ttlJitter: true,
  negativeTtl: true,
  staleWhileRevalidate: true,
  staleIfError: true,
  softTimeout: true,
  hardTimeout: true,
  maxConcurrentLoads: true,
  maxQueuedLoads: true,
  maxNegative: true,
  tries: true,
  backoff: true,
  maxBackoff: true,
  commitWithin: true,
  maxBatch: true,
  maxDelay: true,
  maxConcurrentCommits: true,
  maxDirty: true,
  drainTimeout: true,
};

/** Checks every option and fills in the defaults; `ttlMs` is the host's. Throws `INVALID_ARGUMENT`. */
export function resolveLoading(
  options: LoadingOptions = {},
  ttlMs = Number.POSITIVE_INFINITY,
): LoadingSettings {
  checkOptions(options, Object.keys(NAMES), "loading");
  const duration = (name: keyof LoadingOptions, otherwise: Duration): number =>
    parseDuration((options[name] as Duration | undefined) ?? otherwise, `loading.${name}`);
  const count = (name: keyof LoadingOptions, otherwise: number, least = 1): number => {
    const value = options[name] ?? otherwise;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
    throw invalid(`loading.${name}`, value, `a whole number from ${least}`);
  };
  return {
    ttlMs: atLeastOne(duration("ttl", ttlMs), "ttl"),
    ttlJitter: share(options.ttlJitter ?? 0.1),
    negativeTtlMs: duration("negativeTtl", "5s"),
    staleWhileRevalidateMs: duration("staleWhileRevalidate", 0),
    staleIfErrorMs: duration("staleIfError", 0),
    softTimeoutMs: atLeastOne(duration("softTimeout", "1s"), "softTimeout"),
    hardTimeoutMs: atLeastOne(duration("hardTimeout", "10s"), "hardTimeout"),
    maxConcurrentLoads: count("maxConcurrentLoads", 64),
    maxQueuedLoads: count("maxQueuedLoads", 1_024, 0),
    maxNegative: count("maxNegative", 10_000, 0),
    tries: count("tries", 3),
    backoffMs: duration("backoff", "100ms"),
    maxBackoffMs: duration("maxBackoff", "10s"),
    commitWithinMs: duration("commitWithin", "5s"),
    maxBatch: count("maxBatch", 500),
    maxDelayMs: duration("maxDelay", 0),
    maxConcurrentCommits: count("maxConcurrentCommits", 4),
    maxDirty: count("maxDirty", 100_000),
    drainTimeoutMs: duration("drainTimeout", "5s"),
  };
}

function atLeastOne(ms: number, name: string): number {
  if (ms >= 1) return ms;
  throw invalid(`loading.${name}`, ms, "a duration above 0");
}

function share(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw invalid("loading.ttlJitter", value, "a number from 0 to 1");
}
