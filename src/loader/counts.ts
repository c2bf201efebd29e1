/**
 * What loading has come to since start. Two identities always hold, and a test asserts them:
 * `gets = hits + misses` and `misses = loads + coalesced + negative + remote`.
 */
export interface LoaderCounts {
  /** Keys asked for by `getOrLoad`, `getOrLoadMany` and by updates that had to look. */
  gets: number;
  /** Answered from memory at once. */
  hits: number;
  /** Of those, by a value past its ttl while it was loaded again. */
  staleHits: number;
  misses: number;
  /** Misses that began a load in this process. */
  loads: number;
  /** Misses that joined a load under way. */
  coalesced: number;
  /** Misses answered by the memory of an absent row. */
  negative: number;
  /** Misses for which another host was asked. */
  remote: number;
  /** Misses answered by a stale value because the load failed or was slow. */
  staleAnswers: number;
  /** Loads begun because a value was stale, or another host asked. */
  backgroundLoads: number;
  /** Calls of the upstream's load and loadMany, retries included, and the keys in them. */
  upstreamLoads: number;
  upstreamKeys: number;
  /** Rows that were not there. */
  absent: number;
  retries: number;
  /** Loads that began anew because their key was written, deleted or invalidated meanwhile. */
  overtaken: number;
  /** Loaded values that the store would not take; their callers had them all the same. */
  notKept: number;
  failedLoads: number;
  timedOutLoads: number;
  refusedLoads: number;
  /** Milliseconds spent in calls of load and loadMany. */
  loadMs: number;
  updates: number;
  /** Calls of the upstream's commit that succeeded, the keys in them, and the largest batch. */
  commits: number;
  committedKeys: number;
  largestBatch: number;
  /** Keys whose row was already newer. */
  superseded: number;
  failedCommits: number;
  /** Milliseconds spent in calls of commit. */
  commitMs: number;
}

/** `LoaderCounts`, and how things stand. */
export interface LoaderStatus extends Readonly<LoaderCounts> {
  /** Loads under way, and those of them that wait for their turn. */
  readonly loading: number;
  readonly queued: number;
  /** Keys that wait for their commit, and how long the oldest has, in milliseconds. */
  readonly dirty: number;
  readonly oldestDirtyMs: number;
}

export function noLoaderCounts(): LoaderCounts {
  return {
    gets: 0,
    hits: 0,
    staleHits: 0,
    misses: 0,
    loads: 0,
    coalesced: 0,
    negative: 0,
    remote: 0,
    staleAnswers: 0,
    backgroundLoads: 0,
    upstreamLoads: 0,
    upstreamKeys: 0,
    absent: 0,
    retries: 0,
    overtaken: 0,
    notKept: 0,
    failedLoads: 0,
    timedOutLoads: 0,
    refusedLoads: 0,
    loadMs: 0,
    updates: 0,
    commits: 0,
    committedKeys: 0,
    largestBatch: 0,
    superseded: 0,
    failedCommits: 0,
    commitMs: 0,
  };
}
