import { describe, expect, it, vi } from "vitest";
import { processFigures } from "../../../../src/providers/http/figures.ts";
import { findingsOf, type Tone } from "../../../../src/providers/http/findings.ts";
import { MOST_FINDINGS, MOST_HOSTS, reportOf } from "../../../../src/providers/http/report.ts";
import { Timeline } from "../../../../src/providers/http/timeline.ts";
import type { ReplicationEvent } from "../../../../src/replication/replication-event.ts";
import type { PeerStatus, Status } from "../../../../src/status.ts";
import { FULL, PEER } from "./full-status.ts";

/** A host that is well, with another one that holds the same. */
const level: PeerStatus = {
  ...PEER,
  digest: FULL.digest,
  behindEvents: 0,
  behindMs: 0,
  aheadEvents: 0,
  refused: {},
};
const well: Status = { ...FULL, hosts: [level], flow: { ...FULL.flow, slowedBy: undefined } };
const withPeer = (changes: Partial<PeerStatus>): Status => ({ ...well, hosts: [{ ...level, ...changes }] });

describe("what leads the page", () => {
  it.each<[what: string, status: Status, tone: Tone, text: RegExp]>([
    ["all is well", well, "good", /^All 2 hosts hold the same data\.$/],
    ["events are on their way", withPeer({ vectorHash: "x" }), "good", /^All 2 hosts keep pace\.$/],
    ["nobody is there", { ...well, hosts: [] }, "good", /^Alone: no other host/],
    ["it stands alone", { ...well, hosts: [], state: "standalone" }, "good", /^Standalone/],
    ["it is catching up", { ...well, state: "joining", reason: "it is catching up" }, "wait", /catching up/],
    ["it is fenced", { ...well, state: "fenced", reason: "NATS does not let it" }, "bad", /does not let it/],
    ["data differ", withPeer({ digest: "other" }), "bad", /^b has applied the same events and holds other/],
    [
      "a host is behind",
      withPeer({ behindEvents: 1_204, behindMs: 12_000 }),
      "warn",
      /1,204 events.*12 s\.$/,
    ],
    [
      "a host is silent",
      withPeer({ live: false, heartbeatAgeMs: 180_000 }),
      "warn",
      /not heard of for 3 min/,
    ],
    ["a host joins", withPeer({ state: "joining" }), "wait", /^b is catching up/],
    ["a clock is off", withPeer({ clockOffsetMs: -7_200_000 }), "warn", /clock of b is off by 2 h/],
    ["writes wait", { ...well, flow: { ...well.flow, slowedBy: "b" } }, "warn", /Writes wait for b/],
    ["it is too full", { ...well, bounds: { bytes: 1, evicted: 0, exceeded: true } }, "warn", /More is held/],
    [
      "checkpoints fail",
      { ...well, checkpoint: { ...well.checkpoint!, failures: 2 } },
      "warn",
      /last 2 checkpoints/,
    ],
    [
      "commits fail",
      { ...well, loader: { ...well.loader!, dirty: 1, oldestDirtyMs: 90_000 } },
      "warn",
      /1 key, since 90 s/,
    ],
  ])("when %s", (_what, status, tone, text) => {
    const [first] = findingsOf(status);
    expect(first).toEqual({ tone, text: expect.stringMatching(text) });
  });

  it.each<[what: string, status: Status]>([
    ["a host that said goodbye", withPeer({ live: false, state: "leaving", heartbeatAgeMs: 60_000 })],
    [
      "a start that was followed by another",
      { ...well, hosts: [level, { ...level, live: false, heartbeatAgeMs: 60_000 }] },
    ],
    ["a partial host with a digest of its own", withPeer({ digest: "other", partial: true })],
    ["lag of one heartbeat", withPeer({ behindEvents: 1_000, behindMs: 1_100 })],
  ])("is not %s", (_what, status) => {
    expect(findingsOf(status)).toEqual([{ tone: "good", text: expect.any(String) }]);
  });

  it("is the worst, with the rest below it", () => {
    const status = { ...withPeer({ digest: "other", clockOffsetMs: 9_000 }), state: "joining" as const };
    expect(findingsOf(status).map(({ tone }) => tone)).toEqual(["bad", "warn", "wait"]);
  });
});

