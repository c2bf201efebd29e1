import { Decoder, Encoder } from "cbor-x";
import { describe, expect, it } from "vitest";
import { CborReader, CborWriter } from "../../../src/replication/cbor.ts";

const malformed = expect.objectContaining({ name: "TidemarkError", code: "MALFORMED_MESSAGE" });

function reader(hex: string): CborReader {
  return new CborReader(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

function written(write: (out: CborWriter) => void): string {
  const out = new CborWriter(1);
  write(out);
  return Buffer.from(out.toBytes()).toString("hex");
}

describe("CborWriter and CborReader", () => {
  it.each([
    [0, "00"],
    [23, "17"],
    [24, "1818"],
    [255, "18ff"],
    [256, "190100"],
    [65_535, "19ffff"],
    [65_536, "1a00010000"],
    [2 ** 32 - 1, "1affffffff"],
    [2 ** 32, "1b0000000100000000"],
    [Number.MAX_SAFE_INTEGER, "1b001fffffffffffff"],
  ])("write and read the unsigned integer %s as the RFC has it", (value, hex) => {
    expect(written((out) => out.uint(value))).toBe(hex);
    expect(reader(hex).uint()).toBe(value);
    expect(written((out) => out.int(value))).toBe(hex);
    expect(reader(hex).int()).toBe(value);
  });

  it.each([
    [-1, "20"],
    [-24, "37"],
    [-25, "3818"],
    [-256, "38ff"],
    [-65_537, "3a00010000"],
    [-(2 ** 32) - 1, "3b0000000100000000"],
    [-Number.MAX_SAFE_INTEGER, "3b001ffffffffffffe"],
  ])("write and read the negative integer %s", (value, hex) => {
    expect(written((out) => out.int(value))).toBe(hex);
    expect(reader(hex).int()).toBe(value);
    expect(reader(hex).integer()).toBe(value);
  });

  it.each([
    [2n ** 64n, "c249010000000000000000"],
    [2n ** 63n - 1n, "c2487fffffffffffffff"],
    [-(2n ** 63n), "c3487fffffffffffffff"],
    [-1n, "c34100"],
    [0n, "c24100"],
    [255n, "c241ff"],
    [2n ** 128n - 1n, `c250${"ff".repeat(16)}`],
  ])("write and read the large integer %s as a bignum", (value, hex) => {
    expect(written((out) => out.integer(value))).toBe(hex);
    expect(reader(hex).integer()).toBe(value);
  });

  it.each([
    ["", "60"],
    ["a", "6161"],
    ["ü", "62c3bc"],
    ["水", "63e6b0b4"],
    ["💡", "64f09f92a1"],
    ["x".repeat(24), `7818${"78".repeat(24)}`],
    ["é".repeat(63), `787e${"c3a9".repeat(63)}`],
    ["x".repeat(300), `79012c${"78".repeat(300)}`],
    ["\ufffd", "63efbfbd"],
  ])("write and read the text %s", (value, hex) => {
    expect(written((out) => out.text(value))).toBe(hex);
    expect(reader(hex).text(1_000)).toBe(value);
    expect(reader(hex).value(1_000)).toBe(value);
  });

  it("write and read bytes, arrays, null and numbers", () => {
    expect(written((out) => out.bytes(Uint8Array.of(1, 2)))).toBe("420102");
    expect([...reader("420102").bytes(2)]).toEqual([1, 2]);
    expect(reader("41ff").value(1)).toEqual(Uint8Array.of(0xff));
    expect(written((out) => out.array(3))).toBe("83");
    expect(reader("83").array()).toBe(3);
    expect(written((out) => out.null())).toBe("f6");
    expect([reader("f6").isNull(), reader("00").isNull(), reader("").isNull()]).toEqual([true, false, false]);
    expect(written((out) => out.float(1.5))).toBe("fb3ff8000000000000");
    expect(reader("fb3ff8000000000000").float()).toBe(1.5);
    expect(written((out) => out.uint32(7))).toBe("1a00000007");
    expect(written((out) => out.raw(Uint8Array.of(0x83, 1)))).toBe("8301");
  });

  it("give text that came as bytes in its canonical form", () => {
    expect(reader("43e6b0b4").value(10)).toBe("水");
  });

  it("give values of their own, not parts of the message", () => {
    const message = Buffer.from("42ff00", "hex");
    const value = new CborReader(message).value(10) as Uint8Array;
    message.fill(0);
    expect([...value]).toEqual([0xff, 0]);
    expect(value.buffer.byteLength).toBe(2);
  });

  it("say where they are, and what is left", () => {
    const input = reader("01 6161 f6");
    expect([input.position, input.remaining]).toEqual([0, 4]);
    input.uint();
    input.text(1);
    expect([input.position, input.remaining, input.isNull(), input.remaining]).toEqual([3, 1, true, 0]);
  });

  it("understand another library, and are understood by it", () => {
    const items = ["text", -5, 70_000, Buffer.from([1, 0xff]), null, "é".repeat(100)];
    const bytes = new Encoder({ useRecords: false, tagUint8Array: false }).encode(items);
    const input = new CborReader(bytes);
    expect(input.array()).toBe(6);
    expect([input.text(9), input.int(), input.uint(), [...input.bytes(9)], input.isNull()]).toEqual([
      "text",
      -5,
      70_000,
      [1, 0xff],
      true,
    ]);
    expect(input.text(1_000)).toBe("é".repeat(100));
    const out = new CborWriter();
    out.array(3);
    out.integer(2n ** 70n);
    out.text("水");
    out.float(0.1);
    expect(new Decoder({ useRecords: false }).decode(out.toBytes())).toEqual([2n ** 70n, "水", 0.1]);
  });

  it("refuse to write what no reader takes", () => {
    expect(() => new CborWriter().uint(2 ** 53)).toThrow(TypeError);
    expect(() => new CborWriter().int(Number.NaN)).toThrow(TypeError);
  });

  it("are used again after a clear, and hand out copies", () => {
    const out = new CborWriter(2);
    out.text("hello");
    const first = out.toBytes();
    out.clear();
    expect(out.length).toBe(0);
    out.uint(1);
    expect([Buffer.from(first).toString("hex"), out.length, out.view().toString("hex")]).toEqual([
      "6568656c6c6f",
      1,
      "01",
    ]);
  });
});

/** Every way in which an item can be wrong, as one line each. */
const uint = (input: CborReader) => input.uint();
const int = (input: CborReader) => input.int();
const integer = (input: CborReader) => input.integer();
const text = (input: CborReader) => input.text(8);
const bytes = (input: CborReader) => input.bytes(8);
const value = (input: CborReader) => input.value(8);
const count = (input: CborReader) => input.count();
const array = (input: CborReader) => input.array();
const float = (input: CborReader) => input.float();

describe("a reader refuses", () => {
  it.each([
    ["nothing where an integer is due", "", uint],
    ["nothing where a signed integer is due", "", int],
    ["nothing where a large integer is due", "", integer],
    ["nothing where a text is due", "", text],
    ["nothing where bytes are due", "", bytes],
    ["nothing where a value is due", "", value],
    ["nothing where an array is due", "", array],
    ["nothing where a number is due", "", float],
    ["an integer without its one byte", "18", uint],
    ["an integer without its second byte", "1901", uint],
    ["an integer without its fourth byte", "1a010203", uint],
    ["an integer without its eighth byte", "1b00000000000000", uint],
    ["an integer of 2^53", "1b0020000000000000", uint],
    ["an integer of 2^64 - 1", "1bffffffffffffffff", uint],
    ["a negative integer below -2^53", "3b0020000000000000", int],
    ["a reserved length", "1c", uint],
    ["another reserved length", "1e00", uint],
    ["an integer of indefinite length", "1f", uint],
    ["a negative integer where none may be", "20", uint],
    ["a text where an integer is due", "6161", uint],
    ["an integer where a text is due", "01", text],
    ["an integer where bytes are due", "01", bytes],
    ["an integer where a value is due", "01", value],
    ["a map where an array is due", "a0", array],
    ["a half-precision number", "f93c00", float],
    ["a number that ends", "fb3ff80000000000", float],
    ["null where a value is due", "f6", value],
    ["a text that ends", "6261", text],
    ["a text longer than allowed", "69616161616161616161", text],
    ["a text of 4 GiB", "7affffffff", text],
    ["a text of 2^52 bytes", "7b0010000000000000", text],
    ["a text of indefinite length", "7f6161ff", text],
    ["a text with a byte that is none", "61ff", text],
    ["a text that ends within a character", "62e6b0", text],
    ["a text with an overlong slash", "62c0af", text],
    ["a text with half of a surrogate pair", "63eda080", text],
    ["bytes that end", "4201", bytes],
    ["bytes longer than allowed", "49010203040506070809", bytes],
    ["bytes of 4 GiB", "5affffffff", bytes],
    ["bytes of indefinite length", "5f4101ff", bytes],
    ["a value longer than allowed", "49010203040506070809", value],
    ["a bignum without bytes", "c2", integer],
    ["an empty bignum", "c240", integer],
    ["a bignum of 17 bytes", "c251ffffffffffffffffffffffffffffffffff", integer],
    ["a bignum that ends", "c242ff", integer],
    ["another tag", "c11a514b67b0", integer],
    ["a tag of four bytes", "daffffffff00", integer],
    ["a bignum whose bytes are a text", "c26161", integer],
    ["a count beyond what is there", "02 00", count],
    ["a count of 2^52", "1b0010000000000000", count],
  ])("%s", (_, hex, read) => {
    expect(() => read(reader(hex))).toThrow(malformed);
  });
});
