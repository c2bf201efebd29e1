/** The host itself: its state, what it holds, what it keeps for others, and its checkpoints. */
import type { HostState } from "../../../status.ts";
import { counter, gauge, type Metric, seconds } from "./metric.ts";

const STATES: Readonly<Record<HostState, true>> = {
  loading: true,
  standalone: true,
  connecting: true,
  joining: true,
  ready: true,
  fenced: true,
  leaving: true,
  closed: true,
};

export const hostMetrics: readonly Metric[] = [
  gauge(
    "tidemark_info",
    "Always 1; says which start of the host this is.",
    ({ status }) => [{ labels: { incarnation: status.incarnation }, value: 1 }],
    ["incarnation"],
  ),
  gauge(
    "tidemark_ready",
    "Whether the host has caught up and takes writes.",
    ({ status: { state } }) => state === "ready" || state === "standalone",
  ),
  gauge(
    "tidemark_state",
    "1 for the state the host is in, 0 for the others.",
    ({ status }) =>
      Object.keys(STATES).map((state) => ({ labels: { state }, value: Number(status.state === state) })),
    ["state"],
  ),
  gauge(
    "tidemark_nats_connected",
    "Whether there is a connection to a NATS server.",
    ({ status }) => status.connected,
  ),
  gauge(
    "tidemark_keys",
    "Keys held, expired ones that wait for removal included.",
    ({ status }) => status.keys,
  ),
  gauge(
    "tidemark_partial",
    "Whether entries that stand on other hosts were let go here for room.",
    ({ status }) => status.partial,
  ),
  gauge(
    "tidemark_bounded_bytes",
    "Memory that what is kept takes, the log included; without maxBytes it is not counted.",
    ({ status }) => status.bounds?.bytes,
  ),
  gauge(
    "tidemark_bound_exceeded",
    "Whether more is held than the bound allows, for nothing may go yet.",
    ({ status }) => status.bounds?.exceeded,
  ),
  counter("tidemark_evicted_keys_total", "Keys let go for room.", ({ status }) => status.bounds?.evicted),
  gauge("tidemark_log_bytes", "Frames kept for replay.", ({ status }) => status.logBytes),
  gauge(
    "tidemark_inbox_bytes",
    "Frames that wait for what comes before them.",
    ({ status }) => status.inboxBytes,
  ),
  gauge(
    "tidemark_unconfirmed_bytes",
    "Own frames that the NATS server has not confirmed.",
    ({ status }) => status.unconfirmedBytes,
  ),
  gauge(
    "tidemark_send_credit_bytes",
    "What may be sent before the server has to confirm some of it.",
    ({ status }) => status.flow.creditBytes,
  ),
  gauge(
    "tidemark_unsent_bytes",
    "What was written and is held back: no connection, no credit, or a slower host.",
    ({ status }) => status.flow.unsentBytes,
  ),
  gauge(
    "tidemark_queued_bytes",
    "What was received and is not handled yet.",
    ({ status }) => status.flow.queuedBytes,
  ),
  gauge(
    "tidemark_slowed_by",
    "1 for the host that sending is held back for.",
    ({ status: { flow } }) =>
      flow.slowedBy === undefined ? [] : [{ labels: { peer: flow.slowedBy }, value: 1 }],
    ["peer"],
  ),
  gauge(
    "tidemark_fragment_bytes",
    "Pieces of messages that are not whole yet.",
    ({ status }) => status.fragmentBytes,
  ),
  gauge(
    "tidemark_pending_removals",
    "Removals of entries that were not seen yet.",
    ({ status }) => status.pendingRemovals,
  ),
  gauge("tidemark_checkpoint_interval_seconds", "How often a checkpoint is written.", ({ status }) =>
    seconds(status.checkpoint?.everyMs),
  ),
  counter("tidemark_checkpoints_total", "Checkpoints written.", ({ status }) => status.checkpoint?.saved),
  gauge("tidemark_checkpoint_last_timestamp_seconds", "When the last checkpoint was written.", ({ status }) =>
    seconds(status.checkpoint?.lastSavedAt),
  ),
  gauge("tidemark_checkpoint_last_bytes", "Its size.", ({ status }) => status.checkpoint?.lastBytes),
  gauge("tidemark_checkpoint_last_duration_seconds", "How long it took.", ({ status }) =>
    seconds(status.checkpoint?.lastTookMs),
  ),
  gauge(
    "tidemark_checkpoint_consecutive_failures",
    "Checkpoints that failed in a row.",
    ({ status }) => status.checkpoint?.failures,
  ),
  gauge(
    "tidemark_checkpoint_loaded_events",
    "Events that were loaded from a checkpoint at the start.",
    ({ status }) => status.checkpoint?.loadedEvents,
  ),
  gauge(
    "tidemark_checkpoint_refused",
    "Whether the checkpoint found at the start could not be taken.",
    ({ status: { checkpoint } }) => checkpoint && checkpoint.refused !== undefined,
  ),
];
