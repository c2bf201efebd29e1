/** The loader's small policies, each as a table. */
import { describe, expect, it } from "vitest";
import { freshnessOf, loadedDeadline } from "../../../src/loader/freshness.ts";
import { Gate } from "../../../src/loader/gate.ts";
import { Negatives } from "../../../src/loader/negatives.ts";
import { retryDelay, saysRetryable } from "../../../src/loader/retry.ts";
import { resolveLoading } from "../../../src/loader/settings.ts";
import { Timers } from "../../../src/loader/timers.ts";
import { microsToStamp, stampToMicros } from "../../../src/loader/upstream.ts";
import { turns } from "../support/passing.ts";

const NEVER = Number.POSITIVE_INFINITY;
const settings = { ttlMs: 1_000, ttlJitter: 0.1, staleWhileRevalidateMs: 200, staleIfErrorMs: 500 };

describe("freshness", () => {
  const loaded = (deadline: number) => ({ loaded: true, deadline });
  it.each([
    ["written, however old", { loaded: false, deadline: 1 }, 2_000, "fresh"],
    ["loaded without end", loaded(NEVER), 1e12, "fresh"],
    ["a millisecond before its ttl", loaded(1_500), 999, "fresh"],
    ["at its ttl", loaded(1_500), 1_000, "revalidate"],
    ["at the end of the first window", loaded(1_500), 1_199, "revalidate"],
    ["past the first window", loaded(1_500), 1_200, "fallback"],
    ["at the end of the second", loaded(1_500), 1_499, "fallback"],
  ] as const)("%s", (_, held, now, freshness) => {
    expect(freshnessOf(held, () => now, settings)).toBe(freshness);
  });

  it.each([
    ["the whole ttl and the longer window", undefined, 0, settings, 1_500],
    ["the least ttl", undefined, 1, settings, 1_400],
    ["a ttl of the row's", 300, 1, settings, 800],
    ["a ttl of the row's that is longer than ours", 3_000, 0, settings, 1_500],
    ["for ever", undefined, 0.5, { ...settings, ttlMs: NEVER }, NEVER],
    ["the row's, where ours is for ever", 300, 0.5, { ...settings, ttlMs: NEVER }, 800],
  ] as const)("keeps what is loaded for %s", (_, rowTtlMs, random, given, deadline) => {
    expect(loadedDeadline(rowTtlMs, 0, given, random)).toBe(deadline);
  });
});

describe("retries", () => {
  it.each([
    [2, 0.5, 50],
    [3, 0.5, 100],
    [4, 0.999, 399.6],
    [12, 1, 10_000],
    [2_000, 1, 10_000],
    [5, 0, 0],
  ])("wait before try %i, having drawn %d, %d ms", (next, random, delay) => {
    expect(retryDelay(next, 100, 10_000, random)).toBeCloseTo(delay);
  });

  it.each([
    [Object.assign(new Error(), { retryable: true }), true],
    [Object.assign(new Error(), { retryable: "yes" }), false],
    [new Error(), false],
    ["text", false],
    [undefined, false],
  ])("%s says retryable: %s", (error, retryable) => {
    expect(saysRetryable(error)).toBe(retryable);
  });
});

describe("timers", () => {
  it("run in the order of time, each once, and not when cancelled", () => {
    const timers = new Timers();
    const ran: number[] = [];
    const cancels = Array.from({ length: 4_000 }, (_, i) => {
      const at = (i * 7_919) % 4_000;
      return timers.add(at, () => ran.push(at));
    });
    for (let i = 0; i < 3_000; i++) cancels[i]!();
    cancels[0]!();
    expect(timers.size).toBe(1_000);
    timers.run(1_999);
    timers.run(1_999);
    timers.run(4_000);
    expect(ran).toHaveLength(1_000);
    expect(ran).toEqual([...ran].sort((a, b) => a - b));
    expect(timers.size).toBe(0);
  });

  it("leave what a task adds for the next run, and what a task cancels undone", () => {
    const timers = new Timers();
    const ran: string[] = [];
    timers.add(1, () => {
      ran.push("first");
      cancel();
      timers.add(1, () => ran.push("added"));
    });
    const cancel = timers.add(1, () => ran.push("cancelled"));
    timers.run(1);
    expect(ran).toEqual(["first"]);
    timers.run(1);
    expect(ran).toEqual(["first", "added"]);
  });
});

describe("the gate", () => {
  it("lets so many in, the next in order, and forgets who left the queue", async () => {
    const gate = new Gate(1, 2);
    const entered: string[] = [];
    const never = new AbortController().signal;
    const leaver = new AbortController();
    await gate.enter(never);
    const second = gate.enter(leaver.signal);
    const third = gate.enter(never).then(() => entered.push("third"));
    await expect(gate.enter(never)).rejects.toMatchObject({ code: "UPSTREAM_BUSY" });
    leaver.abort(new Error("left"));
    await expect(second).rejects.toThrow("left");
    gate.leave();
    await third;
    expect([entered, gate.taken, gate.waiting]).toEqual([["third"], 1, 0]);
    gate.leave();
    expect(gate.taken).toBe(0);
    await expect(gate.enter(AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
    await turns();
  });
});

describe("absent rows", () => {
  it("are remembered until their time, and no more of them than the bound", () => {
    const negatives = new Negatives(2);
    for (const key of ["a", "b", "c"]) negatives.remember(key, 10);
    expect(["a", "b", "c"].map((key) => negatives.has(key, 9))).toEqual([false, true, true]);
    expect(negatives.has("b", 10)).toBe(false);
    negatives.forgetUnder("c");
    expect(negatives.size).toBe(0);
    const none = new Negatives(0);
    none.remember("a", 10);
    expect(none.size).toBe(0);
  });
});

describe("stamps as microseconds", () => {
  it("keep order, and updates of a key apart", () => {
    const start = (Date.UTC(2026, 0, 1) - Date.UTC(2020, 0, 1)) * 4_096;
    for (let i = 0; i < 10_000; i++) {
      const stamp = start + i;
      expect(stampToMicros(stamp + 5)).toBeGreaterThan(stampToMicros(stamp));
      expect(stampToMicros(microsToStamp(stampToMicros(stamp)))).toBe(stampToMicros(stamp));
    }
  });
});

describe("the options of loading", () => {
  it("have defaults", () => {
    expect(resolveLoading({}, 1_000)).toMatchObject({ ttlMs: 1_000, hardTimeoutMs: 10_000, maxBatch: 500 });
    expect(resolveLoading({ ttl: "1m" }, 1_000).ttlMs).toBe(60_000);
  });

  it.each([
    [{ ttl: 0 }],
    [{ tls: "1s" }],
    [{ ttlJitter: 2 }],
    [{ maxBatch: 0 }],
    [{ tries: 1.5 }],
    [{ hardTimeout: 0 }],
    [{ backoff: "soon" }],
  ])("refuse %j", (options) => {
    expect(() => resolveLoading(options as never)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});
