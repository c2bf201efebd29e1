/** Numbers that make no sense are refused with a sentence, never bent and never answered with nonsense. */
import { describe, expect, it } from "vitest";
import { standalone } from "../support/standalone.ts";

const refusal = expect.objectContaining({ name: "TidemarkError", code: "INVALID_ARGUMENT" });

describe("a number that makes no sense is refused", () => {
  it.each([0, -1, 0.5, Number.NaN])("as the count of a scan: %s", (count) => {
    const { host } = standalone();
    host.set("key", "x");
    expect(() => host.scan(0, { count })).toThrow(refusal);
  });

  it.each([0.5, Number.NaN])("as an index of a list: %s", (index) => {
    const { host } = standalone();
    host.listPush("l", "a", "b", "c");
    expect(() => host.listRange("l", index)).toThrow(refusal);
    expect(() => host.listRange("l", 0, index)).toThrow(refusal);
    expect(() => host.listTrim("l", index, 2)).toThrow(refusal);
    expect(() => host.listSet("l", index, "x")).toThrow(refusal);
    expect(host.listRange("l")).toEqual(["a", "b", "c"]);
  });

  it("as a prefix: what is no text", () => {
    const { host } = standalone();
    expect(() => [...host.keys({ prefix: 5 as never })]).toThrow(refusal);
  });
});
