/** How sure an update is to reach the upstream, and when: what callers say, checked. */
import { checkOptions, type Duration, invalid, parseDuration } from "./arguments.ts";
import type { UpdateOptions } from "./tidemark.ts";

/** In milliseconds; `undefined`: it does not. */
export type CommitWithin = number | "now" | undefined;

/** Throws `INVALID_ARGUMENT`. */
export function commitWithin(
  commit: UpdateOptions["commit"] = "default",
  defaultMs: CommitWithin,
): CommitWithin {
  if (commit === "now") return commit;
  if (commit === "never") return undefined;
  if (commit === "default") return defaultMs;
  if (typeof commit === "object" && commit !== null) {
    checkOptions(commit, ["within"], "commit");
    return parseDuration(commit.within, "within");
  }
  throw invalid("commit", commit, `"now", "default", "never" or { within: "5s" }`);
}

/** How long a row is to live, in milliseconds; `Infinity` where nothing is said. Throws `INVALID_ARGUMENT`. */
export function rowTtl(ttl: Duration | undefined): number {
  if (ttl === undefined) return Number.POSITIVE_INFINITY;
  const ms = parseDuration(ttl, "ttl");
  if (ms > 0) return ms;
  throw invalid("ttl", ttl, "a duration above 0; return undefined to delete the row");
}
