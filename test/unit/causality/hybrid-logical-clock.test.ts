import { describe, expect, it } from "vitest";
import { HybridLogicalClock, MAX_SKEW_MS, stampToMs } from "../../../src/causality/hybrid-logical-clock.ts";

const NOW = Date.UTC(2026, 5, 1);

function clock(now = NOW) {
  const wall = { now };
  return { wall, clock: new HybridLogicalClock(() => wall.now) };
}

describe("HybridLogicalClock", () => {
  it("gives stamps that grow, whatever the wall clock does", () => {
    const { wall, clock: hlc } = clock();
    let last = 0;
    for (const now of [NOW, NOW, NOW + 5, NOW - 60_000, NOW - 60_000, 0, -1, NOW + 6]) {
      wall.now = now;
      const stamp = hlc.tick();
      expect(stamp).toBeGreaterThan(last);
      expect(Number.isSafeInteger(stamp)).toBe(true);
      last = stamp;
    }
  });

  it("says what time it was, also after many stamps of one millisecond", () => {
    const { clock: hlc } = clock();
    expect(stampToMs(hlc.tick())).toBe(NOW);
    for (let i = 0; i < 4_000; i++) hlc.tick();
    expect(stampToMs(hlc.tick())).toBe(NOW);
    for (let i = 0; i < 1_000; i++) hlc.tick();
    expect(stampToMs(hlc.tick())).toBe(NOW + 1);
  });

  it("gives greater stamps than those it has seen, so that a write beats the one it saw", () => {
    const fast = clock(NOW + 3_000).clock.tick();
    const { clock: hlc } = clock();
    hlc.observe(fast);
    expect(hlc.tick()).toBe(fast + 1);
    hlc.observe(1);
    expect(hlc.tick()).toBe(fast + 2);
    expect(hlc.futureStamps).toBe(0);
  });

  it("is not pulled further ahead than the skew that is allowed, and counts who tried", () => {
    const { clock: hlc } = clock();
    hlc.observe(clock(NOW + 3_600_000).clock.tick());
    expect(hlc.futureStamps).toBe(1);
    expect(stampToMs(hlc.tick())).toBe(NOW + MAX_SKEW_MS);
    hlc.observe(Number.MAX_SAFE_INTEGER);
    expect(hlc.futureStamps).toBe(2);
    expect(stampToMs(hlc.tick())).toBe(NOW + MAX_SKEW_MS);
  });
});
