/**
 * How old is too old? A loaded entry is kept in memory for its ttl and then for the longer of the two stale
 * windows; its deadline alone says where it stands, so all hosts agree and nothing else need be stored.
 */

export interface FreshnessSettings {
  readonly ttlMs: number;
  readonly ttlJitter: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** What to do with an entry that is there. */
export type Freshness =
  /** Answer it. */
  | "fresh"
  /** Answer it, and load it again meanwhile. */
  | "revalidate"
  /** Load; answer it only if that fails or is slow. */
  | "fallback";

const NEVER = Number.POSITIVE_INFINITY;

/** How long past its freshness an entry is kept, in milliseconds. */
export function staleWindow(settings: FreshnessSettings): number {
  return Math.max(settings.staleWhileRevalidateMs, settings.staleIfErrorMs);
}

/**
 * Judges an entry by its deadline. What was written and not loaded is fresh while it is there, as is what has no
 * deadline: for those the clock is not even read.
 */
export function freshnessOf(
  held: { readonly loaded: boolean; readonly deadline: number },
  now: () => number,
  settings: FreshnessSettings,
): Freshness {
  if (!held.loaded || held.deadline === NEVER) return "fresh";
  const staleFor = now() - (held.deadline - staleWindow(settings));
  if (staleFor < 0) return "fresh";
  return staleFor < settings.staleWhileRevalidateMs ? "revalidate" : "fallback";
}

/**
 * The deadline of an entry loaded now, in milliseconds since 1970. A ttl that the row brings is not stretched,
 * but for the stale windows, which the caller has asked for.
 */
export function loadedDeadline(
  rowTtlMs: number | undefined,
  now: number,
  settings: FreshnessSettings,
  random: number,
): number {
  const own = settings.ttlMs === NEVER ? NEVER : settings.ttlMs * (1 - settings.ttlJitter * random);
  const freshMs = Math.min(own, rowTtlMs ?? NEVER);
  return freshMs === NEVER
    ? NEVER
    : Math.floor(now) + Math.max(1, Math.ceil(freshMs)) + staleWindow(settings);
}
