/** What the parts of replication share: the host they work for and what it holds. */
import type { Origins } from "../causality/origins.ts";
import type { VersionVector } from "../causality/version-vector.ts";
import type { ReplicatedEvent } from "../crdt/event.ts";
import type { TidemarkError } from "../errors.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Channel, HostAddress, Transport } from "../transport/transport.ts";
import type { PlannedTakeover } from "./audit.ts";
import type { ValueLimits } from "./event-codec.ts";
import type { ChunkHeader } from "./image-codec.ts";
import type { Inbox } from "./inbox.ts";
import type { Membership, Peer } from "./membership.ts";
import type { LoadAnswer, LoadRequest, Message, Service } from "./messages.ts";
import type { Publisher } from "./publisher.ts";
import type { Quarantine } from "./quarantine.ts";
import type { Needs } from "./recovery.ts";
import type { Told } from "./replication-event.ts";
import type { ImageSource } from "./state-sync.ts";

/** What replication needs of the data; the store fits. Every method is synchronous. */
export interface Replica {
  readonly vector: VersionVector;
  /** Applies the next event of its origin. */
  apply(event: ReplicatedEvent): void;
  /** `partial`: something was let go for room, so that the digest is no longer that of the vector. */
  summary(): { readonly digest: string; readonly keys: number; readonly partial: boolean };
  /** 4,096 bucket digests, `undefined` without data. */
  bucketDigests(): Int32Array | undefined;
  openImage(seen: VersionVector, digests: Int32Array | undefined): ImageSource;
  /** Installs a whole image that was asked for when `seen` was our vector. Returns the events gained. */
  installImage(chunks: readonly ChunkHeader[], seen: VersionVector): number;
  /** Puts a whole image in place of our data; `undefined`: its giver lacks events of ours, nothing was changed. */
  takeOver(
    chunks: readonly ChunkHeader[],
  ): { readonly differing: number; readonly keys: readonly string[] } | undefined;
  /** Begins to build from an image as it comes; `undefined`: there is data here, which an image has to be joined with. */
  build(): ImageBuild | undefined;
  /** Closes counter segments of an owner whose resets are within what it has reported. */
  closeCounters(owner: number, reported: VersionVector): void;
}

/** Who loads for others here, and hears of what others loaded for us. */
export interface LoadDesk {
  readonly serves: Service;
  /** To be answered, at once or later, by load answers. */
  asked(peer: Peer, request: LoadRequest): void;
  answered(peer: Peer, answer: LoadAnswer): void;
}

/** An image put in place slice by slice while it comes; its vector is only taken over at the end. */
export interface ImageBuild {
  /** Takes the next chunk. Throws `MALFORMED_MESSAGE`. */
  add(chunk: ChunkHeader): void;
  /** Puts a slice in place, or takes one out again. False: nothing is left to do. */
  step(): boolean;
  /** The last chunk is in place. Returns the events gained. */
  finish(): number;
  /** The image will not come to its end: further steps take out what is there. */
  discard(): void;
}

/** The clocks and chances replication uses; a `World` fits. */
export interface Surroundings {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** As `now`, but without jumps: what is compared between hosts. */
  localTime(): number;
  monotonic(): number;
  random(): number;
  defer(task: () => void): void;
}

export interface ReplicationSettings extends ValueLimits {
  readonly namespace: string;
  readonly heartbeatMs: number | undefined;
  readonly joinWaitMs: number;
  readonly frameBytes: number;
  readonly chunkBytes: number;
  readonly inboxBytes: number;
  /** A snapshot being taken over is at most this large, in bytes. */
  readonly imageBytes: number;
  readonly logBytes: number;
  readonly maxUnconfirmedBytes: number;
}

export type NodeState = "connecting" | "joining" | "ready" | "fenced" | "leaving" | "closed";

export interface Counts {
  framesSent: number;
  framesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  eventsApplied: number;
  replaysRequested: number;
  replaysServed: number;
  snapshotsInstalled: number;
  duplicates: number;
  reordered: number;
  finals: number;
  dropped: number;
  divergences: number;
  audits: number;
  healed: number;
  disconnects: number;
  backpressure: number;
}

export interface Repair {
  readonly kind: "replay" | "snapshot";
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  /** Incarnation it came from. */
  readonly from: string;
  readonly events: number;
  readonly tookMs: number;
}

/** The shared ground. */
export interface Node {
  readonly self: HostAddress;
  readonly settings: ReplicationSettings;
  readonly world: Surroundings;
  readonly transport: Transport;
  readonly origins: Origins;
  readonly replica: Replica;
  readonly loads: LoadDesk;
  readonly log: EventLog;
  readonly inbox: Inbox;
  readonly needs: Needs;
  readonly membership: Membership;
  readonly publisher: Publisher;
  readonly counts: Counts;
  /** Who sent what had to be refused. */
  readonly quarantine: Quarantine;
  state: NodeState;
  fence: TidemarkError | undefined;
  /** Why it does not get on, in a sentence. */
  trouble: string | undefined;
  lastRepair: Repair | undefined;
  /** Our data are not to be trusted: another host's are to take their place. */
  takeover: PlannedTakeover | undefined;
  /** Origins whose row changed since the last heartbeat. */
  readonly changedRows: Set<number>;
  /** Sends a message, in pieces if it is too large for the network. */
  send(channel: Channel, to: HostAddress, message: Message): void;
  sendBytes(channel: Channel, to: HostAddress, bytes: Uint8Array): void;
  /** Tells those who listen what happened. */
  tell(event: Told): void;
  /** Milliseconds between heartbeats now. */
  heartbeatMs(): number;
}

export const SELF = 0;

/** Counts of a host that has just started. */
export function noCounts(): Counts {
  return {
    framesSent: 0,
    framesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    eventsApplied: 0,
    replaysRequested: 0,
    replaysServed: 0,
    snapshotsInstalled: 0,
    duplicates: 0,
    reordered: 0,
    finals: 0,
    dropped: 0,
    divergences: 0,
    audits: 0,
    healed: 0,
    disconnects: 0,
    backpressure: 0,
  };
}
