/**
 * Comparing notes. A heartbeat says what its sender has applied; the receiver finds out what it lacks,
 * which zero counters may be closed, whether clocks differ, and whether two hosts that have applied the
 * same events hold the same data, which they must.
 */
import { MAX_SKEW_MS } from "../causality/hybrid-logical-clock.ts";
import type { Audit } from "./audit.ts";
import { clockOffset, heartbeatInterval, liveTimeout, noteReached, type Peer } from "./membership.ts";
import type { Heartbeat, PeerState, Row } from "./messages.ts";
import { type Node, SELF } from "./node.ts";
import { settledSeq } from "./settlement.ts";
import { type Rate, TokenBuckets } from "./token-buckets.ts";

/** Every so many heartbeats carry all rows. */
const COMPLETE_EVERY = 10;
/** Answers to a joiner are spread over this many milliseconds. */
const ANSWER_JITTER_MS = 50;

/** Names of unheard hosts that one host may bring: a joiner meets them all at once, later they are rare. */
const NAME_RATE: Rate = { perSecond: 0.1, burst: 4_096 };

export class Heartbeats {
  readonly #node: Node;
  readonly #audit: Audit;
  #counter = 0;
  #settled = 0;
  #nextAt = 0;
  #completeAt = Number.POSITIVE_INFINITY;
  /** Names of hosts that nothing was ever heard of, by the host that names them: they are kept for ever. */
  readonly #names: TokenBuckets;

  constructor(node: Node, audit: Audit) {
    this.#node = node;
    this.#audit = audit;
    this.#names = new TokenBuckets(() => node.world.monotonic(), NAME_RATE);
  }

  tick(now: number): void {
    if (now >= this.#completeAt) this.send(true);
    else if (now >= this.#nextAt) this.send(this.#counter % COMPLETE_EVERY === 0);
  }

  /** Says now what we have; `complete`: with all rows. */
  send(complete: boolean): void {
    const node = this.#node;
    if (!node.transport.connected) return;
    // What is announced should be on its way already.
    node.publisher.release();
    const now = node.world.monotonic();
    const { vector } = node.replica;
    const rows: Row[] = [];
    if (complete) for (const [origin, seq] of vector.entries()) rows.push([node.origins.name(origin), seq]);
    else for (const origin of node.changedRows) rows.push([node.origins.name(origin), vector.get(origin)]);
    node.changedRows.clear();
    // It only grows: a host that is new has seen what all others had.
    this.#settled = Math.max(this.#settled, settledSeq(node));
    const { digest, keys, partial } = node.replica.summary();
    node.send("hb", node.self, {
      type: "heartbeat",
      incarnation: node.self.incarnation,
      node: node.self.node,
      counter: ++this.#counter,
      seq: vector.get(SELF),
      wallMs: node.world.localTime(),
      state: stateToTell(node),
      vectorHash: vector.hash(node.origins),
      digest,
      keys,
      serves: node.loads.serves,
      partial,
      complete,
      rows,
      settled: this.#settled,
    });
    if (complete) this.#completeAt = Number.POSITIVE_INFINITY;
    this.#nextAt = now + node.heartbeatMs() * (0.9 + 0.2 * node.world.random());
  }

  /** Sends a complete heartbeat soon. */
  sendSoon(): void {
    const { world } = this.#node;
    this.#completeAt = Math.min(this.#completeAt, world.monotonic() + ANSWER_JITTER_MS * world.random());
  }

  /** What another host says of itself. */
  hear(heartbeat: Heartbeat): void {
    const node = this.#node;
    const now = node.world.monotonic();
    const origin = this.#indexOf(heartbeat.incarnation, heartbeat.node);
    if (origin === undefined) return;
    const known = node.membership.get(heartbeat.incarnation) !== undefined;
    if (!known && !node.membership.admit(heartbeat.node, now)) {
      node.quarantine.note(
        heartbeat.node,
        "too-many-hosts",
        "there are as many hosts as a namespace may have",
      );
      return;
    }
    const peer = node.membership.heard(heartbeat, origin, now, node.world.localTime());
    if (peer === undefined) return;
    this.#raise(peer, origin, heartbeat.seq);
    for (const [name, seq] of heartbeat.rows) {
      const row = this.#indexOf(name, heartbeat.node);
      if (row !== undefined) this.#raise(peer, row, seq);
    }
    const ownHash = node.replica.vector.hash(node.origins);
    // Then it has applied what we have, also where a heartbeat that said so was lost.
    if (heartbeat.vectorHash === ownHash) peer.vector.merge(node.replica.vector);
    this.#lookAtClock(peer);
    if (!known && heartbeat.state !== "leaving") this.sendSoon();
    if (heartbeat.state === "joining") this.sendSoon();
    this.#lookForGaps(peer, now);
    noteReached(peer, peer.vector.get(SELF), now);
    node.publisher.applied(peer.vector.get(SELF));
    if (node.replica.vector.covers(origin, heartbeat.seq)) node.replica.closeCounters(origin, peer.vector);
    this.#compare(peer, heartbeat, ownHash, now);
  }

  /** The index of an incarnation, unless the host that names it has named too many unheard ones. */
  #indexOf(incarnation: string, by: string): number | undefined {
    const { origins, quarantine } = this.#node;
    const known = origins.find(incarnation);
    if (known !== undefined) return known;
    if (this.#names.take(by, 1)) return origins.intern(incarnation);
    quarantine.note(by, "too-many-names", `it names hosts that nobody heard of, such as ${incarnation}`);
    return undefined;
  }

  /** Notes a row that a peer reports; of our own events it cannot have more than we made. */
  #raise(peer: Peer, origin: number, seq: number): void {
    const { replica, quarantine } = this.#node;
    const made = replica.vector.get(SELF);
    if (origin !== SELF || seq <= made) {
      peer.vector.raise(origin, seq);
      return;
    }
    peer.vector.raise(SELF, made);
    quarantine.note(peer.node, "false-row", `it claims event ${seq} of this host, which made ${made}`);
  }

  #lookAtClock(peer: Peer): void {
    const offsetMs = Math.round(clockOffset(peer));
    const far = Math.abs(offsetMs) > MAX_SKEW_MS;
    if (far === peer.clockFar) return;
    peer.clockFar = far;
    this.#node.tell({ type: "clock", node: peer.node, offsetMs, far });
  }

