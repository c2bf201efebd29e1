import { Encoder } from "cbor-x";
import { describe, expect, it } from "vitest";
import { bulkType, decodeMessage, encodeMessage } from "../../../src/replication/message-codec.ts";

const malformed = expect.objectContaining({ code: "MALFORMED_MESSAGE" });
const encoder = new Encoder({ useRecords: false, tagUint8Array: false });
const bytes = (items: unknown): Uint8Array => new Uint8Array(encoder.encode(items));
const read = (items: unknown) => decodeMessage(bytes(items), "n");
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

const heartbeat = [1, "n", 2, "inc", "node", 1, 5, 1e12, 1, "vh", "d", 3, false, true, [["a", 1]], 0, 0];

describe("a message", () => {
  it("is a flat array of the version, the namespace, the type and its fields", () => {
    expect(
      Buffer.from(encodeMessage({ type: "acknowledgement", incarnation: "i", seq: 7 }, "n")).toString("hex"),
    ).toBe("85 01 616e 0b 6169 07".replaceAll(" ", ""));
    expect(read(heartbeat)).toEqual({
      type: "heartbeat",
      incarnation: "inc",
      node: "node",
      counter: 1,
      seq: 5,
      wallMs: 1e12,
      state: "ready",
      vectorHash: "vh",
      digest: "d",
      keys: 3,
      serves: "none",
      settled: 0,
      partial: false,
      complete: true,
      rows: [["a", 1]],
    });
  });

  it("is told from the bulk formats by its type alone, whatever the namespace is called", () => {
    for (const namespace of ["n", "x".repeat(23), "x".repeat(24), "x".repeat(64)]) {
      const message = encodeMessage({ type: "rows-request", incarnation: "i", node: "n" }, namespace);
      expect(bulkType(message)).toBeUndefined();
      expect(decodeMessage(message, namespace).type).toBe("rows-request");
      expect(bulkType(bytes([1, namespace, 1]))).toBe("frame");
      expect(bulkType(bytes([1, namespace, 8]))).toBe("chunk");
    }
    expect(() => bulkType(bytes([2, "n", 1]))).toThrow(malformed);
    expect(() => bulkType(new Uint8Array(0))).toThrow(malformed);
  });
});

describe("a message is refused", () => {
  const changed = (index: number, item: unknown) => heartbeat.map((each, at) => (at === index ? item : each));
  it.each<[string, unknown]>([
    ["of another version", changed(0, 2)],
    ["of another namespace", changed(1, "other")],
    ["of an unknown type", [1, "n", 99, "inc"]],
    ["of a bulk type", [1, "n", 1, "inc"]],
    ["without its fields", [1, "n", 2, "inc"]],
    ["with a field too many", [...heartbeat, 0]],
    ["that is a number", 5],
    ["that is a text", "hello"],
    ["that is empty", []],
    ["with a name that is a number", changed(3, 7)],
    ["with a name too long", changed(3, "x".repeat(65))],
    ["with a count below 0", changed(5, -1)],
    ["with a service there is none of", changed(15, 3)],
    ["with a count and a fraction", changed(5, 1.5)],
    ["with a count beyond 2^53", changed(5, 2n ** 60n)],
    ["with a clock that is not a number", changed(7, Number.NaN)],
    ["with a clock at infinity", changed(7, Number.POSITIVE_INFINITY)],
    ["with a state that does not exist", changed(8, 3)],
    ["with a truth that is 1", changed(13, 1)],
    ["with a second truth that is a text", changed(12, "no")],
    ["with rows that are none", changed(14, 5)],
    ["with a row of one", changed(14, [["a"]])],
    ["with a row of three", changed(14, [["a", 1, 2]])],
    ["with a row of a long name", changed(14, [["x".repeat(65), 1]])],
    ["with a row below 0", changed(14, [["a", -1]])],
    ["with frames that are texts", [1, "n", 4, "inc", "o", ["x"]]],
    ["with frames that are none", [1, "n", 4, "inc", "o", null]],
    ["with a reason that does not exist", [1, "n", 5, "inc", "o", 2]],
    ["with digests that are a text", [1, "n", 6, "inc", "node", "s", [], "x"]],
    ["with a map", [1, "n", 10, "inc", { a: 1 }]],
    ["with a date", [1, "n", 10, "inc", new Date(0)]],
    ["nested four deep", [1, "n", 4, "inc", "o", [[[[1]]]]]],
  ])("%s", (_, items) => {
    expect(() => read(items)).toThrow(malformed);
  });

  it.each([
    ["that is nothing", ""],
    ["that ends after its head", "8a"],
    ["that ends within a text", "85 01 616e 0b 68 69"],
    ["that goes on after its end", "85 01 616e 0b 6169 07 00"],
    ["with a text of 4 GiB", "85 01 7a ffffffff"],
    ["with an array of 2^52 items", "9b 0010000000000000"],
    ["with an array of 2^64 - 1 items", "9b ffffffffffffffff"],
    ["of indefinite length", "9f 01 616e 0b 6169 07 ff"],
    ["with a text of indefinite length", "85 01 7f616eff 0b 6169 07"],
    ["with a tag", "85 01 616e 0b 6169 c107"],
    ["with a bignum", "85 01 616e 0b 6169 c24107"],
    ["with undefined", "85 01 616e 0b 6169 f7"],
    ["with a simple value", "85 01 616e 0b 6169 f8ff"],
    ["with a half-precision number", "85 01 616e 0b 6169 f93c00"],
    ["with a break by itself", "85 01 616e 0b 6169 ff"],
    ["with a number that ends", "85 01 616e 0b 6169 fb00"],
  ])("%s", (_, text) => {
    expect(() => decodeMessage(hex(text), "n")).toThrow(malformed);
  });
});
