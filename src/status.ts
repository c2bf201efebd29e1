/** What `status()` answers: where a host stands, what it knows of the others, and what it had to repair. */
import type { HybridLogicalClock } from "./causality/hybrid-logical-clock.ts";
import type { VersionVector } from "./causality/version-vector.ts";
import type { CheckpointStatus } from "./checkpoint/checkpointer.ts";
import type { LoaderStatus } from "./loader/counts.ts";
import type { Settings } from "./options.ts";
import { clockOffset, isLive, liveTimeout, type Peer } from "./replication/membership.ts";
import type { Refusal } from "./replication/replication-event.ts";
import type { Replicator } from "./replication/replicator.ts";
import type { Store } from "./store/store.ts";

export type HostState =
  | "loading"
  | "standalone"
  | "connecting"
  | "joining"
  | "ready"
  | "fenced"
  | "leaving"
  | "closed";

/** Counts since start. Each that should stay 0 on a healthy fleet says so. */
export interface StatusCounts {
  /** Events made here. */
  eventsWritten: number;
  /** Events of others applied here. */
  eventsApplied: number;
  framesSent: number;
  framesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  /** Times some origin's events were found missing. */
  gaps: number;
  /** Replays asked of others, and answered for others. */
  replaysRequested: number;
  replaysServed: number;
  /** Snapshots taken over from others, and given to others. */
  snapshotsInstalled: number;
  snapshotsServed: number;
  /** Frames that had been applied before. */
  duplicates: number;
  /** Frames that came before their predecessors. */
  reordered: number;
  /** Messages refused, for whatever reason (`quarantine` has them by host); 0 on a healthy fleet. */
  rejected: number;
  /** Messages dropped because a bound was reached; repaired later. */
  dropped: number;
  /** Writes refused with `BACKPRESSURE`. */
  backpressure: number;
  /** Own frames published again after a reconnect. */
  republished: number;
  /** Heartbeats with our vector whose digest was held against ours; times all data were held against their digests. */
  audits: number;
  scrubs: number;
  /** Times equal vectors came with unequal digests, and parts of the data that contradicted theirs; must stay 0. */
  divergences: number;
  /** Times another host's data took the place of ours to mend that. */
  healed: number;
  /** Hosts that died with a hole in their events: what lies beyond it was given up everywhere. */
  finals: number;
  /** Times the connection to NATS was lost. */
  disconnects: number;
  /** Events whose stamp lay far in the future: some host's clock is wrong. */
  futureStamps: number;
}

/** Who waits for whom. Bytes. */
export interface FlowStatus {
  /** What may still be sent before the server has to confirm some of it. */
  readonly creditBytes: number;
  /** What was written and is held back, for want of a connection, of credit, or for a host that is slower. */
  readonly unsentBytes: number;
  /** Name of the host that sending is held back for at this moment. */
  readonly slowedBy: string | undefined;
  /** What was received and is not yet handled. */
  readonly queuedBytes: number;
}

export interface PeerStatus {
  readonly node: string;
  readonly incarnation: string;
  readonly state: "joining" | "ready" | "leaving";
  readonly live: boolean;
  /** Milliseconds since its last heartbeat. */
  readonly heartbeatAgeMs: number;
  /** Events that it has not yet reported as applied, of those applied here. */
  readonly behindEvents: number;
  /** Milliseconds since it last reported to have everything that we have; 0 if it does. */
  readonly behindMs: number;
  /** Events that it has applied and we have not. */
  readonly aheadEvents: number;
  readonly digest: string;
  readonly vectorHash: string;
  /** Whether it has let entries go for room: its digest is then its own. */
  readonly partial: boolean;
  /** Its wall clock minus ours, milliseconds. */
  readonly clockOffsetMs: number;
  readonly keys: number;
  /** What was refused of messages under its name, by reason; empty on a healthy fleet. */
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
  /** Per incarnation the highest event it reported as applied. */
  readonly highWaterMarks: Readonly<Record<string, number>>;
}

