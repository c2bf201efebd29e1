import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Value } from "../../../src/crdt/entry.ts";
import {
  addIntegers,
  INT64_MAX,
  INT64_MIN,
  inInt64,
  memberKey,
  parseInteger,
  sameValue,
  toBytes,
  toKey,
  toText,
  toValue,
  valueByteLength,
} from "../../../src/crdt/values.ts";

const MAX = 1_000;
const bytes = (...list: number[]) => Uint8Array.from(list);
const code = (name: string) => expect.objectContaining({ name: "TidemarkError", code: name });

const anyInput = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.uint8Array({ maxLength: 12 }),
  fc.uint8Array({ max: 2, maxLength: 3 }),
  fc.string({ unit: "binary", maxLength: 12 }).map((text) => new TextEncoder().encode(text)),
);
const anyValue = anyInput.map((input) => toValue(input, MAX));

describe("toValue", () => {
  it("keeps text, and makes text of bytes that are UTF-8", () => {
    expect(toValue("", MAX)).toBe("");
    expect(toValue("é😀", MAX)).toBe("é😀");
    expect(toValue(Buffer.from("é😀"), MAX)).toBe("é😀");
    expect(toValue(bytes(0xef, 0xbb, 0xbf, 0x61), MAX)).toBe("\ufeffa");
    expect(toValue(bytes(0), MAX)).toBe("\0");
  });

  it("takes a copy of other bytes, in memory of their own", () => {
    const given = Buffer.from([0xff, 1, 2]);
    const value = toValue(given, MAX) as Uint8Array;
    given[1] = 9;
    expect(value).toEqual(bytes(0xff, 1, 2));
    expect(value.constructor).toBe(Uint8Array);
    expect(value.buffer.byteLength).toBe(3);
  });

  it("sees only the view, not the buffer behind it", () => {
    expect(toValue(bytes(0xff, 0x61, 0x62, 0xff).subarray(1, 3), MAX)).toBe("ab");
  });

  it("refuses half a surrogate pair, which the wire would alter", () => {
    for (const text of ["\ud800", "a\udc00b", "\udc00\ud800"]) {
      expect(() => toValue(text, MAX)).toThrow(code("INVALID_STRING"));
    }
    expect(toValue(bytes(0xed, 0xa0, 0x80), MAX)).toBeInstanceOf(Uint8Array);
  });

  it("counts bytes of UTF-8 against the limit", () => {
    expect(toValue("é😀", 6)).toBe("é😀");
    expect(toValue("abcdef", 6)).toBe("abcdef");
    expect(toValue(bytes(255, 255), 2)).toHaveLength(2);
    expect(() => toValue("é😀", 5)).toThrow(code("VALUE_TOO_LARGE"));
    expect(() => toValue(bytes(1, 2, 3), 2)).toThrow(/3 bytes, above the limit of 2.*maxValueBytes/);
  });

  it.each([[1], [null], [undefined], [{}], [[1]], [new Uint16Array(1)]])("refuses %j", (input) => {
    expect(() => toValue(input as never, MAX)).toThrow(code("INVALID_ARGUMENT"));
  });
});

describe("toKey", () => {
  it("is the key itself, the empty one included", () => {
    expect(toKey("user.7", MAX)).toBe("user.7");
    expect(toKey("", MAX)).toBe("");
    expect(toKey("é😀", 6)).toBe("é😀");
  });

  it("refuses what cannot be a key", () => {
    expect(() => toKey("é😀", 5)).toThrow(code("KEY_TOO_LARGE"));
    expect(() => toKey("x".repeat(100_000), MAX)).toThrow(/^the key "x{32}…" has 100000 bytes.*maxKeyBytes/);
    expect(() => toKey("a\ud800", MAX)).toThrow(code("INVALID_STRING"));
    expect(() => toKey(7 as never, MAX)).toThrow(code("INVALID_ARGUMENT"));
    expect(() => toKey(null as never, MAX)).toThrow(/not null/);
  });
});

