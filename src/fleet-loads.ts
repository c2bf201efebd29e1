/**
 * The other hosts as the loader needs them, and the loader as replication needs it: who may load a key, and
 * the requests and answers that go back and forth about it.
 */
import type { VersionVector } from "./causality/version-vector.ts";
import type { Answer } from "./loader/answer.ts";
import type { Fleet } from "./loader/fleet.ts";
import type { Loader } from "./loader/loader.ts";
import type { Upstream } from "./loader/upstream.ts";
import type { Orphaned } from "./orphan-loads.ts";
import { isLive, liveTimeout, rendezvousOrder, rendezvousRank } from "./replication/membership.ts";
import type { Service } from "./replication/messages.ts";
import { type LoadDesk, SELF } from "./replication/node.ts";
import type { Replicator } from "./replication/replicator.ts";
import { seenOfOurs } from "./replication/settlement.ts";

/** One to load, and one to take over. */
const MOST_HOSTS = 2;
/** The loads of a host that is gone are looked after by the others in an order, this much apart, in milliseconds. */
const TURN_MS = 2_000;
/** Who is live changes in seconds: so long one look at it serves for all keys, in milliseconds. */
const LOOK_MS = 20;

export class FleetLoads implements Fleet, LoadDesk {
  readonly serves: Service;
  readonly #replicator: () => Replicator;
  readonly #loader: () => Loader;
  #serving: readonly string[] = [];
  #complete: readonly string[] = [];
  #committers: readonly string[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Both come to be after this, and are there before anything is asked. */
  constructor(upstream: Upstream<unknown>, replicator: () => Replicator, loader: () => Loader) {
    this.serves = upstream.commit === undefined ? "loads" : "commits";
    this.#replicator = replicator;
    this.#loader = loader;
  }

  get self(): string {
    return this.#replicator().node.self.incarnation;
  }

  /** Of those that have let nothing go for room, if there are any: they have what was written, and not loaded. */
  order(key: string): string[] {
    const hosts = this.#hosts();
    return rendezvousOrder(key, this.#complete.length > 0 ? this.#complete : hosts, MOST_HOSTS);
  }

  /** Our place among those who may commit a key; 0 is first. */
  rank(key: string): number {
    return rendezvousRank(key, this.self, this.otherCommitters());
  }

  /** The others who commit: the same list for as long as they are the same. */
  otherCommitters(): readonly string[] {
    this.#hosts();
    return this.#committers;
  }

  /** Whether each of these events, flat, is known to have been applied by another host that commits. */
  areKnownElsewhere(dots: readonly number[]): boolean {
    const { node } = this.#replicator();
    const peers = this.otherCommitters().map((host) => node.membership.get(host)!);
    for (let i = 0; i < dots.length; i += 2) {
      const [origin, seq] = [dots[i]!, dots[i + 1]!];
      const known = peers.some((peer) => {
        if (peer.origin === origin || peer.vector.covers(origin, seq)) return true;
        return origin === SELF && peer.acknowledged >= seq;
      });
      if (!known) return false;
    }
    return true;
  }

  isLive(host: string): boolean {
    const { membership, world, heartbeatMs } = this.#replicator().node;
    const peer = membership.get(host);
    return peer !== undefined && isLive(peer, world.monotonic(), liveTimeout(heartbeatMs()));
  }

  /** What the host of an origin has told that it has applied; `undefined` if it is not live. */
  reportedBy(origin: number): VersionVector | undefined {
    const { membership, origins } = this.#replicator().node;
    const name = origins.name(origin);
    return this.isLive(name) ? membership.get(name)!.vector : undefined;
  }

  /** By origin, how far its host had seen our events before it wrote what may still come from it. */
  seenOfOurs(): ReadonlyMap<number, number> {
    return seenOfOurs(this.#replicator().node);
  }

  /** Hosts with an upstream that are gone; this host and the others with one take turns to look after their loads. */
  orphaned(): Orphaned[] {
    const { node } = this.#replicator();
    if (node.state !== "ready") return [];
    const now = node.world.monotonic();
    const timeoutMs = liveTimeout(node.heartbeatMs());
    const orphaned: Orphaned[] = [];
    for (const peer of node.membership.all()) {
      if (peer.serves === "none" || isLive(peer, now, timeoutMs)) continue;
      const silentMs = now - peer.lastSeen - (peer.state === "leaving" ? 0 : timeoutMs);
      const due = silentMs >= rendezvousRank(peer.incarnation, this.self, this.#hosts()) * TURN_MS;
      orphaned.push({ origin: peer.origin, settled: peer.settledSeq, due });
    }
    return orphaned;
  }

  covers(host: string, seq: number): boolean {
    const { origins, replica } = this.#replicator().node;
    const origin = origins.find(host);
    return origin !== undefined && replica.vector.covers(origin, seq);
  }

  seq(): number {
    return this.#replicator().node.replica.vector.get(0);
  }

  ask(host: string, id: number, key: string): void {
    const { membership, self, send } = this.#replicator().node;
    const peer = membership.get(host);
    if (peer === undefined) return;
    send("rq", peer, { type: "load-request", incarnation: self.incarnation, node: self.node, id, key });
  }

  asked(peer: Parameters<LoadDesk["asked"]>[0], request: Parameters<LoadDesk["asked"]>[1]): void {
    const { node } = this.#replicator();
    const reply = (answer: Answer): void => {
      if (node.state === "closed") return;
      const { incarnation } = node.self;
      node.send("rp", peer, { type: "load-answer", incarnation, id: request.id, answer });
    };
    const tooLong = request.key.length > node.settings.maxKeyBytes;
    if (node.state !== "ready" || tooLong) reply({ outcome: "refused" });
    else this.#loader().loadFor(request.key, reply);
  }

  answered(peer: Parameters<LoadDesk["answered"]>[0], answer: Parameters<LoadDesk["answered"]>[1]): void {
    this.#loader().answered(peer.incarnation, answer.id, answer.answer);
  }

  /** The live hosts with an upstream, this one among them once it is ready. */
  #hosts(): readonly string[] {
    const { node } = this.#replicator();
    const now = node.world.monotonic();
    if (now < this.#lookedAt + LOOK_MS) return this.#serving;
    this.#lookedAt = now;
    const peers = this.#replicator()
      .livePeers()
      .filter((peer) => peer.serves !== "none" && peer.state === "ready");
    const serving = peers.map((peer) => peer.incarnation);
    const committers = peers.filter((peer) => peer.serves === "commits").map((peer) => peer.incarnation);
    const known = this.#committers;
    const same = committers.length === known.length && committers.every((host, i) => host === known[i]);
    if (!same) this.#committers = committers;
    const complete = peers.filter((peer) => !peer.partial).map((peer) => peer.incarnation);
    if (node.state === "ready") {
      serving.push(node.self.incarnation);
      if (!node.replica.summary().partial) complete.push(node.self.incarnation);
    }
    this.#complete = complete;
    this.#serving = serving;
    return serving;
  }
}
