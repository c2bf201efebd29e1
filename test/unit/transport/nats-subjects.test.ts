/** Subjects: what is built can be parsed, what others put there cannot pass for ours. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHANNELS, NatsSubjects } from "../../../src/transport/nats-subjects.ts";

const subjects = new NatsSubjects("shop");
const self = { node: "a", incarnation: "01J0" };
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

describe("the subjects of a namespace", () => {
  it("are built and parsed back", () => {
    fc.assert(
      fc.property(fc.constantFrom(...CHANNELS), token, token, (channel, node, incarnation) => {
        const subject = subjects.of(channel, { node, incarnation });
        expect(subject).toBe(`tidemark.shop.${channel}.${node}.${incarnation}`);
        expect(subjects.parse(channel, subject!)).toEqual({ node, incarnation });
        expect(subjects.channelOf(subject!)).toBe(channel);
      }),
    );
  });

  it.each([
    "tidemark.shop.ev",
    "tidemark.shop.ev.a",
    "tidemark.shop.ev.a.",
    "tidemark.shop.ev..x",
    "tidemark.shop.ev.a.b.c",
    "tidemark.shop.hb.a.b",
    "tidemark.other.ev.a.b",
    "tidemark.shop.ev.a.b!",
    "tidemark.shop.ev.a.>",
    `tidemark.shop.ev.a.${"b".repeat(65)}`,
    "",
  ])("do not include %j", (subject) => {
    expect(subjects.parse("ev", subject)).toBeUndefined();
  });

  it("cannot be made to name anything else by an address from the wire", () => {
    for (const bad of ["", "a.b", "*", ">", "a b", "a\r\nPUB x 0", "ä", "a".repeat(65)]) {
      expect(subjects.of("rq", { node: bad, incarnation: "x" })).toBeUndefined();
      expect(subjects.of("rq", { node: "x", incarnation: bad })).toBeUndefined();
    }
  });

  it("are one object per host, so that a message costs no allocation, and forgotten in time", () => {
    const first = subjects.parse("ev", "tidemark.shop.ev.a.01J0");
    expect(subjects.parse("ev", "tidemark.shop.ev.a.01J0")).toBe(first);
    for (let i = 0; i < 2_000; i++) subjects.parse("ev", `tidemark.shop.ev.a.${i}`);
    expect(subjects.parse("ev", "tidemark.shop.ev.a.01J0")).not.toBe(first);
    expect(subjects.parse("ev", "tidemark.shop.ev.a.01J0")).toEqual(first);
  });

  it("are listened to as the documented permissions allow", () => {
    expect(CHANNELS.map((channel) => subjects.heard(channel, self))).toEqual([
      "tidemark.shop.ev.>",
      "tidemark.shop.hb.>",
      "tidemark.shop.rq.a.01J0",
      "tidemark.shop.rp.a.01J0",
    ]);
    expect(CHANNELS.map((channel) => subjects.grant("publish", channel, "a"))).toEqual([
      "tidemark.shop.ev.a.>",
      "tidemark.shop.hb.a.>",
      "tidemark.shop.rq.>",
      "tidemark.shop.rp.>",
    ]);
    expect(CHANNELS.map((channel) => subjects.grant("subscription", channel, "a"))).toEqual([
      "tidemark.shop.ev.>",
      "tidemark.shop.hb.>",
      "tidemark.shop.rq.a.>",
      "tidemark.shop.rp.a.>",
    ]);
  });

  it("take another prefix, if it is one", () => {
    expect(new NatsSubjects("shop", "acme.cache").of("ev", self)).toBe("acme.cache.ev.a.01J0");
    for (const prefix of ["", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "a\n", "x".repeat(257)]) {
      expect(() => new NatsSubjects("shop", prefix)).toThrow("subject prefix");
    }
  });
});
