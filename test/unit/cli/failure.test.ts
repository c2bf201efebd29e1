import { describe, expect, it } from "vitest";
import { exitCodeOf, failureText } from "../../../src/cli/failure.ts";
import { TidemarkError } from "../../../src/errors.ts";

const refused = new TidemarkError("INVALID_ARGUMENT", "ttl takes a duration");
const failed = new TidemarkError("CONNECT_FAILED", "No NATS server answered.");
const plain = { json: false, debug: false };

describe("a failure", () => {
  it("is one line with its code and its sentence", () => {
    expect(failureText(failed, plain)).toBe("tidemark: CONNECT_FAILED: No NATS server answered.");
    expect(failureText(new TypeError("broken"), plain)).toBe("tidemark: INTERNAL: broken");
    expect(failureText("thrown", plain)).toBe("tidemark: INTERNAL: thrown");
  });

  it("shows its stack to those who ask", () => {
    expect(failureText(failed, { json: false, debug: true })).toMatch(/^tidemark: CONNECT_FAILED: .*\n +at /);
  });

  it("is JSON for programs", () => {
    expect(JSON.parse(failureText(failed, { json: true, debug: false }))).toEqual({
      event: "error",
      code: "CONNECT_FAILED",
      message: "No NATS server answered.",
    });
  });

  it("ends with 2 where it was asked for wrongly, else with 1", () => {
    expect([refused, failed, new Error("x"), "x"].map(exitCodeOf)).toEqual([2, 1, 1, 1]);
  });
});
