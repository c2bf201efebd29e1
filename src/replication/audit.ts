/**
 * Two hosts that have applied the same events hold the same data. Where a heartbeat with our vector carries
 * another digest, or a host's data contradict its own digests, something is broken, by a bug or by damaged
 * memory: it is told, and mended. What most hosts hold stays; the others discard theirs, take over a whole
 * image of one of those, and catch up from there before they write again.
 */
import { liveTimeout, type Peer } from "./membership.ts";
import type { Heartbeat } from "./messages.ts";
import { type Node, SELF } from "./node.ts";

/** A host that had to take over another's data may not need to again for so long, milliseconds; then twice that. */
const PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 60 * 60_000;

/** What one host holds, of those that have applied the same. */
export interface Vote {
  readonly incarnation: string;
  readonly digest: string;
}

/** The digest that most hosts have; where as many have another, that of the oldest of these hosts. */
export function digestThatStays(votes: readonly Vote[]): string {
  const tally = new Map<string, { count: number; oldest: string }>();
  for (const { incarnation, digest } of votes) {
    const known = tally.get(digest);
    if (known === undefined) tally.set(digest, { count: 1, oldest: incarnation });
    else {
      known.count++;
      if (incarnation < known.oldest) known.oldest = incarnation;
    }
  }
  const ranked = [...tally].sort(([, left], [, right]) =>
    left.count === right.count ? (left.oldest < right.oldest ? -1 : 1) : right.count - left.count,
  );
  return ranked[0]![0];
}

/** Another host's data are to take the place of ours. */
export interface PlannedTakeover {
  /** Incarnations that may give them. */
  readonly from: ReadonlySet<string>;
  /** Monotonic milliseconds. */
  readonly since: number;
}

export class Audit {
  readonly #node: Node;
  /** Leaves readiness, and joins anew with `node.takeover` set. */
  readonly #rejoin: () => void;
  #pauseMs = PAUSE_MS;
  #notBefore = 0;

  constructor(node: Node, rejoin: () => void) {
    this.#node = node;
    this.#rejoin = rejoin;
  }

  /** Compares with a host whose heartbeat says that it has applied what we have. */
  compare(peer: Peer, heartbeat: Heartbeat, vectorHash: string): void {
    const node = this.#node;
    const own = node.replica.summary();
    const comparable = node.state === "ready" && heartbeat.state === "ready";
    if (!comparable || own.partial || heartbeat.partial) {
      peer.differing = 0;
      return;
    }
    node.counts.audits++;
    if (own.digest === heartbeat.digest) {
      this.#agreed(peer);
      return;
    }
    peer.differing = peer.differingAt === vectorHash ? peer.differing + 1 : 1;
    peer.differingAt = vectorHash;
    if (peer.differing < 2) return;
    if (peer.differing === 2) {
      node.counts.divergences++;
      peer.diverged = true;
      const { digest: theirs } = heartbeat;
      node.tell({ type: "divergence", node: peer.node, foundBy: "heartbeat", digest: own.digest, theirs });
    }
    this.#judge(vectorHash, own.digest);
  }

  /** Our own data contradict the digests of so many buckets, found now or before: what others hold is better. */
  damaged(buckets: number, isNews: boolean): void {
    if (buckets === 0) return;
    const node = this.#node;
    const { digest, partial } = node.replica.summary();
    if (isNews)
      node.tell({ type: "divergence", node: node.self.node, foundBy: "scrub", digest, theirs: undefined });
    if (node.state !== "ready") return;
    const givers = partial ? [] : this.#complete();
    if (givers.length > 0) this.#plan(givers.map((peer) => peer.incarnation));
    else
      node.trouble =
        `data in ${buckets} of 4,096 parts of the keys were damaged in memory, and no other host has them whole; ` +
        "write anew what is wrong, and look after this machine's memory";
  }

  /** What the data are after another host's took their place. */
  tookOver(from: string, differing: number, keys: readonly string[]): void {
    const node = this.#node;
    const { takeover } = node;
    const tookMs = node.world.monotonic() - (takeover?.since ?? 0);
    node.takeover = undefined;
    node.counts.healed++;
    node.tell({ type: "healed", node: node.self.node, from, differing, keys, tookMs });
  }

  #agreed(peer: Peer): void {
    peer.differing = 0;
    if (!peer.diverged) return;
    peer.diverged = false;
    const { incarnation: from, node } = peer;
    this.#node.tell({ type: "healed", node, from, differing: 0, keys: [], tookMs: 0 });
  }

  /** Decides as soon as all have applied the same; every host that knows as much decides the same. */
  #judge(vectorHash: string, own: string): void {
    const others = this.#complete();
    if (others.some((peer) => peer.vectorHash !== vectorHash)) return;
    const stays = digestThatStays([{ incarnation: this.#node.self.incarnation, digest: own }, ...others]);
    if (stays === own) return;
    this.#plan(others.filter(({ digest }) => digest === stays).map(({ incarnation }) => incarnation));
  }

  /** Live and ready hosts that have let go of nothing. */
  #complete(): Peer[] {
    const { membership, world } = this.#node;
    const live = membership.live(world.monotonic(), liveTimeout(this.#node.heartbeatMs()));
    return live.filter((peer) => peer.state === "ready" && !peer.partial);
  }

  #plan(from: readonly string[]): void {
    const { world } = this.#node;
    const now = world.monotonic();
    // What a takeover did not mend, another will not mend sooner.
    if (now < this.#notBefore) return;
    this.#notBefore = now + this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
    this.#node.takeover = { from: new Set(from), since: now };
    this.#rejoin();
  }
}

/** Whether a host may give what takes the place of ours: it is one of those chosen, and has all our events. */
export function mayGive(node: Node, peer: Peer): boolean {
  const { takeover, replica } = node;
  if (takeover === undefined) return true;
  return takeover.from.has(peer.incarnation) && peer.vector.covers(SELF, replica.vector.get(SELF));
}
