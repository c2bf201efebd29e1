/**
 * What the page is told once a second: a status in brief, bounded whatever the size of the fleet, with numbers
 * to make rates of. It holds names, counts and digests and nothing of the data.
 */
import type { FlowStatus, PeerStatus, Status, StatusCounts } from "../../status.ts";
import type { Figures, ProcessFigures } from "./figures.ts";
import { type Agreement, agreementOf, type Finding, findingsOf } from "./findings.ts";

/** More would be a table nobody reads, and would cost a stream more than it is worth. */
export const MOST_HOSTS = 100;
export const MOST_FINDINGS = 8;

/** Another host, as this one sees it. */
export interface HostReport {
  readonly node: string;
  readonly incarnation: string;
  readonly state: PeerStatus["state"] | "silent" | "gone";
  readonly heartbeatAgeMs: number;
  readonly behindEvents: number;
  readonly behindMs: number;
  readonly aheadEvents: number;
  readonly agreement: Agreement;
  /** High-water marks: its own events as it told, those of them applied here, and ours that it has applied. */
  readonly written: number;
  readonly appliedHere: number;
  readonly appliedThere: number;
  readonly keys: number;
  readonly clockOffsetMs: number;
  readonly refused: number;
}

export interface Report {
  /** Milliseconds by a clock that never jumps, to make rates of counts. */
  readonly at: number;
  /** Wall clock, milliseconds since 1970. */
  readonly clock: number;
  readonly namespace: string;
  readonly node: string;
  readonly incarnation: string;
  readonly state: Status["state"];
  readonly connected: boolean;
  readonly keys: number;
  readonly digest: string;
  readonly partial: boolean;
  readonly findings: readonly Finding[];
  /** Those in trouble first. */
  readonly hosts: readonly HostReport[];
  readonly hostsLeftOut: number;
  readonly counts: Readonly<StatusCounts>;
  readonly flow: FlowStatus;
  readonly bounds: Status["bounds"];
  readonly logBytes: number;
  readonly unconfirmedBytes: number;
  readonly lastRepair: (NonNullable<Status["lastRepair"]> & { readonly node: string }) | undefined;
  /** Of reads that had to look: by clients of the Redis protocol, and by loads. */
  readonly reads: { readonly hits: number; readonly misses: number };
  readonly redis:
    | { readonly clients: number; readonly commands: number; readonly errors: number }
    | undefined;
  readonly loader: { readonly dirty: number; readonly loading: number } | undefined;
  readonly checkpoint: { readonly at: number | undefined; readonly failures: number } | undefined;
  readonly process: ProcessFigures;
}

export function reportOf(figures: Figures, at: number, clock: number): Report {
  const { status, redis, process } = figures;
  const { namespace, node, incarnation, state, connected, keys, digest, partial } = status;
  const hosts = status.hosts.map((peer) => hostReport(status, peer)).sort(byTrouble);
  return {
    at,
    clock,
    ...{ namespace, node, incarnation, state, connected, keys, digest, partial },
    findings: findingsOf(status).slice(0, MOST_FINDINGS),
    hosts: hosts.slice(0, MOST_HOSTS),
    hostsLeftOut: Math.max(0, hosts.length - MOST_HOSTS),
    counts: status.counts,
    flow: status.flow,
    bounds: status.bounds,
    logBytes: status.logBytes,
    unconfirmedBytes: status.unconfirmedBytes,
    lastRepair: status.lastRepair && {
      ...status.lastRepair,
      node: namesOf(status).get(status.lastRepair.from) ?? shortName(status.lastRepair.from),
    },
    reads: {
      hits: (redis?.hits ?? 0) + (status.loader?.hits ?? 0),
      misses: (redis?.misses ?? 0) + (status.loader?.misses ?? 0),
    },
    redis: redis && { clients: redis.clients, commands: redis.commands, errors: redis.errors },
    loader: status.loader && { dirty: status.loader.dirty, loading: status.loader.loading },
    checkpoint: status.checkpoint && {
      at: status.checkpoint.lastSavedAt,
      failures: status.checkpoint.failures,
    },
    process,
  };
}

/** Names of hosts by incarnation. */
export function namesOf({ node, incarnation, hosts }: Status): ReadonlyMap<string, string> {
  return new Map([...hosts.map((peer) => [peer.incarnation, peer.node] as const), [incarnation, node]]);
}

/** What to call an incarnation that no host is known of. */
export function shortName(incarnation: string): string {
  return `…${incarnation.slice(-6)}`;
}

function hostReport(status: Status, peer: PeerStatus): HostReport {
  const { node, incarnation, highWaterMarks, heartbeatAgeMs, behindEvents, behindMs } = peer;
  const { aheadEvents, keys, clockOffsetMs } = peer;
  const replaced = status.hosts.some((other) => other.node === node && other.live);
  const gone = peer.state === "leaving" || replaced ? "gone" : "silent";
  return {
    ...{ node, incarnation, heartbeatAgeMs, behindEvents, behindMs, aheadEvents, keys, clockOffsetMs },
    state: peer.live ? peer.state : gone,
    agreement: agreementOf(status, peer),
    written: highWaterMarks[incarnation] ?? 0,
    appliedHere: status.highWaterMarks[incarnation] ?? 0,
    appliedThere: highWaterMarks[status.incarnation] ?? 0,
    refused: Object.values(peer.refused).reduce((sum, number) => sum + number, 0),
  };
}

const RANKS: Readonly<Record<HostReport["state"], number>> = {
  silent: 1,
  joining: 2,
  leaving: 3,
  ready: 4,
  gone: 5,
};

/** Those that differ, then by state, then by how long they have been behind, then by name. */
function byTrouble(a: HostReport, b: HostReport): number {
  const rank = ({ agreement, state }: HostReport) => (agreement === "differs" ? 0 : RANKS[state]);
  // Lag of a second or so is how heartbeats look; sorting by it would make rows dance.
  const lag = ({ behindMs }: HostReport) => (behindMs >= 5_000 ? behindMs : 0);
  return rank(a) - rank(b) || lag(b) - lag(a) || (a.node < b.node ? -1 : Number(a.node > b.node));
}
