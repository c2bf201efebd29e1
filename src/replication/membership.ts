/**
 * What this host knows of the others: who is live, how far each has come, how its clock differs. Nothing
 * here decides about data; a host believed dead that speaks again is simply live again.
 */
import { VersionVector } from "../causality/version-vector.ts";
import type { Heartbeat, PeerState, Service } from "./messages.ts";

export interface Peer {
  readonly node: string;
  readonly incarnation: string;
  /** Its index among the origins. */
  readonly origin: number;
  /** What it has reported as applied. */
  readonly vector: VersionVector;
  /** Our last event that it has acknowledged. Kept apart: only its heartbeats say what its own events had seen. */
  acknowledged: number;
  /** Our last event that it is known to have applied, by whatever means, and monotonic milliseconds when that grew. */
  reached: number;
  reachedAt: number;
  state: PeerState;
  counter: number;
  /** Monotonic milliseconds. */
  lastSeen: number;
  vectorHash: string;
  digest: string;
  keys: number;
  serves: Service;
  /** Whether it has let go of entries for room. */
  partial: boolean;
  /** Up to here, what it has loaded need not be looked after when it is gone. */
  settledSeq: number;
  /** What it had reported when we last had all of that: what it writes from now on, it wrote after that. */
  settled: VersionVector;
  /** Newest clock differences, its minus ours, milliseconds. Delay only ever makes them smaller. */
  readonly offsets: number[];
  /** Whether its clock was far from ours when it was last told. */
  clockFar: boolean;
  /** Heartbeats in a row whose differing hash no known row explained. */
  unexplained: number;
  /** Vector hash at which its digest differed from ours, and how often in a row. */
  differingAt: string;
  differing: number;
  /** Whether that was told, and not yet that it was mended. */
  diverged: boolean;
  /** Monotonic milliseconds when it last had everything we had. */
  levelAt: number;
}

const OFFSET_SAMPLES = 8;
/** Incarnations of one name that are remembered: restarts, and processes that share it. */
const MAX_PER_NODE = 64;
/** Hosts remembered in all; the protocol is made for a tenth of it. */
const MAX_PEERS = 1_024;
/** Silent so long, a host makes room for another, milliseconds. */
const SILENT_MS = 10_000;

export class Membership {
  readonly #peers = new Map<string, Peer>();

