/** What hosts say to each other: counts since start, and how each of the other hosts stands. */
import type { PeerStatus, Status } from "../../../status.ts";
import { counter, gauge, type Metric, type Sample, seconds } from "./metric.ts";

const EACH = ["peer"];

export const replicationMetrics: readonly Metric[] = [
  counter("tidemark_events_written_total", "Events made here.", ({ status }) => status.counts.eventsWritten),
  counter(
    "tidemark_events_applied_total",
    "Events of other hosts applied here.",
    ({ status }) => status.counts.eventsApplied,
  ),
  counter("tidemark_frames_sent_total", "Frames published.", ({ status }) => status.counts.framesSent),
  counter("tidemark_frames_received_total", "Frames received.", ({ status }) => status.counts.framesReceived),
  counter("tidemark_sent_bytes_total", "Bytes published on NATS.", ({ status }) => status.counts.bytesSent),
  counter(
    "tidemark_received_bytes_total",
    "Bytes received from NATS.",
    ({ status }) => status.counts.bytesReceived,
  ),
  counter("tidemark_gaps_total", "Times events were found missing.", ({ status }) => status.counts.gaps),
  counter(
    "tidemark_replays_requested_total",
    "Replays asked of others.",
    ({ status }) => status.counts.replaysRequested,
  ),
  counter("tidemark_replays_served_total", "Replays answered.", ({ status }) => status.counts.replaysServed),
  counter(
    "tidemark_snapshots_installed_total",
    "Snapshots taken over from others.",
    ({ status }) => status.counts.snapshotsInstalled,
  ),
  counter(
    "tidemark_snapshots_served_total",
    "Snapshots given to others.",
    ({ status }) => status.counts.snapshotsServed,
  ),
  counter(
    "tidemark_duplicate_frames_total",
    "Frames that had been applied before.",
    ({ status }) => status.counts.duplicates,
  ),
  counter(
    "tidemark_reordered_frames_total",
    "Frames that came before their predecessors.",
    ({ status }) => status.counts.reordered,
  ),
  counter(
    "tidemark_rejected_messages_total",
    "Messages refused; 0 on a healthy fleet.",
    ({ status }) => status.counts.rejected,
  ),
  counter(
    "tidemark_dropped_messages_total",
    "Messages dropped because a bound was reached; repaired later.",
    ({ status }) => status.counts.dropped,
  ),
  counter(
    "tidemark_backpressure_total",
    "Writes refused with BACKPRESSURE.",
    ({ status }) => status.counts.backpressure,
  ),
  counter(
    "tidemark_republished_frames_total",
    "Own frames published again after a reconnect.",
    ({ status }) => status.counts.republished,
  ),
  counter(
    "tidemark_audits_total",
    "Heartbeats with the vector of this host whose digest was compared.",
    ({ status }) => status.counts.audits,
  ),
  counter(
    "tidemark_scrubs_total",
    "Times all data were held against their digests.",
    ({ status }) => status.counts.scrubs,
  ),
  counter(
    "tidemark_divergences_total",
    "Times data differed that must not; has to stay 0.",
    ({ status }) => status.counts.divergences,
  ),
  counter(
    "tidemark_healed_total",
    "Times the data of another host were taken over to mend that.",
    ({ status }) => status.counts.healed,
  ),
  counter(
    "tidemark_finals_total",
    "Hosts that died with a hole in their events, which was given up everywhere.",
    ({ status }) => status.counts.finals,
  ),
  counter(
    "tidemark_nats_disconnects_total",
    "Times the connection to NATS was lost.",
    ({ status }) => status.counts.disconnects,
  ),
  counter(
    "tidemark_future_stamps_total",
    "Events stamped far in the future: the clock of some host is wrong.",
    ({ status }) => status.counts.futureStamps,
  ),
  gauge(
    "tidemark_last_repair_timestamp_seconds",
    "When this host last made up for what it had missed.",
    ({ status }) => ofRepair(status, ({ at }) => at / 1_000),
    ["kind"],
  ),
  gauge(
    "tidemark_last_repair_events",
    "Events that came with it.",
    ({ status }) => ofRepair(status, ({ events }) => events),
    ["kind"],
  ),
  gauge(
    "tidemark_last_repair_duration_seconds",
    "How long it took.",
    ({ status }) => ofRepair(status, ({ tookMs }) => tookMs / 1_000),
    ["kind"],
  ),
  gauge(
    "tidemark_version_vector_rows",
    "Starts of hosts that events were ever applied of.",
    ({ status }) => Object.keys(status.highWaterMarks).length,
  ),
  counter(
    "tidemark_quarantine_refused_total",
    "Messages refused, by the host whose name they bore and by reason.",
    ({ status }) => refusals(status),
    ["peer", "reason"],
  ),
  gauge(
    "tidemark_quarantine_last_timestamp_seconds",
    "When something under the name of that host was last refused.",
    ({ status }) => status.quarantine.map(({ node, at }) => ({ labels: { peer: node }, value: at / 1_000 })),
    EACH,
  ),
  gauge(
    "tidemark_hosts",
    "Other hosts by state; silent are those that were not heard of for some heartbeats.",
    ({ status }) => hostsByState(status),
    ["state"],
  ),
  gauge(
    "tidemark_peer_live",
    "Whether that host was heard of lately.",
    ({ status }) => ofPeers(status, ({ live }) => Number(live)),
    EACH,
  ),
  gauge(
    "tidemark_peer_heartbeat_age_seconds",
    "Since when it was not heard of.",
    ({ status }) => ofPeers(status, ({ heartbeatAgeMs }) => seconds(heartbeatAgeMs)),
    EACH,
  ),
  gauge(
    "tidemark_peer_behind_events",
    "Events applied here that it has not reported as applied.",
    ({ status }) => ofPeers(status, ({ behindEvents }) => behindEvents),
    EACH,
  ),
  gauge(
    "tidemark_peer_behind_seconds",
    "Since when it has not had everything that this host has.",
    ({ status }) => ofPeers(status, ({ behindMs }) => seconds(behindMs)),
    EACH,
  ),
  gauge(
    "tidemark_peer_ahead_events",
    "Events that it has applied and this host has not.",
    ({ status }) => ofPeers(status, ({ aheadEvents }) => aheadEvents),
    EACH,
  ),
  gauge(
    "tidemark_peer_clock_offset_seconds",
    "Its wall clock minus that of this host.",
    ({ status }) => ofPeers(status, ({ clockOffsetMs }) => seconds(clockOffsetMs)),
    EACH,
  ),
  gauge("tidemark_peer_keys", "Keys it holds.", ({ status }) => ofPeers(status, ({ keys }) => keys), EACH),
  gauge(
    "tidemark_peer_partial",
    "Whether it has let entries go for room.",
    ({ status }) => ofPeers(status, ({ partial }) => Number(partial)),
    EACH,
  ),
  gauge(
    "tidemark_peer_digest_differs",
    "1 where it has applied the same events and holds other data; has to stay 0.",
    ({ status }) => ofPeers(status, (peer) => Number(differs(status, peer))),
    EACH,
  ),
  gauge(
    "tidemark_peer_applied_here",
    "Its highest event that was applied here.",
    ({ status }) => ofPeers(status, ({ incarnation }) => status.highWaterMarks[incarnation] ?? 0),
    EACH,
  ),
  gauge(
    "tidemark_peer_applied_there",
    "The highest event of this host that it reported as applied.",
    ({ status }) => ofPeers(status, ({ highWaterMarks }) => highWaterMarks[status.incarnation] ?? 0),
    EACH,
  ),
  counter(
    "tidemark_peer_refused_messages_total",
    "Messages under its name that were refused, by reason.",
    ({ status }) => peerRefusals(status),
    ["peer", "reason"],
  ),
];