describe("values as bytes", () => {
  it("come back as they were given", () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const given = typeof input === "string" ? new TextEncoder().encode(input) : input;
        const value = toValue(input, MAX);
        expect(toBytes(value)).toEqual(new Uint8Array(given));
        expect(valueByteLength(value)).toBe(given.byteLength);
      }),
    );
  });

  it("are a fresh copy", () => {
    const value = toValue(bytes(0xff), MAX);
    toBytes(value)[0] = 1;
    expect(value).toEqual(bytes(0xff));
  });

  it("are equal, and have one member key, exactly when they are the same bytes", () => {
    const same = (a: Value, b: Value) => Buffer.compare(toBytes(a), toBytes(b)) === 0;
    fc.assert(
      fc.property(anyValue, anyValue, (a, b) => {
        expect(sameValue(a, b)).toBe(same(a, b));
        expect(memberKey(a) === memberKey(b)).toBe(same(a, b));
        expect(sameValue(a, toValue(toBytes(a), MAX))).toBe(true);
        expect(memberKey(a)).toBe(memberKey(toValue(toBytes(a), MAX)));
      }),
    );
  });

  it("have a member key that no text has, whatever the bytes look like", () => {
    const binary = bytes(0xff, 0x61);
    const lookalike = Buffer.from(binary).toString("latin1");
    expect(memberKey(binary)).not.toBe(memberKey(lookalike));
    expect(() => toValue(memberKey(binary), MAX)).toThrow(code("INVALID_STRING"));
  });

  it("are text or throw NOT_TEXT", () => {
    expect(toText("a")).toBe("a");
    expect(() => toText(bytes(0xff))).toThrow(code("NOT_TEXT"));
  });
});

describe("parseInteger", () => {
  it.each<[Value, number | bigint | undefined]>([
    ["0", 0],
    ["7", 7],
    ["-7", -7],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["-9007199254740991", Number.MIN_SAFE_INTEGER],
    ["9007199254740992", 9007199254740992n],
    ["9223372036854775807", INT64_MAX],
    ["-9223372036854775808", INT64_MIN],
    ["9223372036854775808", undefined],
    ["-9223372036854775809", undefined],
    ["99999999999999999999", undefined],
    ["100000000000000000000", undefined],
    ["", undefined],
    ["-", undefined],
    ["-0", undefined],
    ["+1", undefined],
    ["01", undefined],
    ["00", undefined],
    ["-01", undefined],
    [" 1", undefined],
    ["1 ", undefined],
    ["1.0", undefined],
    ["1e3", undefined],
    ["0x1", undefined],
    ["1_0", undefined],
    ["--1", undefined],
    ["１", undefined],
    ["Infinity", undefined],
    [bytes(0xff), undefined],
  ])("%j is %s", (value, expected) => {
    expect(parseInteger(value)).toBe(expected);
  });

  it("reads back every 64-bit integer", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: INT64_MIN, max: INT64_MAX }), (integer) => {
        const parsed = parseInteger(String(integer))!;
        expect(BigInt(parsed)).toBe(integer);
        expect(typeof parsed).toBe(Number.isSafeInteger(Number(integer)) ? "number" : "bigint");
      }),
    );
  });
});

describe("addIntegers", () => {
  const edge = fc.constantFrom(2n ** 53n, -(2n ** 53n), 2n ** 53n - 1n, INT64_MAX, INT64_MIN, 0n, 1n);
  const integer = fc.oneof(
    fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
    edge,
    fc.bigInt({ min: -9n, max: 9n }),
  );

  it("is exact, and a number exactly when that is safe", () => {
    const short = (exact: bigint) => (Number.isSafeInteger(Number(exact)) ? Number(exact) : exact);
    fc.assert(
      fc.property(integer, integer, (a, b) => {
        const sum = addIntegers(short(a), short(b));
        expect(sum).toBe(short(a + b));
        expect(addIntegers(a, b)).toBe(sum);
      }),
    );
  });

  it("never makes -0", () => {
    expect(Object.is(addIntegers(-0, -0), 0)).toBe(true);
    expect(addIntegers(5n, -5)).toBe(0);
  });

  it("knows the range of a counter", () => {
    expect([INT64_MIN, INT64_MAX, 0, Number.MAX_SAFE_INTEGER].every(inInt64)).toBe(true);
    expect([INT64_MIN - 1n, INT64_MAX + 1n, 2 ** 63].some(inInt64)).toBe(false);
  });
});
