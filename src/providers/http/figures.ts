/**
 * What metrics and the page are made of, gathered when somebody asks: the status of the host, what its doors
 * have counted, and what the process takes. Nothing in here costs anything while nobody looks.
 */
import { performance } from "node:perf_hooks";
import type { Status } from "../../status.ts";

/** The Redis protocol's door, as far as it is told about here. Counts are since start. */
export interface RedisFigures {
  /** Connected now, and how many may be. */
  readonly clients: number;
  readonly maxClients: number;
  readonly connections: number;
  readonly refusedConnections: number;
  readonly commands: number;
  readonly errors: number;
  readonly wrongPasswords: number;
  readonly protocolErrors: number;
  readonly slowReaders: number;
  readonly idle: number;
  readonly throttled: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Values asked for that were there, and that were not. */
  readonly hits: number;
  readonly misses: number;
}

/** This door. Counts are since it opened. */
export interface HttpFigures {
  /** Open now, and how many may be. */
  readonly connections: number;
  readonly maxConnections: number;
  /** Connections closed at once because there were too many. */
  readonly refusedConnections: number;
  /** Bytes that were no request, or one beyond the limits. */
  readonly badRequests: number;
  /** Requests without the token, or with a wrong one. */
  readonly unauthorized: number;
  /** Requests put off because there were too many in a second. */
  readonly throttled: number;
  /** Event streams open now, how many may be, and how many had to be refused for that. */
  readonly streams: number;
  readonly maxStreams: number;
  readonly refusedStreams: number;
  /** Readers of streams cut off because they did not read. */
  readonly slowReaders: number;
  /** Answers by path and by status code; paths that are not served count as "other". */
  readonly answers: readonly { readonly path: string; readonly code: number; readonly count: number }[];
}

/** This process. Bytes and seconds. */
export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly cpuSeconds: number;
  /** How long the event loop has had something to do, and nothing. */
  readonly busySeconds: number;
  readonly idleSeconds: number;
  /** Wall clock, seconds since 1970. */
  readonly startedAt: number;
}

export interface Figures {
  readonly status: Status;
  /** `undefined`: the Redis protocol is not served. */
  readonly redis: RedisFigures | undefined;
  readonly http: HttpFigures;
  readonly process: ProcessFigures;
}

/** Asks the process; takes some microseconds. */
export function processFigures(): ProcessFigures {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const { active, idle } = performance.eventLoopUtilization();
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
    cpuSeconds: (user + system) / 1e6,
    busySeconds: active / 1_000,
    idleSeconds: idle / 1_000,
    startedAt: performance.timeOrigin / 1_000,
  };
}
