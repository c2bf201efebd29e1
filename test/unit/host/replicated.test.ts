/** A host on a network made by hand: when it takes writes, what it refuses, and what it makes of odd messages. */
import { describe, expect, it } from "vitest";
import { TidemarkError } from "../../../src/errors.ts";
import { FrameBuilder, readFrameHeader } from "../../../src/replication/frame.ts";
import type { Heartbeat } from "../../../src/replication/messages.ts";
import { Site } from "../support/site.ts";
import { type Wired, wired } from "../support/wired.ts";

const other = { node: "other", incarnation: "OTHER" };
const refused = (code: string) => expect.objectContaining({ name: "TidemarkError", code });

function heartbeat(counter: number, changes: Partial<Heartbeat> = {}): Heartbeat {
  return {
    type: "heartbeat",
    ...other,
    counter,
    seq: 0,
    wallMs: Date.UTC(2026, 0, 1),
    state: "ready",
    vectorHash: "0",
    digest: "0",
    keys: 0,
    serves: "none",
    settled: 0,
    partial: false,
    complete: true,
    rows: [],
    ...changes,
  };
}

function connected(...options: Parameters<typeof wired>): Wired {
  const me = wired(...options);
  me.connect();
  expect(me.host.status().state).toBe("ready");
  return me;
}

/** A frame of so many writes of another host. */
function framesOf(site: Site): Uint8Array[] {
  return site.made.map((event) => {
    const builder = new FrameBuilder("default", site.origins);
    builder.add(event);
    return builder.finish(0, 0).bytes;
  });
}

describe("writes", () => {
  it("are refused before the host has caught up, reads are not", () => {
    const me = wired();
    expect(() => me.host.set("key", "x")).toThrow(refused("NOT_READY"));
    expect(me.host.get("key")).toBeUndefined();
    expect(me.host.status()).toMatchObject({
      state: "connecting",
      reason: expect.stringContaining("no connection"),
    });
    const joining = wired({ joinWait: "10s" });
    joining.connect();
    expect(() => joining.host.increment("n")).toThrow(refused("NOT_READY"));
    expect(joining.host.status()).toMatchObject({
      state: "joining",
      reason: expect.stringContaining("catching up"),
    });
    joining.time.run(10_000);
    expect(joining.host.increment("n")).toBe(1);
  });

  it("go on while there is no connection, until too many wait for one", () => {
    const me = connected({ maxUnconfirmedBytes: 10_000 });
    me.transport.connected = false;
    me.transport.listener.disconnected();
    let written = 0;
    expect(() => {
      for (; written < 1_000; written++) me.host.set(`key.${written}`, "x".repeat(100));
    }).toThrow(refused("BACKPRESSURE"));
    expect(written).toBeGreaterThan(50);
    expect([me.host.size, me.host.has(`key.${written}`)]).toEqual([written, false]);
  });

  it("are refused with the server's own sentence when it refuses us, and taken again after a new connection", async () => {
    const me = connected();
    me.transport.listener.refused(new TidemarkError("FENCED", "Grant its user: publish."));
    expect(() => me.host.set("key", "x")).toThrow("Grant its user: publish.");
    expect(me.host.status()).toMatchObject({ state: "fenced", reason: "Grant its user: publish." });
    await expect(me.host.ready()).rejects.toThrow(refused("FENCED"));
    me.transport.listener.disconnected();
    me.connect();
    expect(me.host.set("key", "x")).toBe(true);
  });

  it("of one turn travel in one frame, with nothing sent before the turn ends", () => {
    const me = connected();
    me.transport.sent.length = 0;
    for (let i = 0; i < 10; i++) me.host.set(`key.${i}`, "x");
    expect(me.transport.sent).toEqual([]);
    me.time.run(0);
    const frames = me.transport.sent.filter(({ channel }) => channel === "ev");
    expect(frames.map(({ bytes }) => readFrameHeader(bytes, "default"))).toMatchObject([
      { first: 1, last: 10 },
    ]);
  });
});

