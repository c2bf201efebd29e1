/**
 * What is settled: applied by every live host, while we have applied all that those hosts had. Nothing that
 * was written without having seen it can still arrive from a live host, so it may be let go for room.
 */
import { VersionVector } from "../causality/version-vector.ts";
import { liveTimeout, type Peer } from "./membership.ts";
import { type Node, SELF } from "./node.ts";

/** The vector up to which everything is settled now. */
export function settledVector(node: Node): VersionVector {
  const live = node.membership
    .live(node.world.monotonic(), liveTimeout(node.heartbeatMs()))
    // One that joins writes nothing before it has taken over what the others have.
    .filter((peer) => peer.state === "ready");
  const vectors = live.length > 0 ? live.map((peer) => settledOf(node, peer)) : missed(node);
  const settled = new VersionVector();
  for (const [origin, seq] of node.replica.vector.entries()) {
    let least = seq;
    for (const vector of vectors) least = Math.min(least, vector.get(origin));
    settled.set(origin, least);
  }
  return settled;
}

/**
 * Of a host that hears of nobody: what somebody else had when it was last heard of. The others may only be out
 * of reach, and what was written since stands here alone. Once they are forgotten, everything may go.
 */
function missed(node: Node): VersionVector[] {
  const known = new VersionVector();
  let any = false;
  for (const peer of node.membership.all()) {
    if (peer.state !== "ready") continue;
    any = true;
    known.merge(settledOf(node, peer));
  }
  return any ? [known] : [];
}

/** By origin, how far its host had seen our events before it wrote what may still come from it. */
export function seenOfOurs(node: Node): Map<number, number> {
  const seen = new Map<number, number>();
  for (const peer of node.membership.all()) seen.set(peer.origin, settledOf(node, peer).get(SELF));
  return seen;
}

/** Up to which of our events every host had seen them before it wrote what may still come from it. */
export function settledSeq(node: Node): number {
  const { vector } = node.replica;
  let least = vector.get(SELF);
  for (const peer of node.membership.all()) {
    const saidAll = peer.state === "leaving" && vector.covers(peer.origin, peer.vector.get(peer.origin));
    if (!saidAll) least = Math.min(least, settledOf(node, peer).get(SELF));
  }
  return least;
}

/** Whether the host of an origin had applied all of `vector` before it wrote what arrives from it now. */
export function hasSeen(node: Node, origin: number, vector: VersionVector): boolean {
  if (origin === SELF) return true;
  const peer = node.membership.get(node.origins.name(origin));
  return peer !== undefined && settledOf(node, peer).includes(vector);
}

/**
 * Whether the host of an origin leaves the removal of what expired `overdueMs` ago to others, having let entries
 * go itself: and has said so since, and we have all that it had written by then, a longer life for it included.
 */
export function leavesRemoval(node: Node, origin: number, overdueMs: number): boolean {
  const peer = node.membership.get(node.origins.name(origin));
  if (peer?.partial !== true || peer.state === "leaving") return false;
  const heardSince = node.world.monotonic() - peer.lastSeen < overdueMs;
  return heardSince && node.replica.vector.covers(origin, peer.vector.get(origin));
}

/** What a host had reported when we last had all of it: what is still to come from it was written later. */
function settledOf(node: Node, peer: Peer): VersionVector {
  const { vector } = node.replica;
  if (!peer.settled.includes(peer.vector) && vector.includes(peer.vector)) peer.settled = peer.vector.copy();
  return peer.settled;
}
