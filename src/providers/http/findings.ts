/** What an operator should know of a status, in sentences, the worst first: a pure reading of numbers. */
import type { PeerStatus, Status } from "../../status.ts";

/** How bad it is: `bad` needs somebody, `warn` may, `wait` passes by itself, `good` is as it should be. */
export type Tone = "bad" | "warn" | "wait" | "good";

export interface Finding {
  readonly tone: Tone;
  readonly text: string;
}

/** Whether another host holds what this one does. */
export type Agreement =
  /** The same events, the same data. */
  | "same"
  /** The same events and other data, which must never be. */
  | "differs"
  /** Not the same events yet, so there is nothing to compare. */
  | "moving"
  /** One of the two has let entries go for room. */
  | "partial";

/** Hosts tell each other what they have once a second, so that a healthy one may seem to be behind for as long. */
const BEHIND_MS = 5_000;
const SILENT_MS = 10_000;
const DIRTY_MS = 60_000;
const CLOCK_MS = 5_000;
const ORDER: readonly Tone[] = ["bad", "warn", "wait", "good"];

export function agreementOf(status: Status, peer: PeerStatus): Agreement {
  if (status.partial || peer.partial) return "partial";
  if (status.vectorHash !== peer.vectorHash) return "moving";
  return status.digest === peer.digest ? "same" : "differs";
}

/** At least one; the first is the one to lead with. */
export function findingsOf(status: Status): readonly Finding[] {
  const found = [...ofThisHost(status), ...status.hosts.flatMap((peer) => [...ofPeer(status, peer)])];
  if (found.length === 0) return [allIsWell(status)];
  return found.sort((a, b) => ORDER.indexOf(a.tone) - ORDER.indexOf(b.tone));
}

function* ofThisHost(status: Status): Generator<Finding> {
  const { state, reason, bounds, flow, checkpoint, loader } = status;
  if (state === "fenced" || state === "closed") yield { tone: "bad", text: `Not ready: ${reason}.` };
  else if (state !== "ready" && state !== "standalone") yield { tone: "wait", text: `Not ready: ${reason}.` };
  if (bounds?.exceeded)
    yield { tone: "warn", text: "More is held than the bound allows, for nothing may go yet." };
  if (flow.slowedBy !== undefined)
    yield { tone: "warn", text: `Writes wait for ${flow.slowedBy}, which does not keep pace.` };
  if (checkpoint !== undefined && checkpoint.failures > 0)
    yield {
      tone: "warn",
      text: `The last ${count(checkpoint.failures, "checkpoint")} could not be written.`,
    };
  if (loader !== undefined && loader.oldestDirtyMs > DIRTY_MS) {
    const since = duration(loader.oldestDirtyMs);
    yield {
      tone: "warn",
      text: `The database takes no commits: ${count(loader.dirty, "key")}, since ${since}.`,
    };
  }
}

function* ofPeer(status: Status, peer: PeerStatus): Generator<Finding> {
  const { node, state, live, heartbeatAgeMs, behindEvents, behindMs, clockOffsetMs } = peer;
  if (agreementOf(status, peer) === "differs") {
    yield {
      tone: "bad",
      text: `${node} has applied the same events and holds other data; it is being mended.`,
    };
  }
  if (!live) {
    // A newer start under the same name has taken its place.
    const replaced = status.hosts.some((other) => other.node === node && other.live);
    if (state !== "leaving" && heartbeatAgeMs >= SILENT_MS && !replaced)
      yield { tone: "warn", text: `${node} was not heard of for ${duration(heartbeatAgeMs)}.` };
    return;
  }
  if (state === "joining") yield { tone: "wait", text: `${node} is catching up.` };
  else if (behindMs >= BEHIND_MS) {
    const lag = `${count(behindEvents, "event")} behind, for ${duration(behindMs)}`;
    yield { tone: "warn", text: `${node} is ${lag}.` };
  }
  if (Math.abs(clockOffsetMs) >= CLOCK_MS)
    yield { tone: "warn", text: `The clock of ${node} is off by ${duration(Math.abs(clockOffsetMs))}.` };
}

function allIsWell(status: Status): Finding {
  const live = status.hosts.filter((peer) => peer.live);
  const good = (text: string): Finding => ({ tone: "good", text });
  if (status.state === "standalone") return good("Standalone: nothing is replicated.");
  if (live.length === 0) return good("Alone: no other host of this namespace is there.");
  const hosts = count(live.length + 1, "host");
  const same = live.every((peer) => agreementOf(status, peer) === "same");
  return good(same ? `All ${hosts} hold the same data.` : `All ${hosts} keep pace.`);
}

/** `1,204 events`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}

/** `40 ms`, `1.5 s`, `12 s`, `4 min`, `3 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
