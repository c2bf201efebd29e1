/** Whom a writer waits for, as a table. */
import { describe, expect, it } from "vitest";
import { Membership, noteReached, type Peer } from "../../../src/replication/membership.ts";
import type { Heartbeat, PeerState } from "../../../src/replication/messages.ts";
import { slowestReceiver } from "../../../src/replication/slowest.ts";

const NOW = 10_000;
const TIMEOUT_MS = 4_000;

interface Row {
  readonly name: string;
  readonly reached: number;
  readonly state?: PeerState;
  readonly seenAt?: number;
  readonly reachedAt?: number;
}

function peers(rows: readonly Row[]): Iterable<Peer> {
  const membership = new Membership();
  for (const [index, { name, reached, state = "ready", seenAt = NOW, reachedAt = NOW }] of rows.entries()) {
    const heartbeat = { incarnation: name, node: name, counter: 1, state } as Heartbeat;
    const peer = membership.heard(heartbeat, index + 1, seenAt, 0)!;
    peer.reachedAt = 0;
    noteReached(peer, reached, reachedAt);
  }
  return membership.all();
}

describe("slowestReceiver", () => {
  it.each<[what: string, rows: Row[], waitedFor: string | undefined]>([
    ["nobody", [], undefined],
    [
      "the furthest behind",
      [
        { name: "a", reached: 9 },
        { name: "b", reached: 5 },
      ],
      "b",
    ],
    [
      "not one that was not heard of",
      [
        { name: "a", reached: 9 },
        { name: "b", reached: 5, seenAt: 5_999 },
      ],
      "a",
    ],
    ["one that was heard of just in time", [{ name: "b", reached: 5, seenAt: 6_000 }], "b"],
    ["not one that does not come on", [{ name: "b", reached: 5, reachedAt: 5_999 }], undefined],
    ["not one that joins", [{ name: "b", reached: 5, state: "joining" }], undefined],
    ["not one that leaves", [{ name: "b", reached: 5, state: "leaving" }], undefined],
    [
      "not one that the log does not reach",
      [
        { name: "b", reached: 2 },
        { name: "a", reached: 3 },
      ],
      "a",
    ],
  ])("waits for %s", (_, rows, waitedFor) => {
    const slowest = slowestReceiver(peers(rows), { now: NOW, timeoutMs: TIMEOUT_MS, floor: 3 });
    expect(slowest?.node).toBe(waitedFor);
  });
});
