import { describe, expect, it } from "vitest";
import { Assemblies, cut } from "../../../src/replication/fragments.ts";
import { encodeMessage } from "../../../src/replication/message-codec.ts";
import type { Fragment } from "../../../src/replication/messages.ts";

const KIB = 1024;

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31) >> 3);
}

function piece(changes: Partial<Fragment>): Fragment {
  return {
    type: "fragment",
    incarnation: "A",
    id: 1,
    index: 0,
    count: 2,
    bytes: new Uint8Array(10),
    ...changes,
  };
}

describe("cut", () => {
  it.each([
    [1, 1_024],
    [768, 1_024],
    [769, 1_024],
    [5 * KIB * KIB, KIB * KIB],
    [5 * KIB * KIB, 64 * KIB * KIB],
    [2_000, 257],
  ])("makes of %i bytes pieces that all fit into %i, with the longest names", (length, limit) => {
    const whole = bytes(length);
    const pieces = cut(whole, "X".repeat(26), Number.MAX_SAFE_INTEGER, limit);
    for (const each of pieces) {
      expect(encodeMessage(each, "n".repeat(64)).length).toBeLessThanOrEqual(limit);
      expect(each.bytes.length).toBeLessThanOrEqual(512 * KIB);
    }
    expect(Buffer.concat(pieces.map((each) => each.bytes)).equals(whole)).toBe(true);
    expect(pieces.map(({ index }) => index)).toEqual(pieces.map((_, index) => index));
  });
});

describe("Assemblies", () => {
  it("put pieces together in whatever order they come, of several senders at a time", () => {
    const assemblies = new Assemblies(10_000);
    const [left, right] = [cut(bytes(700), "A", 1, 456), cut(bytes(500), "B", 1, 456)];
    expect([left.length, right.length]).toEqual([4, 3]);
    const order = [left[3], right[0], left[0], left[0], right[2], left[1], right[1], left[2]];
    const whole = order.map((each) => assemblies.add(each!));
    expect(whole[6]).toEqual(bytes(500));
    expect(whole[7]).toEqual(bytes(700));
    expect(whole.filter((each) => each === undefined)).toHaveLength(6);
  });

  it("give up the oldest that is incomplete when there is no more room, and count it", () => {
    const assemblies = new Assemblies(500);
    assemblies.add(piece({ id: 1, bytes: new Uint8Array(60) }));
    assemblies.add(piece({ id: 2, bytes: new Uint8Array(60) }));
    expect(assemblies.dropped).toBe(1);
    expect(assemblies.add(piece({ id: 1, index: 1 })), "the first is gone").toBeUndefined();
    expect(assemblies.add(piece({ id: 2, index: 1 }))).toHaveLength(70);
  });

  it("put together a message larger than their room when it is the only one", () => {
    const assemblies = new Assemblies(100);
    const pieces = cut(bytes(3_000), "A", 1, 512);
    const whole = pieces.map((each) => assemblies.add(each)).at(-1);
    expect(whole).toEqual(bytes(3_000));
    expect(assemblies.dropped).toBe(0);
  });

  it("keep copies: the bytes of a piece were only lent", () => {
    const assemblies = new Assemblies(100);
    const lent = Uint8Array.of(1, 2);
    assemblies.add(piece({ bytes: lent }));
    lent.fill(9);
    expect(assemblies.add(piece({ index: 1, bytes: Uint8Array.of(3) }))).toEqual(Uint8Array.of(1, 2, 3));
  });

  it("do not mix pieces that contradict each other", () => {
    const assemblies = new Assemblies(100);
    assemblies.add(piece({ count: 2 }));
    expect(assemblies.add(piece({ index: 1, count: 3 }))).toBeUndefined();
    expect(assemblies.add(piece({ index: 1, count: 2 }))).toHaveLength(20);
  });

  it.each([
    { count: 0 },
    { index: 2, count: 2 },
    { index: 5_000, count: 4_097 },
    { count: Number.MAX_SAFE_INTEGER },
  ])("refuse %j", (changes) => {
    expect(() => new Assemblies(100).add(piece(changes))).toThrow(
      expect.objectContaining({ code: "MALFORMED_MESSAGE" }),
    );
  });
});