describe("what arrives", () => {
  it("is applied in the order of its origin, whatever order and however often it comes", () => {
    const me = connected();
    const site = new Site(other.incarnation);
    for (let i = 1; i <= 4; i++) site.writes.set("key", String(i), undefined);
    const [first, second, third, fourth] = framesOf(site) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    me.say("hb", other, heartbeat(1));
    for (const frame of [second, fourth, second]) me.say("ev", other, frame);
    expect(me.host.get("key")).toBeUndefined();
    me.say("ev", other, first);
    expect(me.host.get("key")).toBe("2");
    for (const frame of [first, third]) me.say("ev", other, frame);
    expect([me.host.get("key"), me.host.inspect().inboxFrames]).toEqual(["4", 0]);
    expect(me.host.status().counts).toMatchObject({
      duplicates: 1,
      reordered: 3,
      eventsApplied: 4,
      rejected: 0,
    });
  });

  it("is asked for when missing: of its origin first, and not before a moment has passed", () => {
    const me = connected();
    me.say("hb", other, heartbeat(1, { seq: 3 }));
    const requests = () => me.messages().filter(({ type }) => type === "replay-request");
    expect(requests()).toEqual([]);
    me.time.run(60);
    expect(requests()).toMatchObject([{ origin: other.incarnation, first: 1, last: 3 }]);
    const site = new Site(other.incarnation);
    for (let i = 0; i < 3; i++) site.writes.increment("n", 1);
    const { incarnation } = other;
    me.say("rp", other, { type: "replay", incarnation, origin: incarnation, frames: framesOf(site) });
    expect(me.host.get("n")).toBe("3");
    expect(me.host.inspect().needs).toBe(0);
  });

  it("is counted and left alone where it cannot be read, and nothing else happens", () => {
    const me = connected();
    const site = new Site(other.incarnation);
    site.writes.set("key", "x", undefined);
    const frame = framesOf(site)[0]!;
    const broken = frame.slice();
    broken[20]! ^= 1;
    for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 2, 3), broken, frame.subarray(0, 9)]) {
      me.say("ev", other, bytes);
      me.say("hb", other, bytes);
      me.say("rq", other, bytes);
      me.say("rp", other, bytes);
    }
    expect(me.host.status().counts.rejected).toBe(16);
    expect(me.host.size).toBe(0);
    me.say("ev", other, frame);
    expect(me.host.get("key")).toBe("x");
  });

  it("is not believed when it comes in another's name, and our own is not heard", () => {
    const me = connected();
    const site = new Site("SOMEONE");
    site.writes.set("key", "forged", undefined);
    me.say("ev", other, framesOf(site)[0]!);
    const ours = new Site(me.host.incarnation);
    ours.writes.set("key", "echo", undefined);
    me.say("ev", { node: "me", incarnation: me.host.incarnation }, framesOf(ours)[0]!);
    expect(me.host.has("key")).toBe(false);
    expect(me.host.status().highWaterMarks).toEqual({});
  });

  it("is answered only to hosts that were heard of", () => {
    const me = connected();
    me.host.set("key", "x");
    me.time.run(100);
    const ask = () => {
      const { incarnation, node } = other;
      const origin = me.host.incarnation;
      me.transport.sent.length = 0;
      me.say("rq", other, { type: "replay-request", incarnation, node, origin, first: 1, last: 1 });
      return me.messages().filter(({ type }) => type === "replay" || type === "replay-refusal");
    };
    expect(ask()).toEqual([]);
    me.say("hb", other, heartbeat(1));
    expect(ask()).toMatchObject([{ type: "replay", origin: me.host.incarnation }]);
  });

  it("raises the alarm when equal vectors come with unequal digests twice", () => {
    const me = connected();
    me.host.set("key", "x");
    const { vectorHash } = me.host.status();
    const row = [me.host.incarnation, 1] as const;
    const liar = (counter: number) =>
      heartbeat(counter, { vectorHash, digest: "something else", rows: [row] });
    me.say("hb", other, liar(1));
    expect(me.host.status().counts.divergences).toBe(0);
    me.say("hb", other, liar(2));
    me.say("hb", other, liar(3));
    expect(me.host.status().counts.divergences).toBe(1);
  });
});

describe("waiting", () => {
  it("for others asks them for a word, and counts those who gave it", async () => {
    const me = connected();
    me.say("hb", other, heartbeat(1));
    me.host.set("key", "x");
    const replicated = me.host.replicated({ hosts: 1, timeout: "5s" });
    me.time.run(0);
    const frame = me.transport.sent.findLast(({ channel }) => channel === "ev")!;
    expect(readFrameHeader(frame.bytes, "default").flags).toBe(1);
    me.say("rp", other, { type: "acknowledgement", incarnation: other.incarnation, seq: 1 });
    expect(await replicated).toBe(1);
  });

  it("for the server ends with its confirmation, and not before", async () => {
    const me = connected();
    me.transport.prompt = false;
    me.host.set("key", "x");
    let flushed = false;
    const done = me.host.flush().then(() => {
      flushed = true;
    });
    me.time.run(1_000);
    await null;
    expect(flushed).toBe(false);
    for (const answer of me.transport.flushes.splice(0)) answer();
    await done;
    expect(me.host.status().unconfirmedBytes).toBe(0);
  });
});

describe("closing", () => {
  it("says goodbye, closes the transport, and hears nothing any more", async () => {
    const me = connected();
    const closing = me.host.close();
    for (let i = 0; i < 20; i++) {
      me.time.run(100);
      await null;
    }
    await closing;
    expect(me.messages().at(-1)).toMatchObject({ type: "heartbeat", state: "leaving" });
    expect(me.transport.closed).toBe(true);
    const site = new Site(other.incarnation);
    site.writes.set("key", "x", undefined);
    me.say("ev", other, framesOf(site)[0]!);
    me.transport.listener.connected();
    expect([me.host.has("key"), me.host.status().state]).toEqual([false, "closed"]);
  });

  it("by a crash says nothing at all", () => {
    const me = connected();
    me.transport.sent.length = 0;
    me.host.crash();
    me.time.run(60_000);
    expect(me.transport.sent).toEqual([]);
  });
});