/** A host that sent what had to be refused. */
export interface QuarantineStatus {
  /** Its name; "?" where a message does not tell. On requests and answers it is only what the sender said. */
  readonly node: string;
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
  /** The last time, in a sentence. */
  readonly last: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
}

export interface Status {
  readonly namespace: string;
  readonly node: string;
  readonly incarnation: string;
  readonly state: HostState;
  /** Why it is not ready, in a sentence; `undefined` when it is. */
  readonly reason: string | undefined;
  readonly connected: boolean;
  readonly keys: number;
  /** 16 hexadecimal digits over what is held. Hosts with one `vectorHash` have one `digest`, unless `partial`. */
  readonly digest: string;
  readonly vectorHash: string;
  /** Whether entries that stand on other hosts were let go here for room. */
  readonly partial: boolean;
  /** Per incarnation the highest event applied here, everything before included. */
  readonly highWaterMarks: Readonly<Record<string, number>>;
  readonly hosts: readonly PeerStatus[];
  /** Who sent what had to be refused, the last one last; at most 128 names. Empty on a healthy fleet. */
  readonly quarantine: readonly QuarantineStatus[];
  /** The last repair that this host made. */
  readonly lastRepair:
    | {
        readonly kind: "replay" | "snapshot";
        readonly at: number;
        readonly from: string;
        readonly events: number;
        readonly tookMs: number;
      }
    | undefined;
  /** What is kept is bounded: how much it is (bytes, the log among them, only where they are bounded), and who had to go. */
  readonly bounds:
    | { readonly bytes: number; readonly evicted: number; readonly exceeded: boolean }
    | undefined;
  /** Bytes: frames kept for replay, frames ahead of a gap, own frames the server has not confirmed. */
  readonly logBytes: number;
  readonly inboxBytes: number;
  readonly unconfirmedBytes: number;
  /** How writing and reading keep pace. */
  readonly flow: FlowStatus;
  /** Bytes: pieces of messages that are not whole yet. */
  readonly fragmentBytes: number;
  /** Removals of entries not yet seen. */
  readonly pendingRemovals: number;
  /** How it stands with checkpoints; `undefined` without. */
  readonly checkpoint: CheckpointStatus | undefined;
  /** Loads and commits; `undefined` without an upstream. */
  readonly loader: LoaderStatus | undefined;
  readonly counts: Readonly<StatusCounts>;
}

export interface StatusSource {
  readonly settings: Settings;
  readonly incarnation: string;
  readonly state: HostState;
  readonly store: Store;
  readonly replicator: Replicator | undefined;
  readonly clock: HybridLogicalClock;
  readonly loader: LoaderStatus | undefined;
  readonly checkpoint: CheckpointStatus | undefined;
}

