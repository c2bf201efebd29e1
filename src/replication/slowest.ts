/**
 * Whom a writer waits for. What a receiver does not read, the server keeps for it, up to a bound at which it
 * cuts the receiver off; from then on everything has to be replayed, and beyond the log taken over as an
 * image. So a writer goes no faster than the slowest receiver that waiting helps: one that is live and ready,
 * comes on, and that our log still reaches. For one that is stopped, dead, cut off one way or too far behind,
 * nobody waits: all that is needed to repair it later is in place.
 */
import { isLive, type Peer } from "./membership.ts";

/** The furthest behind of those worth waiting for; `undefined` if there is nobody. */
export function slowestReceiver(
  peers: Iterable<Peer>,
  { now, timeoutMs, floor }: { now: number; timeoutMs: number; floor: number },
): Peer | undefined {
  let slowest: Peer | undefined;
  for (const peer of peers) {
    if (peer.state !== "ready" || !isLive(peer, now, timeoutMs)) continue;
    if (now - peer.reachedAt > timeoutMs || peer.reached < floor) continue;
    if (slowest === undefined || peer.reached < slowest.reached) slowest = peer;
  }
  return slowest;
}
