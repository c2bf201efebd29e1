/** What `status()` answers: where a host stands, what it knows of the others, and what it had to repair. */

export type HostState = "standalone" | "connecting" | "joining" | "ready" | "fenced" | "leaving" | "closed";

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
  /** Messages refused as malformed; 0 on a healthy fleet. */
  rejected: number;
  /** Messages dropped because a bound was reached; repaired later. */
  dropped: number;
  /** Own frames published again after a reconnect. */
  republished: number;
  /** Times equal vectors came with unequal digests; must stay 0. */
  divergences: number;
  /** Times the connection to NATS was lost. */
  disconnects: number;
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
  /** Its wall clock minus ours, milliseconds. */
  readonly clockOffsetMs: number;
  readonly keys: number;
  /** Per incarnation the highest event it reported as applied. */
  readonly highWaterMarks: Readonly<Record<string, number>>;
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
  /** 16 hexadecimal digits over the whole data set. Hosts with one `vectorHash` have one `digest`. */
  readonly digest: string;
  readonly vectorHash: string;
  /** Per incarnation the highest event applied here, everything before included. */
  readonly highWaterMarks: Readonly<Record<string, number>>;
  readonly hosts: readonly PeerStatus[];
  /** The last repair that this host made. */
  readonly lastRepair:
    | { readonly kind: "replay" | "snapshot"; readonly at: number; readonly from: string; readonly events: number; readonly tookMs: number }
    | undefined;
  /** Bytes: frames kept for replay, frames ahead of a gap, own frames the server has not confirmed. */
  readonly logBytes: number;
  readonly inboxBytes: number;
  readonly unconfirmedBytes: number;
  /** Removals of entries not yet seen. */
  readonly pendingRemovals: number;
  readonly counts: Readonly<StatusCounts>;
}
