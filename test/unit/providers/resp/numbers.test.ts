import { describe, expect, it } from "vitest";
import { addDecimals, parseFloat64, parseInt64 } from "../../../../src/providers/resp/numbers.ts";

describe("64-bit integers", () => {
  it.each<[text: string, value: number | bigint | undefined]>([
    ["0", 0],
    ["-1", -1],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["-9223372036854775808", -(2n ** 63n)],
    ["9223372036854775808", undefined],
    ["-0", undefined],
    ["01", undefined],
    ["+1", undefined],
    [" 1", undefined],
    ["1 ", undefined],
    ["", undefined],
    ["-", undefined],
    ["1.0", undefined],
  ])("%s", (text, value) => expect(parseInt64(text)).toBe(value));
});

describe("decimals", () => {
  it.each<[left: string, right: string, sum: string | undefined]>([
    ["0.1", "0.2", "0.3"],
    ["3", "1.1", "4.1"],
    ["17179869184", "1.5", "17179869185.5"],
    ["5.0e3", "200", "5200"],
    ["1.5", "-1.5", "0"],
    ["-0.5", "0.25", "-0.25"],
    ["0", "1e-17", "0.00000000000000001"],
    ["0", "1e-18", "0"],
    ["0.02439024390243902", "-0.024390243902439025", "0"],
    ["1", "inf", "infinite"],
    ["1", "1e500", "infinite"],
    ["a", "1", undefined],
    ["1", " 1", undefined],
    ["1", "nan", undefined],
  ])("%s + %s", (left, right, sum) => expect(addDecimals(left, right)).toBe(sum));

  it.each<[text: string, value: number | undefined]>([
    ["1.5", 1.5],
    [".5", 0.5],
    ["1e3", 1_000],
    ["-inf", Number.NEGATIVE_INFINITY],
    ["0x10", undefined],
    ["", undefined],
  ])("%s", (text, value) => expect(parseFloat64(text)).toBe(value));
});
