import { describe, expect, it } from "vitest";
import { EventLog, type LoggedFrame } from "../../../src/log/event-log.ts";

const limits = { maxBytes: 1_000, maxAgeMs: 60_000 };

function frame(first: number, last = first, { size = 10, at = 0 } = {}): LoggedFrame {
  return { first, last, bytes: new Uint8Array(size), at };
}

function firsts(frames: readonly LoggedFrame[] | undefined): number[] | undefined {
  return frames?.map(({ first }) => first);
}

/** A log of one origin with frames 1-3, 4-4, 5-9. */
function filled(options = limits): EventLog {
  const log = new EventLog(options);
  for (const [first, last] of [
    [1, 3],
    [4, 4],
    [5, 9],
  ] as const)
    log.append(1, frame(first, last));
  return log;
}

describe("EventLog", () => {
  it.each([
    [1, [1, 4, 5]],
    [2, [1, 4, 5]],
    [3, [1, 4, 5]],
    [4, [4, 5]],
    [5, [5]],
    [9, [5]],
  ])("gives the frames from the one that holds event %i on", (seq, expected) => {
    expect(firsts(filled().since(1, seq, 1_000))).toEqual(expected);
  });

  it("has nothing of what it was never given", () => {
    expect([filled().since(1, 10, 1_000), filled().since(2, 1, 1_000)]).toEqual([undefined, undefined]);
  });

  it("gives at most so many bytes, but a frame at least", () => {
    expect(firsts(filled().since(1, 1, 20))).toEqual([1, 4]);
    expect(firsts(filled().since(1, 1, 5))).toEqual([1]);
  });

  it("keeps to its bytes by dropping the oldest of any origin, and knows what it dropped", () => {
    const log = new EventLog({ ...limits, maxBytes: 100 });
    for (let i = 1; i <= 6; i++) {
      log.append(1, frame(i, i, { at: i * 2 }));
      log.append(2, frame(i, i, { at: i * 2 + 1 }));
    }
    expect(log.bytes).toBe(100);
    expect([
      log.since(1, 1, 999),
      firsts(log.since(1, 2, 999)),
      log.since(2, 1, 999),
      firsts(log.since(2, 2, 999)),
    ]).toEqual([undefined, [2, 3, 4, 5, 6], undefined, [2, 3, 4, 5, 6]]);
  });

  it("drops even the newest frame when that alone is too large, and goes on", () => {
    const log = new EventLog({ ...limits, maxBytes: 50 });
    log.append(1, frame(1, 1, { size: 51 }));
    expect([log.bytes, log.since(1, 1, 999)]).toEqual([0, undefined]);
    log.append(1, frame(2));
    expect(firsts(log.since(1, 2, 999))).toEqual([2]);
  });

  it("drops what is too old", () => {
    const log = new EventLog(limits);
    for (let i = 1; i <= 200; i++) log.append(1, frame(i, i, { at: i * 1_000, size: 1 }));
    log.expire(200_000);
    expect([log.bytes, log.since(1, 139, 9)]).toEqual([61, undefined]);
    expect(firsts(log.since(1, 140, 2))).toEqual([140, 141]);
    log.expire(1_000_000);
    expect([log.bytes, log.since(1, 200, 9)]).toEqual([0, undefined]);
  });

  it("begins a run anew after a hole: what lies before it could not be replayed from here", () => {
    const log = filled();
    log.append(1, frame(20, 21));
    expect([log.since(1, 5, 999), firsts(log.since(1, 20, 999)), log.bytes]).toEqual([undefined, [20], 10]);
  });

  it("keeps a frame that overlaps the last one: a replay may straddle what was applied", () => {
    const log = filled();
    log.append(1, frame(8, 12));
    expect(firsts(log.since(1, 10, 999))).toEqual([8]);
    expect(firsts(log.since(1, 4, 999))).toEqual([4, 5, 8]);
  });

  it("forgets an origin whose row has jumped", () => {
    const log = filled();
    log.append(2, frame(1));
    log.drop(1);
    log.drop(3);
    expect([log.since(1, 5, 999), firsts(log.since(2, 1, 999)), log.bytes]).toEqual([undefined, [1], 10]);
    log.append(1, frame(40));
    expect(firsts(log.since(1, 40, 999))).toEqual([40]);
  });
});
