/** The status of a host, as people read it: hosts and their lag, repairs, memory, and whatever is not well. */
import type { Status } from "../../status.ts";
import { shownBytes, shownCount, shownTtl, shownWord } from "../output.ts";
import { tableLines } from "../table.ts";

/** What `/status` answers: a status that has been JSON, where what is `undefined` is missing. */
export type ToldStatus = Status;

const HOSTS = [
  { head: "host" },
  { head: "state" },
  { head: "keys", right: true },
  { head: "behind", right: true },
  { head: "ahead", right: true },
  { head: "heard", right: true },
  { head: "data" },
] as const;

/** Whether the host takes reads and writes. */
export function isReady({ state }: ToldStatus): boolean {
  return state === "ready" || state === "standalone";
}

/** Lines without their ends; `now` in milliseconds since 1970. */
export function statusLines(status: ToldStatus, now: number): string[] {
  return [
    ...headLines(status),
    "",
    ...tableLines(HOSTS, [ownRow(status), ...status.hosts.map((host) => hostRow(host, status))]),
    "",
    ...figureLines(status, now),
    ...troubles(status).map((trouble) => `!          ${trouble}`),
  ];
}

function headLines({ node, state, reason, namespace, incarnation, connected }: ToldStatus): string[] {
  const link = state === "standalone" ? "" : connected ? ", connected to NATS" : ", not connected to NATS";
  const lines = [`${node}: ${state}, namespace ${namespace}${link}`, `incarnation ${incarnation}`];
  return reason === undefined ? lines : [...lines, shownWord(reason)];
}

function ownRow({ node, state, keys, digest, partial }: ToldStatus): string[] {
  return [`${node} *`, state, shownCount(keys), "", "", "", `${digest}${partial ? " partial" : ""}`];
}

function hostRow(host: ToldStatus["hosts"][number], own: ToldStatus): string[] {
  const behind =
    host.behindEvents === 0 ? "0" : `${shownCount(host.behindEvents)} (${shownTtl(host.behindMs)})`;
  return [
    shownWord(host.node),
    host.live ? host.state : "gone",
    shownCount(host.keys),
    behind,
    shownCount(host.aheadEvents),
    shownTtl(host.heartbeatAgeMs),
    comparison(host, own),
  ];
}

/** Digests say something only where both have applied the same, and both hold all of it. */
function comparison(host: ToldStatus["hosts"][number], own: ToldStatus): string {
  if (host.partial || own.partial) return `${host.digest} partial`;
  if (host.vectorHash !== own.vectorHash) return "not level";
  return host.digest === own.digest ? "same" : "DIFFERS";
}

function figureLines(status: ToldStatus, now: number): string[] {
  const { counts, lastRepair, bounds, loader, checkpoint } = status;
  const lines = [
    `repairs    gaps ${shownCount(counts.gaps)}, replays ${shownCount(counts.replaysRequested)}, snapshots ` +
      `${shownCount(counts.snapshotsInstalled)}, divergences ${shownCount(counts.divergences)}, healed ${shownCount(counts.healed)}`,
  ];
  if (lastRepair !== undefined) {
    const { kind, from, events, at, tookMs } = lastRepair;
    const ago = shownTtl(Math.max(0, now - at));
    lines.push(
      `           last: ${kind} of ${shownCount(events)} events from ${shownWord(from)} in ${Math.round(tookMs)} ms, ${ago} ago`,
    );
  }
  const kept =
    bounds === undefined
      ? ""
      : `kept ${shownBytes(bounds.bytes)}, let go ${shownCount(bounds.evicted)} keys, `;
  lines.push(
    `memory     ${kept}log ${shownBytes(status.logBytes)}, received and waiting ${shownBytes(status.inboxBytes + status.flow.queuedBytes)}, ` +
      `unconfirmed ${shownBytes(status.unconfirmedBytes)}`,
    `traffic    wrote ${shownCount(counts.eventsWritten)} events, applied ${shownCount(counts.eventsApplied)}; ` +
      `sent ${shownBytes(counts.bytesSent)}, received ${shownBytes(counts.bytesReceived)}`,
  );
  if (loader !== undefined) {
    const { gets, hits, dirty, oldestDirtyMs, failedLoads, failedCommits } = loader;
    const ratio = gets === 0 ? "–" : `${((100 * hits) / gets).toFixed(1)} %`;
    lines.push(
      `upstream   hits ${ratio} of ${shownCount(gets)}, uncommitted ${shownCount(dirty)} (${shownTtl(oldestDirtyMs)}), ` +
        `failed loads ${shownCount(failedLoads)}, commits ${shownCount(failedCommits)}`,
    );
  }
  if (checkpoint !== undefined) {
    const { lastSavedAt, lastBytes, failures } = checkpoint;
    const saved =
      lastSavedAt === undefined
        ? "none yet"
        : `${shownTtl(Math.max(0, now - lastSavedAt))} ago, ${shownBytes(lastBytes)}`;
    lines.push(`checkpoint ${saved}${failures > 0 ? `, failed ${failures} times since` : ""}`);
  }
  return lines;
}

/** What an operator has to look at. */
function troubles(status: ToldStatus): string[] {
  const { flow, quarantine, bounds, counts, hosts } = status;
  const found: string[] = [];
  for (const host of hosts) {
    if (comparison(host, status) === "DIFFERS")
      found.push(`${shownWord(host.node)} has applied the same and holds other data`);
    if (Math.abs(host.clockOffsetMs) > 10_000)
      found.push(
        `the clock of ${shownWord(host.node)} is off by ${Math.round(host.clockOffsetMs / 1_000)} s`,
      );
  }
  if (flow.slowedBy !== undefined) found.push(`writes wait for ${shownWord(flow.slowedBy)}, which is slower`);
  for (const { node, last } of quarantine)
    found.push(`messages of ${shownWord(node)} were refused: ${shownWord(last)}`);
  if (bounds?.exceeded) found.push("more is kept than maxEntries and maxBytes allow");
  if (counts.dropped > 0)
    found.push(`${shownCount(counts.dropped)} messages were dropped at a bound, and repaired later`);
  if (counts.backpressure > 0)
    found.push(`${shownCount(counts.backpressure)} writes were refused for too much that waits`);
  return found;
}
