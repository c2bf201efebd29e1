import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import type { ReplicatedEvent } from "../../../src/crdt/event.ts";
import { DEFAULTS } from "../../../src/options.ts";
import { CborWriter } from "../../../src/replication/cbor.ts";
import {
  ACK_REQUESTED,
  FrameBuilder,
  readFrameEvents,
  readFrameHeader,
  seal,
  unseal,
} from "../../../src/replication/frame.ts";
import { carry, Site } from "../support/site.ts";

const malformed = expect.objectContaining({ code: "MALFORMED_MESSAGE" });

function frame(site: Site, flags = 0): Uint8Array {
  const builder = new FrameBuilder("shop", site.origins);
  for (const event of site.made) builder.add(event);
  return builder.finish(flags, 1).bytes;
}

function events(bytes: Uint8Array, origins = new Origins("reader")): ReplicatedEvent[] {
  return readFrameEvents(readFrameHeader(bytes, "shop"), origins, DEFAULTS);
}

describe("a frame", () => {
  it("holds consecutive events of one origin, and says which before they are read", () => {
    const site = new Site("author");
    for (let i = 0; i < 5; i++) site.writes.set(`key.${i}`, "x", undefined);
    const header = readFrameHeader(frame(site, ACK_REQUESTED), "shop");
    expect(header).toMatchObject({
      origin: "author",
      first: 1,
      last: 5,
      flags: ACK_REQUESTED,
      names: ["author"],
    });
    const origins = new Origins("reader");
    expect(readFrameEvents(header, origins, DEFAULTS)).toEqual(
      site.made.map((event) => carry(event, site.origins, origins)),
    );
  });

  it("names every origin that an event names, once", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => new Site(name)) as [Site, Site, Site];
    a.writes.setAdd("set", ["x"]);
    b.writes.increment("n", 2n ** 62n);
    c.receive(a);
    c.receive(b);
    c.writes.delete(["set", "n"]);
    c.writes.clear("");
    const header = readFrameHeader(frame(c), "shop");
    expect(header.names).toEqual(["c", "a", "b"]);
    const origins = new Origins("reader");
    expect(readFrameEvents(header, origins, DEFAULTS)).toEqual(
      c.made.map((event) => carry(event, c.origins, origins)),
    );
  });

  it("may hold no event at all, to carry a flag", () => {
    const site = new Site("author");
    const builder = new FrameBuilder("shop", site.origins);
    const { first, last, bytes } = builder.finish(ACK_REQUESTED, 8);
    expect([first, last]).toEqual([8, 7]);
    expect(events(bytes)).toEqual([]);
    expect(readFrameHeader(bytes, "shop")).toMatchObject({ first: 8, last: 7, flags: ACK_REQUESTED });
  });

  it("leaves an empty builder behind", () => {
    const site = new Site("author");
    site.writes.set("key", "x", undefined);
    const builder = new FrameBuilder("shop", site.origins);
    builder.add(site.made[0]!);
    expect([builder.count, builder.bytes > 0]).toEqual([1, true]);
    builder.finish(0, 2);
    expect([builder.count, builder.bytes]).toEqual([0, 0]);
  });

  it("costs an ordinary write little more than its key and value", () => {
    const site = new Site("0".repeat(26));
    for (let i = 0; i < 100; i++) site.writes.set(`key.${String(i).padStart(4, "0")}`, "value", undefined);
    expect(frame(site).length).toBeLessThan(100 * ("key.0000".length + "value".length + 8) + 80);
  });
});

/** A frame with its parts as told, and a right checksum. */
function forged(
  parts: Partial<Record<"version" | "namespace" | "type" | "first" | "count" | "names", unknown>> = {},
) {
  const out = new CborWriter();
  const names = (parts.names as string[] | undefined) ?? ["author"];
  out.array(10 + names.length);
  out.uint((parts.version as number) ?? 1);
  out.text((parts.namespace as string) ?? "shop");
  out.uint((parts.type as number) ?? 1);
  out.uint(0);
  out.uint((parts.first as number) ?? 1);
  out.uint((parts.count as number) ?? 0);
  out.uint(4096);
  out.uint(names.length);
  for (const name of names) out.text(name);
  out.bytes(new Uint8Array(0));
  return seal(out);
}

describe("a frame is refused", () => {
  it("unless it is one", () => {
    expect(events(forged())).toEqual([]);
  });

  it.each([
    ["of another version", { version: 2 }],
    ["of another namespace", { namespace: "other" }],
    ["that is a chunk", { type: 8 }],
    ["that begins before the first event", { first: 0 }],
    ["that announces more events than it has bytes", { count: 1 }],
    ["that announces 2^53 - 1 events", { count: Number.MAX_SAFE_INTEGER }],
    ["of nobody", { names: [] }],
    ["of somebody with a name too long", { names: ["x".repeat(65)] }],
  ])("%s", (_, parts) => {
    expect(() => events(forged(parts))).toThrow(malformed);
  });

  it("when a single bit was turned, wherever", () => {
    const site = new Site("author");
    site.writes.set("key", "some value", { ttl: 1_000 });
    const bytes = frame(site);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const broken = bytes.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => events(broken), `bit ${bit}`).toThrow(malformed);
    }
  });

  it("when it ends early, wherever", () => {
    const site = new Site("author");
    site.writes.set("key", "some value", undefined);
    const bytes = frame(site);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => events(bytes.subarray(0, length)), `${length} bytes`).toThrow(malformed);
    }
  });

  it("when a key or a value is longer than this host takes", () => {
    const site = new Site("author");
    site.writes.set("a key", "a value", undefined);
    const header = readFrameHeader(frame(site), "shop");
    const read = (maxKeyBytes: number, maxValueBytes: number) =>
      readFrameEvents(header, new Origins("reader"), { maxKeyBytes, maxValueBytes });
    expect(read(5, 7)).toHaveLength(1);
    expect(() => read(4, 7)).toThrow(malformed);
    expect(() => read(5, 6)).toThrow(malformed);
  });
});

describe("the seal", () => {
  it("is a CRC-32 of all before it, as a 32-bit integer", () => {
    const out = new CborWriter();
    out.text("hello");
    const sealed = seal(out);
    expect(sealed.at(-5)).toBe(0x1a);
    expect(new DataView(sealed.buffer).getUint32(sealed.length - 4)).toBe(crc32(sealed.subarray(0, -5)));
    expect(Buffer.from(unseal(sealed)).toString("latin1")).toBe("ehello");
  });

  it.each([[[]], [[0x1a]], [[0x1a, 0, 0, 0, 0]], [[1, 0x1b, 0, 0, 0, 0]], [[1, 0x1a, 0, 0, 0, 0]]])(
    "is missed in %j",
    (bytes) => {
      expect(() => unseal(Uint8Array.from(bytes))).toThrow(malformed);
    },
  );
});