/** Gathers a status; costs about a microsecond per host and origin. */
export function statusOf({
  settings,
  incarnation,
  state,
  store,
  replicator,
  clock,
  loader,
  checkpoint,
}: StatusSource): Status {
  const node = replicator?.node;
  return {
    namespace: settings.namespace,
    node: settings.node,
    incarnation,
    state,
    reason: reasonOf(state, node?.fence?.message ?? node?.trouble),
    connected: node?.transport.connected ?? false,
    keys: store.size,
    digest: store.digests.root(),
    vectorHash: store.vector.hash(store.origins),
    partial: store.evicted?.partial === true,
    highWaterMarks: marksOf(store.vector, store),
    hosts: replicator === undefined ? [] : peersOf(replicator, store),
    quarantine: Array.from(node?.quarantine.all() ?? [], ({ node: name, counts, detail, at }) => ({
      node: name,
      refused: Object.fromEntries(counts),
      last: detail,
      at,
    })),
    lastRepair: node?.lastRepair,
    bounds:
      store.bounds === undefined
        ? undefined
        : { bytes: store.bounds.bytes, evicted: store.bounds.evicted, exceeded: store.bounds.exceeded },
    logBytes: node?.log.bytes ?? 0,
    inboxBytes: node?.inbox.bytes ?? 0,
    unconfirmedBytes: node?.publisher.unconfirmedBytes ?? 0,
    flow: {
      creditBytes: node?.publisher.creditBytes ?? 0,
      unsentBytes: node?.publisher.unsentBytes ?? 0,
      slowedBy: node?.publisher.slowedBy,
      queuedBytes: replicator?.queuedBytes ?? 0,
    },
    fragmentBytes: replicator?.fragmentBytes ?? 0,
    pendingRemovals: store.pending.size,
    checkpoint,
    loader,
    counts: {
      eventsWritten: store.vector.get(0),
      eventsApplied: node?.counts.eventsApplied ?? 0,
      framesSent: node?.counts.framesSent ?? 0,
      framesReceived: node?.counts.framesReceived ?? 0,
      bytesSent: node?.counts.bytesSent ?? 0,
      bytesReceived: node?.counts.bytesReceived ?? 0,
      gaps: node?.needs.found ?? 0,
      replaysRequested: node?.counts.replaysRequested ?? 0,
      replaysServed: node?.counts.replaysServed ?? 0,
      snapshotsInstalled: node?.counts.snapshotsInstalled ?? 0,
      snapshotsServed: replicator?.donor.served ?? 0,
      duplicates: node?.counts.duplicates ?? 0,
      reordered: node?.counts.reordered ?? 0,
      rejected: node?.quarantine.refused ?? 0,
      dropped: (node?.counts.dropped ?? 0) + (replicator?.droppedMessages ?? 0),
      backpressure: node?.counts.backpressure ?? 0,
      republished: node?.publisher.republished ?? 0,
      audits: node?.counts.audits ?? 0,
      scrubs: store.scrub.passes,
      divergences: (node?.counts.divergences ?? 0) + store.scrub.found,
      healed: node?.counts.healed ?? 0,
      finals: node?.counts.finals ?? 0,
      disconnects: node?.counts.disconnects ?? 0,
      futureStamps: clock.futureStamps,
    },
  };
}

function reasonOf(state: HostState, trouble: string | undefined): string | undefined {
  if (trouble !== undefined) return trouble;
  switch (state) {
    case "standalone":
    case "ready":
      return undefined;
    case "loading":
      return "it is reading its checkpoint";
    case "connecting":
      return "there is no connection to a NATS server yet";
    case "joining":
      return "it is catching up with the other hosts";
    case "leaving":
      return "it is closing: the last writes are on their way";
    default:
      return "it was closed";
  }
}

function peersOf(replicator: Replicator, store: Store): PeerStatus[] {
  const { node } = replicator;
  const now = node.world.monotonic();
  const timeout = liveTimeout(node.heartbeatMs());
  return Array.from(node.membership.all(), (peer) => {
    const behindEvents = missing(peer.vector, store.vector);
    return {
      node: peer.node,
      incarnation: peer.incarnation,
      state: peer.state,
      live: isLive(peer, now, timeout),
      heartbeatAgeMs: Math.round(now - peer.lastSeen),
      behindEvents,
      behindMs: behindEvents === 0 ? 0 : Math.round(now - peer.levelAt),
      aheadEvents: missing(store.vector, peer.vector),
      digest: peer.digest,
      vectorHash: peer.vectorHash,
      partial: peer.partial,
      clockOffsetMs: Math.round(clockOffset(peer)),
      keys: peer.keys,
      refused: Object.fromEntries(node.quarantine.of(peer.node) ?? []),
      highWaterMarks: marksOf(peer.vector, store),
    } satisfies PeerStatus & { node: Peer["node"] };
  });
}

/** How many events `whole` stands for and `part` does not. */
function missing(part: VersionVector, whole: VersionVector): number {
  let events = 0;
  for (const [origin, seq] of whole.entries()) events += Math.max(0, seq - part.get(origin));
  return events;
}

function marksOf(vector: VersionVector, store: Store): Record<string, number> {
  const marks: Record<string, number> = {};
  for (const [origin, seq] of vector.entries()) marks[store.origins.name(origin)] = seq;
  return marks;
}