  get(incarnation: string): Peer | undefined {
    return this.#peers.get(incarnation);
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  /**
   * Makes room for one more incarnation of a host: the one of its name that was silent longest is forgotten.
   * False: there are too many hosts, all of them heard lately.
   */
  admit(node: string, now: number): boolean {
    let same = 0;
    let oldestSame: Peer | undefined;
    let oldest: Peer | undefined;
    for (const peer of this.#peers.values()) {
      if (oldest === undefined || peer.lastSeen < oldest.lastSeen) oldest = peer;
      if (peer.node !== node) continue;
      same++;
      if (oldestSame === undefined || peer.lastSeen < oldestSame.lastSeen) oldestSame = peer;
    }
    if (same >= MAX_PER_NODE) this.#peers.delete(oldestSame!.incarnation);
    else if (this.#peers.size >= MAX_PEERS) {
      if (now - oldest!.lastSeen < SILENT_MS) return false;
      this.#peers.delete(oldest!.incarnation);
    }
    return true;
  }

  /** Notes a heartbeat. `undefined`: it is older than one already heard. */
  heard(heartbeat: Heartbeat, origin: number, now: number, wallMs: number): Peer | undefined {
    let peer = this.#peers.get(heartbeat.incarnation);
    if (peer === undefined) {
      peer = newPeer(heartbeat, origin, now);
      this.#peers.set(heartbeat.incarnation, peer);
    }
    if (heartbeat.counter <= peer.counter) return undefined;
    peer.counter = heartbeat.counter;
    peer.lastSeen = now;
    // A goodbye is final, whatever arrives late.
    if (peer.state !== "leaving") peer.state = heartbeat.state;
    peer.vectorHash = heartbeat.vectorHash;
    peer.digest = heartbeat.digest;
    peer.keys = heartbeat.keys;
    peer.serves = heartbeat.serves;
    peer.partial = heartbeat.partial;
    peer.settledSeq = Math.max(peer.settledSeq, Math.min(heartbeat.settled, heartbeat.seq));
    peer.offsets.push(heartbeat.wallMs - wallMs);
    if (peer.offsets.length > OFFSET_SAMPLES) peer.offsets.shift();
    return peer;
  }

  /** Hosts heard from within `timeoutMs` that have not said goodbye. */
  live(now: number, timeoutMs: number): Peer[] {
    const live: Peer[] = [];
    for (const peer of this.#peers.values()) if (isLive(peer, now, timeoutMs)) live.push(peer);
    return live;
  }

  /** Forgets hosts that have been gone for `afterMs`; their rows stay with everybody who applied them. */
  forget(now: number, afterMs: number): void {
    for (const [incarnation, peer] of this.#peers) {
      if (now - peer.lastSeen > afterMs) this.#peers.delete(incarnation);
    }
  }
}

/** Notes how far it has come with our own events, of which it has just told. */
export function noteReached(peer: Peer, seq: number, now: number): void {
  if (seq <= peer.reached) return;
  peer.reached = seq;
  peer.reachedAt = now;
}

export function isLive(peer: Peer, now: number, timeoutMs: number): boolean {
  return peer.state !== "leaving" && now - peer.lastSeen <= timeoutMs;
}

/** Without a heartbeat for this long a host is not asked any more, in milliseconds. */
export function liveTimeout(heartbeatMs: number): number {
  return 3 * heartbeatMs + 1_000;
}

/** How often to send a heartbeat among `hosts`: so that all of them together stay cheap. */
export function heartbeatInterval(configuredMs: number | undefined, hosts: number): number {
  return configuredMs ?? Math.max(1_000, 50 * hosts);
}

/** Its clock minus ours: the largest sample, for that had the least delay. */
export function clockOffset(peer: Peer): number {
  const { offsets } = peer;
  if (offsets.length === 0) return 0;
  let largest = offsets[0]!;
  for (let i = 1; i < offsets.length; i++) if (offsets[i]! > largest) largest = offsets[i]!;
  return largest;
}

/** The median of our clock (0) and the others' differences: what to add to ours for fleet time. */
export function medianOffset(peers: readonly Peer[]): number {
  // Asked for at every tick: an array of numbers sorts without calling back.
  const offsets = new Float64Array(peers.length + 1);
  for (let i = 0; i < peers.length; i++) offsets[i] = clockOffset(peers[i]!);
  offsets.sort();
  const middle = offsets.length >> 1;
  return offsets.length % 2 === 1 ? offsets[middle]! : (offsets[middle - 1]! + offsets[middle]!) / 2;
}

/** Ranks hosts for a duty, the same on every host: highest random weight (Thaler and Ravishankar, 1996). */
export function rendezvousRank(duty: string, self: string, hosts: readonly string[]): number {
  const own = weight(duty, self);
  let rank = 0;
  for (const host of hosts) {
    const theirs = weight(duty, host);
    if (theirs > own || (theirs === own && host > self)) rank++;
  }
  return rank;
}

/** The first of the hosts in the order of `rendezvousRank`, at most so many. */
export function rendezvousOrder(duty: string, hosts: readonly string[], most: number): string[] {
  const first: { readonly host: string; readonly weight: number }[] = [];
  for (const host of hosts) {
    const own = weight(duty, host);
    let place = first.length;
    while (place > 0 && outranks(own, host, first[place - 1]!)) place--;
    if (place >= most) continue;
    first.splice(place, 0, { host, weight: own });
    if (first.length > most) first.pop();
  }
  return first.map(({ host }) => host);
}

function outranks(own: number, name: string, other: { host: string; weight: number }): boolean {
  return own > other.weight || (own === other.weight && name > other.host);
}

function weight(duty: string, host: string): number {
  let hash = 0x811c9dc5;
  const text = `${duty}\n${host}`;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function newPeer(heartbeat: Heartbeat, origin: number, now: number): Peer {
  return {
    node: heartbeat.node,
    incarnation: heartbeat.incarnation,
    origin,
    vector: new VersionVector(),
    acknowledged: 0,
    reached: 0,
    reachedAt: now,
    state: heartbeat.state,
    counter: -1,
    lastSeen: now,
    vectorHash: "",
    digest: "",
    keys: 0,
    serves: "none",
    partial: false,
    settledSeq: 0,
    settled: new VersionVector(),
    offsets: [],
    clockFar: false,
    unexplained: 0,
    differingAt: "",
    differing: 0,
    diverged: false,
    levelAt: now,
  };
}
