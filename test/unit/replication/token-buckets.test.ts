import { describe, expect, it } from "vitest";
import { REPLAY_RATE, REPLAY_RATE_TOGETHER, TokenBuckets } from "../../../src/replication/token-buckets.ts";

const MIB = 1024 * 1024;

describe("TokenBuckets", () => {
  it("give each host 32 MiB a second", () => {
    let now = 0;
    const buckets = new TokenBuckets(() => now, REPLAY_RATE, REPLAY_RATE_TOGETHER);
    expect(buckets.take("a", 32 * MIB)).toBe(true);
    expect(buckets.take("a", 1)).toBe(false);
    expect(buckets.take("b", 32 * MIB)).toBe(true);
    now = 500;
    expect(buckets.take("a", 16 * MIB)).toBe(true);
    expect(buckets.take("a", 1)).toBe(false);
  });

  it("give all hosts together 128 MiB a second", () => {
    let now = 0;
    const buckets = new TokenBuckets(() => now, REPLAY_RATE, REPLAY_RATE_TOGETHER);
    for (const host of ["a", "b", "c", "d"]) expect(buckets.take(host, 32 * MIB)).toBe(true);
    expect(buckets.take("e", 1)).toBe(false);
    now = 1_000;
    expect(buckets.take("e", 32 * MIB)).toBe(true);
  });

  it("save nothing up while nobody asks", () => {
    let now = 0;
    const buckets = new TokenBuckets(() => now, REPLAY_RATE, REPLAY_RATE_TOGETHER);
    buckets.take("a", 1);
    now = 3_600_000;
    expect(buckets.take("a", 32 * MIB)).toBe(true);
    expect(buckets.take("a", 1)).toBe(false);
  });

  it("let a frame through that is larger than a second's worth, for else it could never be repaired", () => {
    let now = 0;
    const buckets = new TokenBuckets(() => now, REPLAY_RATE, REPLAY_RATE_TOGETHER);
    expect(buckets.take("a", 40 * MIB)).toBe(true);
    now = 100;
    expect(buckets.take("a", 1)).toBe(false);
    now = 2_000;
    expect(buckets.take("a", 40 * MIB)).toBe(true);
    expect(buckets.take("b", 200 * MIB)).toBe(false);
    now = 10_000;
    expect(buckets.take("b", 200 * MIB)).toBe(true);
  });
});