describe("a report", () => {
  const reportOn = (status: Status) =>
    reportOf(
      { status, redis: undefined, http: {} as never, process: processFigures() },
      1_000,
      1_700_000_000_000,
    );

  it("tells how far each host is with the events of each", () => {
    expect(reportOn(FULL).hosts).toEqual([
      expect.objectContaining({ node: "b", written: 45, appliedHere: 44, appliedThere: 30, refused: 2 }),
    ]);
    expect(reportOn(FULL).lastRepair).toMatchObject({ node: "b", kind: "replay" });
  });

  it("is bounded in a large fleet, and shows those in trouble", () => {
    const hosts = Array.from({ length: 1_000 }, (_, index) => ({
      ...level,
      node: `h${index}`,
      incarnation: `01H${index}`,
      live: index < 980,
      heartbeatAgeMs: index < 980 ? 100 : 60_000,
    }));
    const report = reportOn({ ...well, hosts });
    expect(report.hosts).toHaveLength(MOST_HOSTS);
    expect(report.hostsLeftOut).toBe(1_000 - MOST_HOSTS);
    expect(report.hosts.slice(0, 20).every(({ state }) => state === "silent")).toBe(true);
    expect(report.findings).toHaveLength(MOST_FINDINGS);
    expect(JSON.stringify(report).length).toBeLessThan(64 * 1024);
  });
});

describe("the timeline", () => {
  const gap: ReplicationEvent = { type: "gap", at: 1, origin: "01B", applied: 2, known: 5 };

  it("tells in sentences, with names of hosts and without keys", () => {
    const timeline = new Timeline(() => FULL);
    timeline.add([
      gap,
      { type: "replay", at: 2, origin: "01B", from: "01ZZZZZZ", events: 3, tookMs: 12 },
      { type: "healed", at: 3, node: "a", from: "01B", differing: 1, keys: ["secret"], tookMs: 4 },
    ]);
    expect(timeline.since(0).map(({ text }) => text)).toEqual([
      "3 events of b found missing.",
      "3 events of b replayed by …ZZZZZZ, in 12 ms.",
      "Data of a are those of b again; 1 key differed.",
    ]);
    expect(JSON.stringify(timeline.since(0))).not.toContain("secret");
  });

  it("asks for names of hosts no more than once a second, and not for those it knows", () => {
    const status = vi.fn(() => FULL);
    const timeline = new Timeline(status);
    for (let batch = 0; batch < 50; batch++) timeline.add([gap]);
    expect(status).toHaveBeenCalledTimes(1);
    for (let batch = 0; batch < 50; batch++) timeline.add([{ ...gap, origin: `01UNKNOWN${batch}` }]);
    expect(status).toHaveBeenCalledTimes(1);
  });

  it("does not let checkpoints drive out what matters", () => {
    const timeline = new Timeline(() => FULL);
    timeline.add([gap, { type: "checkpoint", at: 2, path: "/data", bytes: 1, tookMs: 1 }]);
    expect(timeline.since(0).map(({ type }) => type)).toEqual(["gap"]);
  });

  it("keeps the last hundred, and counts on", () => {
    const timeline = new Timeline(() => FULL);
    for (let batch = 0; batch < 5; batch++) timeline.add(Array(999).fill(gap));
    expect(timeline.since(0)).toHaveLength(100);
    expect(timeline.since(timeline.lastId - 2)).toHaveLength(2);
    expect(timeline.since(timeline.lastId)).toEqual([]);
  });

  it("cuts what others may make long", () => {
    const timeline = new Timeline(() => FULL);
    const detail = "x".repeat(100_000);
    timeline.add([{ type: "quarantine", at: 1, node: "b", reason: "malformed", detail, count: 1 }]);
    expect(timeline.since(0)[0]!.text.length).toBeLessThanOrEqual(300);
  });
});
