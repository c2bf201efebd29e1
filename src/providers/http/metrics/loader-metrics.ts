/** Loads from the upstream and commits to it; all of them are left out where there is none. */
import { counter, gauge, type Metric, seconds } from "./metric.ts";

export const loaderMetrics: readonly Metric[] = [
  counter("tidemark_loader_gets_total", "Keys asked for.", ({ status }) => status.loader?.gets),
  counter(
    "tidemark_loader_hits_total",
    "Keys answered from memory at once.",
    ({ status }) => status.loader?.hits,
  ),
  counter(
    "tidemark_loader_stale_hits_total",
    "Of those, by a value past its ttl while it was loaded again.",
    ({ status }) => status.loader?.staleHits,
  ),
  counter("tidemark_loader_misses_total", "Keys that were not there.", ({ status }) => status.loader?.misses),
  counter(
    "tidemark_loader_loads_total",
    "Misses that began a load in this process.",
    ({ status }) => status.loader?.loads,
  ),
  counter(
    "tidemark_loader_coalesced_total",
    "Misses that joined a load under way.",
    ({ status }) => status.loader?.coalesced,
  ),
  counter(
    "tidemark_loader_negative_total",
    "Misses answered by the memory of an absent row.",
    ({ status }) => status.loader?.negative,
  ),
  counter(
    "tidemark_loader_remote_total",
    "Misses for which another host was asked.",
    ({ status }) => status.loader?.remote,
  ),
  counter(
    "tidemark_loader_stale_answers_total",
    "Misses answered by a stale value because the load failed or was slow.",
    ({ status }) => status.loader?.staleAnswers,
  ),
  counter(
    "tidemark_loader_background_loads_total",
    "Loads begun because a value was stale, or another host asked.",
    ({ status }) => status.loader?.backgroundLoads,
  ),
  counter(
    "tidemark_loader_upstream_loads_total",
    "Calls of the upstream to load, retries included.",
    ({ status }) => status.loader?.upstreamLoads,
  ),
  counter(
    "tidemark_loader_upstream_keys_total",
    "Keys in those calls.",
    ({ status }) => status.loader?.upstreamKeys,
  ),
  counter("tidemark_loader_absent_total", "Rows that were not there.", ({ status }) => status.loader?.absent),
  counter("tidemark_loader_retries_total", "Loads tried again.", ({ status }) => status.loader?.retries),
  counter(
    "tidemark_loader_overtaken_total",
    "Loads begun anew because their key was written meanwhile.",
    ({ status }) => status.loader?.overtaken,
  ),
  counter(
    "tidemark_loader_not_kept_total",
    "Loaded values that the store would not take.",
    ({ status }) => status.loader?.notKept,
  ),
  counter(
    "tidemark_loader_failed_loads_total",
    "Loads that failed.",
    ({ status }) => status.loader?.failedLoads,
  ),
  counter(
    "tidemark_loader_timed_out_loads_total",
    "Loads that took too long.",
    ({ status }) => status.loader?.timedOutLoads,
  ),
  counter(
    "tidemark_loader_refused_loads_total",
    "Loads refused because too many were under way.",
    ({ status }) => status.loader?.refusedLoads,
  ),
  counter(
    "tidemark_loader_load_seconds_total",
    "Time spent in calls of the upstream to load.",
    ({ status }) => seconds(status.loader?.loadMs),
  ),
  counter("tidemark_loader_updates_total", "Updates.", ({ status }) => status.loader?.updates),
  counter(
    "tidemark_loader_commits_total",
    "Calls of the upstream to commit that succeeded.",
    ({ status }) => status.loader?.commits,
  ),
  counter(
    "tidemark_loader_committed_keys_total",
    "Keys in those calls.",
    ({ status }) => status.loader?.committedKeys,
  ),
  gauge(
    "tidemark_loader_largest_batch_keys",
    "Keys in the largest of those calls.",
    ({ status }) => status.loader?.largestBatch,
  ),
  counter(
    "tidemark_loader_superseded_total",
    "Keys whose row was already newer.",
    ({ status }) => status.loader?.superseded,
  ),
  counter(
    "tidemark_loader_failed_commits_total",
    "Commits that failed, each of which is tried again.",
    ({ status }) => status.loader?.failedCommits,
  ),
  counter(
    "tidemark_loader_commit_seconds_total",
    "Time spent in calls of the upstream to commit.",
    ({ status }) => seconds(status.loader?.commitMs),
  ),
  gauge("tidemark_loader_loading", "Loads under way.", ({ status }) => status.loader?.loading),
  gauge(
    "tidemark_loader_queued",
    "Of those, the ones that wait for their turn.",
    ({ status }) => status.loader?.queued,
  ),
  gauge(
    "tidemark_loader_dirty_keys",
    "Keys that wait for their commit.",
    ({ status }) => status.loader?.dirty,
  ),
  gauge("tidemark_loader_oldest_dirty_seconds", "How long the oldest of them has waited.", ({ status }) =>
    seconds(status.loader?.oldestDirtyMs),
  ),
];