/** Whether a host with the same events holds other data; one that let entries go is compared with nobody. */
function differs(status: Status, { vectorHash, digest, partial }: PeerStatus): boolean {
  return vectorHash === status.vectorHash && digest !== status.digest && !partial && !status.partial;
}

/** One sample for each name: of several starts under one name, the one that was heard of last. */
function ofPeers(status: Status, read: (peer: PeerStatus) => number | undefined): Sample[] {
  return Array.from(latestByName(status).values(), (peer) => ({
    labels: { peer: peer.node },
    value: read(peer) ?? 0,
  }));
}

function latestByName({ hosts }: Status): ReadonlyMap<string, PeerStatus> {
  const latest = new Map<string, PeerStatus>();
  for (const peer of hosts) {
    const other = latest.get(peer.node);
    if (other === undefined || peer.heartbeatAgeMs < other.heartbeatAgeMs) latest.set(peer.node, peer);
  }
  return latest;
}

function hostsByState({ hosts }: Status): Sample[] {
  const numbers = { ready: 0, joining: 0, leaving: 0, silent: 0 };
  for (const { live, state } of hosts) numbers[live ? state : "silent"]++;
  return Object.entries(numbers).map(([state, value]) => ({ labels: { state }, value }));
}

function ofRepair(
  { lastRepair }: Status,
  read: (repair: NonNullable<Status["lastRepair"]>) => number,
): Sample[] {
  return lastRepair === undefined ? [] : [{ labels: { kind: lastRepair.kind }, value: read(lastRepair) }];
}

function refusals({ quarantine }: Status): Sample[] {
  return quarantine.flatMap(({ node, refused }) => byReason(node, refused));
}

function peerRefusals(status: Status): Sample[] {
  return Array.from(latestByName(status).values()).flatMap(({ node, refused }) => byReason(node, refused));
}

function byReason(peer: string, refused: PeerStatus["refused"]): Sample[] {
  return Object.entries(refused).map(([reason, value]) => ({ labels: { peer, reason }, value }));
}
