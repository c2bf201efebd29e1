import { describe, expect, it } from "vitest";
import {
  clockOffset,
  heartbeatInterval,
  isLive,
  liveTimeout,
  Membership,
  medianOffset,
  type Peer,
  rendezvousRank,
} from "../../../src/replication/membership.ts";
import type { Heartbeat } from "../../../src/replication/messages.ts";

function heartbeat(counter: number, changes: Partial<Heartbeat> = {}): Heartbeat {
  return {
    type: "heartbeat",
    incarnation: "A",
    node: "a",
    counter,
    seq: 0,
    wallMs: 1_000,
    state: "ready",
    vectorHash: "v",
    digest: "d",
    keys: 3,
    serves: "none",
    settled: 0,
    partial: false,
    complete: true,
    rows: [],
    ...changes,
  };
}

describe("Membership", () => {
  it("knows a host from its first heartbeat on, by what its newest one says", () => {
    const membership = new Membership();
    expect(membership.get("A")).toBeUndefined();
    const peer = membership.heard(heartbeat(1, { state: "joining" }), 1, 100, 1_000)!;
    expect(peer).toMatchObject({ node: "a", incarnation: "A", origin: 1, state: "joining", lastSeen: 100 });
    membership.heard(heartbeat(2, { keys: 9, digest: "e" }), 1, 200, 1_000);
    expect(membership.get("A")).toMatchObject({ state: "ready", keys: 9, digest: "e", lastSeen: 200 });
    expect([...membership.all()]).toEqual([peer]);
  });

  it("does not hear a heartbeat that a newer one has overtaken, nor one twice", () => {
    const membership = new Membership();
    membership.heard(heartbeat(5), 1, 100, 0);
    expect(membership.heard(heartbeat(4, { keys: 0 }), 1, 200, 0)).toBeUndefined();
    expect(membership.heard(heartbeat(5), 1, 200, 0)).toBeUndefined();
    expect(membership.get("A")).toMatchObject({ keys: 3, lastSeen: 100 });
  });

  it("takes a goodbye for final, whatever arrives after it", () => {
    const membership = new Membership();
    membership.heard(heartbeat(1, { state: "leaving" }), 1, 100, 0);
    membership.heard(heartbeat(2), 1, 110, 0);
    expect(membership.get("A")?.state).toBe("leaving");
    expect(membership.live(110, 1_000)).toEqual([]);
  });

  it("calls live who was heard of within the time and has not left", () => {
    const membership = new Membership();
    for (const [incarnation, at] of [
      ["A", 0],
      ["B", 500],
      ["C", 900],
    ] as const)
      membership.heard(heartbeat(1, { incarnation }), 1, at, 0);
    const live = (now: number) => membership.live(now, 500).map(({ incarnation }) => incarnation);
    expect([live(500), live(900), live(1_001), live(2_000)]).toEqual([
      ["A", "B", "C"],
      ["B", "C"],
      ["C"],
      [],
    ]);
    expect(isLive(membership.get("A")!, 500, 500)).toBe(true);
  });

  it("forgets who has been gone for long, and takes it up again when it speaks", () => {
    const membership = new Membership();
    membership.heard(heartbeat(7), 1, 0, 0);
    membership.forget(1_000, 1_000);
    expect(membership.get("A")).toBeDefined();
    membership.forget(1_001, 1_000);
    expect(membership.get("A")).toBeUndefined();
    expect(membership.heard(heartbeat(3), 1, 2_000, 0)).toBeDefined();
  });

  it("measures a clock by the heartbeat that took the least time, of the newest eight", () => {
    const membership = new Membership();
    const hear = (counter: number, delay: number) =>
      membership.heard(heartbeat(counter, { wallMs: 10_000 }), 1, 0, 10_000 - 300 + delay)!;
    const peer = hear(1, 5);
    hear(2, 90);
    expect(clockOffset(peer)).toBe(295);
    for (let counter = 3; counter < 11; counter++) hear(counter, 20);
    expect(clockOffset(peer)).toBe(280);
    expect(peer.offsets).toHaveLength(8);
  });
});

describe("intervals", () => {
  it.each([
    [undefined, 1, 1_000],
    [undefined, 20, 1_000],
    [undefined, 21, 1_050],
    [undefined, 100, 5_000],
    [250, 100, 250],
  ])("a heartbeat configured as %s comes among %i hosts every %i ms", (configured, hosts, expected) => {
    expect(heartbeatInterval(configured, hosts)).toBe(expected);
  });

  it.each([
    [1_000, 4_000],
    [100, 1_300],
    [5_000, 16_000],
  ])("with one every %i ms a host is live for %i", (interval, live) => {
    expect(liveTimeout(interval)).toBe(live);
  });
});

describe("medianOffset", () => {
  const peers = (...offsets: number[]) => offsets.map((offset) => ({ offsets: [offset] }) as unknown as Peer);
  it.each([
    [[], 0],
    [[40], 20],
    [[40, 60], 40],
    [[-3_600_000, 10], 0],
    [[3_600_000, 3_600_000, 3_600_000], 3_600_000],
    [[1, 2, 3_600_000, 4], 2],
  ])("of hosts that differ by %j is %i: one wrong clock moves nobody", (offsets, expected) => {
    expect(medianOffset(peers(...offsets))).toBe(expected);
  });

  it("takes a host that has not been measured for right", () => {
    expect(medianOffset([{ offsets: [] } as unknown as Peer])).toBe(0);
  });
});

describe("rendezvousRank", () => {
  const hosts = ["a", "b", "c", "d", "e"];
  const rank = (duty: string, self: string, all = hosts) =>
    rendezvousRank(
      duty,
      self,
      all.filter((host) => host !== self),
    );

  it("gives every host another rank, the same on all, and every duty another order", () => {
    const orders = new Set<string>();
    for (let duty = 0; duty < 50; duty++) {
      const ranks = hosts.map((host) => rank(`duty ${duty}`, host));
      expect([...ranks].sort()).toEqual([0, 1, 2, 3, 4]);
      orders.add(ranks.join());
    }
    expect(orders.size).toBeGreaterThan(20);
  });

  it("moves only up those who came after a host that goes", () => {
    for (let duty = 0; duty < 50; duty++) {
      const gone = hosts[duty % 5]!;
      const left = hosts.filter((host) => host !== gone);
      for (const host of left) {
        const before = rank(`duty ${duty}`, host);
        const passed = rank(`duty ${duty}`, gone) < before ? 1 : 0;
        expect(rank(`duty ${duty}`, host, left)).toBe(before - passed);
      }
    }
  });

  it("is shared out evenly", () => {
    const first = new Map<string, number>();
    for (let duty = 0; duty < 2_000; duty++) {
      const host = hosts.find((each) => rank(`duty ${duty}`, each) === 0)!;
      first.set(host, (first.get(host) ?? 0) + 1);
    }
    for (const count of first.values()) expect(Math.abs(count - 400)).toBeLessThan(100);
  });
});
