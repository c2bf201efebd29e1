import { describe, expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import { VersionVector } from "../../../src/causality/version-vector.ts";
import { DEFAULTS } from "../../../src/options.ts";
import { CborWriter } from "../../../src/replication/cbor.ts";
import { seal } from "../../../src/replication/frame.ts";
import {
  encodeChunk,
  type ImageChunk,
  readChunk,
  readChunkHeader,
} from "../../../src/replication/image-codec.ts";

const malformed = expect.objectContaining({ code: "MALFORMED_MESSAGE" });

const origins = new Origins("giver");
const other = origins.intern("other");

const chunk: ImageChunk = {
  session: "someone-1",
  index: 2,
  last: true,
  vector: new VersionVector([5, 2 ** 40]),
  buckets: [
    {
      bucket: 4095,
      entries: [
        {
          key: "",
          entry: { kind: "value", origin: other, seq: 3, stamp: 9, value: "x", deadline: 7, loaded: true },
        },
        { key: "s", entry: { kind: "member", origin: 0, seq: 1, value: Uint8Array.of(0xff) } },
        { key: "l", entry: { kind: "element", origin: 0, seq: 2, position: -12, fraction: "P", value: "e" } },
        {
          key: "c",
          entry: { kind: "commit", origin: 0, seq: 5, stamp: 77, by: 1_000, value: null, expiresAt: 2_000 },
        },
        {
          key: "s",
          entry: { kind: "deadline", origin: 0, seq: 4, at: 1 / 0, targetOrigin: other, targetSeq: 3 },
        },
      ],
      seen: [0, 5, other, 6],
      cells: [
        {
          key: "n",
          cell: {
            origin: other,
            segment: 1,
            high: 8,
            total: 2n ** 64n,
            resetUpTo: 7,
            resetTotal: -5,
            resetBy: { origin: 0, seq: 5 },
          },
        },
      ],
      masked: ["s", "l"],
      mixed: ["n"],
    },
    { bucket: 0, entries: [], seen: null, cells: [], masked: [], mixed: [] },
    { bucket: 1, entries: [], seen: [], cells: [], masked: [""], mixed: [] },
  ],
  pending: [
    { kind: "upTo", key: "k", origin: other, until: 99 },
    { kind: "dot", key: "", origin: 0, until: 6 },
    {
      kind: "sweep",
      origin: other,
      until: 50,
      sweep: { origin: other, upTo: 50, from: 1, to: 2, except: [3, 4] },
    },
    { kind: "clear", origin: other, until: 77, clear: { prefix: "p", vector: [other, 77, 0, 1] } },
  ],
  evicted: { vector: new VersionVector([4, 9]), keys: Uint8Array.of(1, 0, 255) },
};

describe("a snapshot chunk", () => {
  it("is read as it was written", () => {
    const header = readChunkHeader(encodeChunk(chunk, "n", origins), "n");
    expect(header).toMatchObject({ session: "someone-1", index: 2, last: true });
    expect(readChunk(header, origins, DEFAULTS)).toEqual(chunk);
  });

  it("does not carry marks that wait: they are entries", () => {
    const pending = [{ kind: "mark", key: "k", origin: 0, until: 1 }] as const;
    expect(() => encodeChunk({ ...chunk, pending }, "n", origins)).toThrow(TypeError);
  });

  it("is refused when a single bit was turned or it ends early, wherever", () => {
    const bytes = encodeChunk(chunk, "n", origins);
    const read = (broken: Uint8Array) => readChunk(readChunkHeader(broken, "n"), origins, DEFAULTS);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const broken = bytes.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => read(broken), `bit ${bit}`).toThrow(malformed);
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => read(bytes.subarray(0, length)), `${length} bytes`).toThrow(malformed);
    }
  });

  it("is refused when it holds what this host may not take", () => {
    const header = readChunkHeader(encodeChunk(chunk, "n", origins), "n");
    expect(() => readChunk(header, origins, { ...DEFAULTS, maxValueBytes: 0 })).toThrow(malformed);
    expect(() => readChunk(header, origins, { ...DEFAULTS, maxKeyBytes: 0 })).toThrow(malformed);
    expect(() => readChunkHeader(encodeChunk(chunk, "n", origins), "other")).toThrow(malformed);
  });
});

/** A chunk with a body as told, in hexadecimal, and a right checksum. Names: giver, other. */
function forged(body: string, names = ["giver", "other"]): Uint8Array {
  const out = new CborWriter();
  out.array(9 + names.length);
  out.uint(1);
  out.text("n");
  out.uint(8);
  out.text("s");
  out.uint(0);
  out.uint(1);
  out.uint(names.length);
  for (const name of names) out.text(name);
  out.bytes(Buffer.from(body.replaceAll(" ", ""), "hex"));
  return seal(out);
}

describe("a snapshot chunk is refused", () => {
  const read = (body: string, names?: string[]) =>
    readChunk(readChunkHeader(forged(`${body} f6`, names), "n"), new Origins("taker"), DEFAULTS);

  it("unless it is one", () => {
    expect(read("00 00 00")).toMatchObject({ buckets: [], pending: [] });
    expect(read("01 01 05 01 07 00 f6 00 00 01 61 6b 00").buckets).toEqual([
      { bucket: 7, entries: [], seen: null, cells: [], masked: [], mixed: ["k"] },
    ]);
  });

  it.each([
    ["with an empty body", ""],
    ["with bytes after its end", "00 00 00 00"],
    ["with a row of an unnamed origin", "01 02 05 00 00"],
    ["with more rows than bytes", "18 ff 00 05"],
    ["with a bucket that cannot be", "00 01 19 1000 00 f6 00 00"],
    ["with more entries than bytes", "00 01 07 18 ff f6 00 00"],
    ["with an entry of no kind", "00 01 07 01 61 6b 00 00 01 00 f6 00 00"],
    ["with an entry of an unnamed origin", "00 01 07 01 61 6b 02 05 01 00 61 78 f6 00 00"],
    ["with seen dots that end", "00 01 07 00 01 00 00 00"],
    ["with a cell that ends", "00 01 07 00 f6 01 61 6b 00 01 05 00"],
    ["with a cell of an unnamed origin", "00 01 07 00 f6 01 61 6b 09 01 05 05 00 00 f6 00"],
    ["with a removal of no kind", "00 00 01 04 00 01 61 6b"],
    ["with a removal of an unnamed origin", "00 00 01 00 09 01 61 6b"],
    ["with a sweep that ends", "00 00 01 02 00 05 01 02"],
    ["with a clear that ends", "00 00 01 03 00 05 61 70 02 00 01"],
  ])("%s", (_, body) => {
    expect(() => read(body)).toThrow(malformed);
  });

  it("with a name too long", () => {
    expect(() => read("00 00 00", ["x".repeat(65)])).toThrow(malformed);
  });
});
