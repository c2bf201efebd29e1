/** The messages that are not bulk: heartbeats, requests, answers. `message-codec.ts` writes and reads them. */

export type PeerState = "joining" | "ready" | "leaving";

/** What a host does for others: a host without an upstream nothing, one whose upstream is read only no commits. */
export type Service = "none" | "loads" | "commits";

/** A row of a version vector as it travels. */
export type Row = readonly [incarnation: string, seq: number];

/** "Here I am, this is what I have applied." The first one of a joiner is its hello, the last its goodbye. */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly incarnation: string;
  readonly node: string;
  readonly counter: number;
  /** The sender's own last event. */
  readonly seq: number;
  readonly wallMs: number;
  readonly state: PeerState;
  readonly vectorHash: string;
  readonly digest: string;
  readonly keys: number;
  readonly serves: Service;
  /** Whether the sender has let go of entries for room: its digest is not that of its vector. */
  readonly partial: boolean;
  /** Rows that changed since the last heartbeat; with `complete`, all of them. */
  readonly complete: boolean;
  readonly rows: readonly Row[];
  /** Up to here, what it has loaded need not be looked after when it is gone (`settledSeq`). */
  readonly settled: number;
}

/** Asks for the frames that contain events `first` to `last` of an origin. */
export interface ReplayRequest {
  readonly type: "replay-request";
  readonly incarnation: string;
  readonly node: string;
  readonly origin: string;
  readonly first: number;
  readonly last: number;
}

/** Frames, verbatim. */
export interface Replay {
  readonly type: "replay";
  readonly incarnation: string;
  readonly origin: string;
  readonly frames: readonly Uint8Array[];
}

/** The frames asked for are not to be had here: trimmed (a snapshot helps), or never seen. */
export interface ReplayRefusal {
  readonly type: "replay-refusal";
  readonly incarnation: string;
  readonly origin: string;
  readonly reason: "trimmed" | "unknown";
}

/** Asks for a snapshot: what we have seen, and the digests of what we hold. */
export interface SyncRequest {
  readonly type: "sync-request";
  readonly incarnation: string;
  readonly node: string;
  readonly session: string;
  readonly seen: readonly Row[];
  /** 4,096 32-bit digests, big-endian; empty from a host without data. */
  readonly digests: Uint8Array;
}

/** Asks for one chunk of a snapshot. */
export interface ChunkRequest {
  readonly type: "chunk-request";
  readonly incarnation: string;
  readonly node: string;
  readonly session: string;
  readonly index: number;
}

/** No snapshot, or no longer: ask another host or begin anew. */
export interface SyncRefusal {
  readonly type: "sync-refusal";
  readonly incarnation: string;
  readonly session: string;
}

/** Asks for a heartbeat with all rows. */
export interface RowsRequest {
  readonly type: "rows-request";
  readonly incarnation: string;
  readonly node: string;
}

/** "I have applied the events of the host I am writing to, up to here." */
export interface Acknowledgement {
  readonly type: "acknowledgement";
  readonly incarnation: string;
  readonly seq: number;
}

/** Asks for the value of a key, loaded if it is not there; by the one who does not own the key. */
export interface LoadRequest {
  readonly type: "load-request";
  readonly incarnation: string;
  readonly node: string;
  /** The asker's number for it: the same in all its requests for one load. */
  readonly id: number;
  readonly key: string;
}

/** What became of a load. */
export type LoadOutcome =
  /** It is under way. */
  | { readonly outcome: "loading" }
  /** It was there before. */
  | { readonly outcome: "held"; readonly value: string | Uint8Array }
  /** It was loaded, and entered by an event of the answering host, this one or an earlier one. */
  | { readonly outcome: "entered"; readonly seq: number }
  /** There is no such row; remembered for so many milliseconds more. */
  | { readonly outcome: "absent"; readonly forMs: number }
  /** The upstream failed, with a code and a message of ours. */
  | { readonly outcome: "failed"; readonly code: string; readonly message: string }
  /** It does not load, or not now. */
  | { readonly outcome: "refused" };

/** Answers a load request; several times, the last of them final. */
export interface LoadAnswer {
  readonly type: "load-answer";
  readonly incarnation: string;
  readonly id: number;
  readonly answer: LoadOutcome;
}

/** A piece of a message that is larger than the network carries. */
export interface Fragment {
  readonly type: "fragment";
  readonly incarnation: string;
  readonly id: number;
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export type Message =
  | Heartbeat
  | ReplayRequest
  | Replay
  | ReplayRefusal
  | SyncRequest
  | ChunkRequest
  | SyncRefusal
  | RowsRequest
  | Acknowledgement
  | LoadRequest
  | LoadAnswer
  | Fragment;