  #lookForGaps(peer: Peer, now: number): void {
    const { replica, needs } = this.#node;
    for (const [origin, seq] of peer.vector.entries()) {
      if (origin === SELF || seq <= replica.vector.get(origin)) continue;
      needs.want(origin, seq, now);
      needs.offered(origin, now);
    }
  }

  #compare(peer: Peer, heartbeat: Heartbeat, ownHash: string, now: number): void {
    const node = this.#node;
    if (peer.vector.includes(node.replica.vector)) peer.levelAt = now;
    if (heartbeat.vectorHash !== ownHash) {
      peer.differing = 0;
      // A differing hash that no known row explains: some row of theirs has not reached us.
      peer.unexplained = differs(peer, node) ? 0 : peer.unexplained + 1;
      if (peer.unexplained < 2) return;
      peer.unexplained = 0;
      node.send("rq", peer, {
        type: "rows-request",
        incarnation: node.self.incarnation,
        node: node.self.node,
      });
      return;
    }
    peer.levelAt = now;
    peer.unexplained = 0;
    this.#audit.compare(peer, heartbeat, ownHash);
  }
}

/** Milliseconds between heartbeats among the hosts that are live now. */
export function currentInterval(node: Node): number {
  const configured = node.settings.heartbeatMs;
  if (configured !== undefined) return configured;
  const live = node.membership.live(node.world.monotonic(), liveTimeout(2_000)).length;
  return heartbeatInterval(undefined, live + 1);
}

function differs(peer: Peer, node: Node): boolean {
  const { vector } = node.replica;
  return !(peer.vector.includes(vector) && vector.includes(peer.vector));
}

function stateToTell(node: Node): PeerState {
  if (node.state === "leaving" || node.state === "closed") return "leaving";
  return node.state === "ready" ? "ready" : "joining";
}
