/** Events item by item: what is written is read, and what cannot be is refused before it is an event. */
import { describe, expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import type { EventBody } from "../../../src/crdt/event.ts";
import { eventFrom } from "../../../src/crdt/event.ts";
import { CborReader, CborWriter } from "../../../src/replication/cbor.ts";
import { readEvent, writeEvent } from "../../../src/replication/event-codec.ts";

const limits = { maxKeyBytes: 100, maxValueBytes: 100 };
const origins = [0, 1, 2];
const SEQ = 50;
const STAMP = 775_736_524_800_000;
const BASE = Date.UTC(2026, 0, 1);

const NEVER = Number.POSITIVE_INFINITY;
const value = { kind: "value", value: "v", deadline: NEVER, loaded: false } as const;

describe("an event survives its encoding", () => {
  it.each<[string, EventBody]>([
    ["nothing but a key", { key: "k" }],
    ["the empty key", { key: "", add: value }],
    ["a value", { key: "k", add: value }],
    ["bytes", { key: "k", add: { ...value, value: Uint8Array.of(0xff) } }],
    ["a value with a deadline", { key: "k", add: { ...value, deadline: BASE + 12_345 } }],
    ["a value that had expired", { key: "k", add: { ...value, deadline: 1 } }],
    ["a value that lives for a hundred thousand years", { key: "k", add: { ...value, deadline: 2 ** 52 } }],
    ["a loaded value with a deadline", { key: "k", add: { ...value, deadline: BASE, loaded: true } }],
    ["a member", { key: "k", add: { kind: "member", value: "m" } }],
    ["an element", { key: "k", add: { kind: "element", position: STAMP + 3, fraction: "", value: "e" } }],
    ["one at the head", { key: "k", add: { kind: "element", position: -STAMP, fraction: "", value: "e" } }],
    ["one between two", { key: "k", add: { kind: "element", position: 5, fraction: "P~", value: "e" } }],
    ["a deadline", { key: "k", add: { kind: "deadline", at: BASE - 7, targetOrigin: 0, targetSeq: 0 } }],
    ["no deadline ever", { key: "k", add: { kind: "deadline", at: NEVER, targetOrigin: 0, targetSeq: 0 } }],
    [
      "a deadline of a value",
      { key: "k", add: { kind: "deadline", at: BASE, targetOrigin: 0, targetSeq: 49 } },
    ],
    ["one of another's", { key: "k", add: { kind: "deadline", at: NEVER, targetOrigin: 2, targetSeq: 999 } }],
    ["a commit", { key: "k", add: { kind: "commit", by: BASE + 5_000, value: "v", expiresAt: NEVER } }],
    ["one with an end", { key: "k", add: { kind: "commit", by: BASE, value: "v", expiresAt: BASE + 1 } }],
    ["one of a deletion", { key: "k", add: { kind: "commit", by: BASE, value: null, expiresAt: NEVER } }],
    ["nothing but the key", { key: "k" }],
    ["removals", { key: "k", removesUpTo: [0, 49, 1, 2 ** 40], removes: [2, 7, 0, 1] }],
    ["resets", { key: "k", resets: [{ origin: 1, segment: 3, upTo: 9, total: 2n ** 64n }] }],
    ["a first increment", { key: "k", increment: { segment: 0, before: 0, total: -5 } }],
    ["a further increment", { key: "k", increment: { segment: 12, before: 2n ** 63n, total: -(2n ** 63n) } }],
    [
      "everything at once",
      {
        key: "k".repeat(100),
        removesUpTo: [0, 1],
        removes: [1, 1],
        resets: [{ origin: 0, segment: 1, upTo: 1, total: 1 }],
        increment: { segment: 1, before: 0, total: 1 },
        add: { ...value, value: "x".repeat(100) },
      },
    ],
    ["a sweep", { key: "", sweep: { origin: 1, upTo: 9, from: BASE - 5_000, to: BASE, except: [9, 1, 4] } }],
    ["a clear", { key: "", clear: { prefix: "user.", vector: [0, 49, 2, 3] } }],
  ])("%s", (_, body) => {
    const event = eventFrom(body, 0, SEQ, STAMP + 2);
    const out = new CborWriter();
    const dictionary = { indexOf: (origin: number) => origin };
    writeEvent(out, event, dictionary, STAMP, BASE);
    const input = new CborReader(out.toBytes());
    expect(readEvent(input, SEQ, origins, STAMP, BASE, limits, null)).toEqual(event);
    expect(input.remaining).toBe(0);
  });
});

/** Kinds: 1 value, 2 member, 3 element, 4 deadline, 8 up to, 16 dots, 32 resets, 64 increment, 512 sweep, 1024 clear, 2048 evicted. */
describe("an event is refused", () => {
  const malformed = expect.objectContaining({ code: "MALFORMED_MESSAGE" });
  it.each([
    ["of no kind", ""],
    ["of a kind that does not exist", "19 2000 00"],
    ["naming what its writer let go, which the frame does not tell", "19 0801 00 61 6b 61 76"],
    ["that is a sweep and names what its writer let go", "19 0a00 00"],
    ["that is a sweep and more", "19 0201 00"],
    ["that is a sweep and a clear", "19 0600 00"],
    ["without a stamp", "01"],
    ["with a stamp before all time", "01 3b 001fffffffffffff 61 6b 61 76"],
    ["with a stamp after all time", "01 1b 001fffffffffffff 61 6b 61 76"],
    ["without a key", "01 00"],
    ["with a key too long", `01 00 78 65 ${"6b".repeat(101)} 61 76`],
    ["with a value too long", `01 00 61 6b 78 65 ${"76".repeat(101)}`],
    ["without its value", "01 00 61 6b"],
    ["with an entry of kind 5", "05 00 61 6b 61 76"],
    ["with an entry of kind 7", "07 00 61 6b 61 76"],
    ["with a deadline beyond all time", "18 81 00 61 6b 61 76 1b 001fffffffffffff"],
    ["with a list position beyond all numbers", "03 00 61 6b 1b 001fffffffffffff 61 76"],
    ["removing what an unnamed origin wrote", "18 10 00 61 6b 01 03 01"],
    ["removing its own event", "18 10 00 61 6b 01 00 18 32"],
    ["removing an own event before the first", "18 10 00 61 6b 01 00 18 33"],
    ["removing the event 0 of another", "18 10 00 61 6b 01 01 00"],
    ["announcing more removals than bytes", "18 10 00 61 6b 18 ff 01 01"],
    ["with a mark for an unnamed origin's value", "18 84 00 61 6b 00 03 01"],
    ["with a segment opened after it", "18 40 00 61 6b 18 32 00 00"],
    ["with an increment that is a text", "18 40 00 61 6b 00 61 61 00"],
    ["with a sweep of an unnamed origin", "19 0200 00 07 01 00 00 00"],
    ["with a clear that ends", "19 0400 00 61 6b 02 00 01"],
  ])("%s", (_, hex) => {
    const input = new CborReader(Buffer.from(hex.replaceAll(" ", ""), "hex"));
    expect(() => readEvent(input, SEQ, origins, STAMP, BASE, limits, null)).toThrow(malformed);
  });

  it("by nothing else than what it says: the same bytes, unbroken, are an event", () => {
    const read = (hex: string) =>
      readEvent(
        new CborReader(Buffer.from(hex.replaceAll(" ", ""), "hex")),
        SEQ,
        origins,
        STAMP,
        BASE,
        limits,
        null,
      );
    expect(read("01 00 61 6b 61 76").add).toMatchObject({ kind: "value", value: "v" });
    expect(read("18 10 00 61 6b 01 00 01").removes).toEqual([0, 49]);
    expect(read("18 40 00 61 6b 00 00 05").increment).toEqual({ segment: 50, before: 0, total: 5 });
    expect(new Origins("x").size).toBe(1);
  });
});
