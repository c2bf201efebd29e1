/** A row of the table that the SQL drivers keep: key, value, expiry, stamp, origin. A deleted one has no value. */
import { microsToStamp, type Row } from "../loader/upstream.ts";

export interface TableRow {
  readonly key: string;
  /** `null`: deleted, and kept for its stamp. */
  readonly value: string | Uint8Array | null;
  /** Milliseconds since 1970; `null` for never. */
  readonly expires_at: number | string | null;
  readonly stamp: number | string;
}

/** The row as the loader knows it; `undefined` for one that is deleted or has expired. */
export function rowOf(found: TableRow | undefined, now = Date.now()): Row | undefined {
  if (found === undefined || found.value === null) return undefined;
  const row = { value: found.value, stamp: Number(found.stamp) };
  if (found.expires_at === null) return row;
  const ttlMs = Number(found.expires_at) - now;
  return ttlMs <= 0 ? undefined : { ...row, ttlMs };
}

/** Deleted rows below this stamp are forgotten. */
export function purgeBefore(keepMs: number): number {
  return Math.max(0, microsToStamp((Date.now() - keepMs) * 1_000));
}
