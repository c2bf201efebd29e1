/** The public face of the package. Nobody inside imports it. */

export type { Duration, Size } from "./arguments.ts";
export type { CheckpointStatus } from "./checkpoint/checkpointer.ts";
export type { Value } from "./crdt/entry.ts";
export { type ErrorCode, TidemarkError } from "./errors.ts";
export { type Codec, cbor, type TypedMutation, type TypedUpstream, typed } from "./loader/codec.ts";
export type { LoaderCounts, LoaderStatus } from "./loader/counts.ts";
export type { LoadingOptions } from "./loader/settings.ts";
export type {
  CallOptions,
  LoadFunction,
  Mutation,
  Row,
  Stored,
  Upstream,
  WriteOrder,
} from "./loader/upstream.ts";
export type { OpenOptions } from "./options.ts";
export type { Refusal, ReplicationEvent } from "./replication/replication-event.ts";
export type { FlowStatus, HostState, PeerStatus, QuarantineStatus, Status, StatusCounts } from "./status.ts";
export {
  type Commit,
  type KeysOptions,
  type KeyType,
  type ListEnd,
  type MoveOptions,
  open,
  type ReplicatedOptions,
  type SetOptions,
  type StoreOptions,
  type Tidemark,
  type Token,
  type UpdateOptions,
  type ValueInput,
  type WaitOptions,
} from "./tidemark.ts";
export type { Change, KeyChange, WatchOptions } from "./watch.ts";
