import { describe, expect, it } from "vitest";
import type { FrameHeader } from "../../../src/replication/frame.ts";
import { type EarlyFrame, Inbox } from "../../../src/replication/inbox.ts";

function frame(first: number, last = first, size = 10): EarlyFrame {
  return { header: { first, last } as FrameHeader, bytes: new Uint8Array(size) };
}

function firsts(frames: readonly EarlyFrame[]): number[] {
  return frames.map(({ header }) => header.first);
}

describe("Inbox", () => {
  it("gives a frame out when its predecessor was applied, whatever the order in which they came", () => {
    const inbox = new Inbox(1_000);
    for (const first of [9, 5, 7]) inbox.put(1, frame(first, first + 1));
    expect(inbox.next(1, 3)).toBeUndefined();
    expect(inbox.next(1, 4)?.header.first).toBe(5);
    expect(inbox.next(1, 6)?.header.first).toBe(7);
    expect(inbox.next(1, 8)?.header.first).toBe(9);
    expect([inbox.next(1, 10), inbox.count, inbox.bytes]).toEqual([undefined, 0, 0]);
  });

  it("gives out one that straddles what was applied, and drops what is wholly behind", () => {
    const inbox = new Inbox(1_000);
    inbox.put(1, frame(3, 4));
    inbox.put(1, frame(5, 9));
    expect(inbox.next(1, 7)?.header.first).toBe(5);
    expect(inbox.next(1, 9)).toBeUndefined();
    expect([inbox.count, inbox.bytes, inbox.origins()]).toEqual([0, 0, []]);
  });

  it("keeps a frame once", () => {
    const inbox = new Inbox(1_000);
    expect([inbox.put(1, frame(5)), inbox.put(1, frame(5)), inbox.count, inbox.bytes]).toEqual([
      true,
      true,
      1,
      10,
    ]);
  });

  it("takes of each origin so many bytes and no more, and says so", () => {
    const inbox = new Inbox(25);
    expect([2, 3, 4].map((first) => inbox.put(1, frame(first)))).toEqual([true, true, false]);
    expect(inbox.put(2, frame(2, 2, 25))).toBe(true);
    inbox.next(1, 1);
    expect(inbox.put(1, frame(4))).toBe(true);
    expect([inbox.count, inbox.bytes]).toEqual([3, 45]);
  });

  it("answers another host's replay with a run without a hole", () => {
    const inbox = new Inbox(1_000);
    for (const [first, last] of [
      [8, 9],
      [3, 4],
      [5, 7],
      [12, 12],
    ] as const)
      inbox.put(1, frame(first, last));
    expect(firsts(inbox.since(1, 3, 1_000))).toEqual([3, 5, 8]);
    expect(firsts(inbox.since(1, 6, 1_000))).toEqual([5, 8]);
    expect(firsts(inbox.since(1, 3, 20)), "bounded in bytes").toEqual([3, 5]);
    expect(firsts(inbox.since(1, 3, 1)), "but never empty").toEqual([3]);
    expect(inbox.since(1, 2, 1_000)).toEqual([]);
    expect(inbox.since(1, 10, 1_000)).toEqual([]);
    expect(inbox.since(9, 1, 1_000)).toEqual([]);
    expect([inbox.highest(1), inbox.highest(9), inbox.count]).toEqual([12, 0, 4]);
  });

  it("forgets an origin", () => {
    const inbox = new Inbox(1_000);
    inbox.put(1, frame(3));
    inbox.put(2, frame(3));
    inbox.drop(1);
    inbox.drop(7);
    expect([inbox.count, inbox.bytes, inbox.origins()]).toEqual([1, 10, [2]]);
  });
});
