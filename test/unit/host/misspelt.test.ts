import { describe, expect, it } from "vitest";
import { standalone } from "../support/standalone.ts";

const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });

describe("an option that a method does not have is refused, and nothing is done", () => {
  const { host } = standalone();
  host.set("a", "1");
  const given = <T>(options: object): T => options as T;

  it.each<[string, () => unknown]>([
    ["clear({ prefx })", () => host.clear(given({ prefx: "m" }))],
    ["clear(prefix)", () => host.clear("m" as never)],
    ["set(…, { tll })", () => host.set("a", "2", given({ tll: "10s" }))],
    ["set(…, 60)", () => host.set("a", "2", 60 as never)],
    ["setMany(object)", () => host.setMany(given({ a: "2" }))],
    ["setMany(strings)", () => host.setMany(["ab"] as never)],
    ["setMany(…, { tll })", () => host.setMany([["a", "2"]], given({ tll: 1 }))],
    ["keys({ prefx })", () => host.keys(given({ prefx: "a" }))],
    ["keys({ type: counter })", () => [...host.keys(given({ type: "counter" }))]],
    ["scan(0, { max })", () => host.scan(0, given({ max: 1 }))],
    ["watch({ prefx })", () => host.watch(given({ prefx: "a" }))],
    ["listInsert(befor)", () => host.listInsert("l", "befor" as never, "x", "y")],
    ["increment(text)", () => host.increment("n", "1" as never)],
  ])("%s", (_, call) => {
    expect(call).toThrow(
      expect.toSatisfy((error: { code: string }) =>
        ["INVALID_ARGUMENT", "NOT_AN_INTEGER"].includes(error.code),
      ),
    );
    expect([...host.entries()]).toEqual([["a", "1"]]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ["replicated({ timout })", () => host.replicated(given({ timout: 100 }))],
    ["waitFor(text)", () => host.waitFor("x" as never)],
  ])("%s", async (_, call) => {
    await expect(call()).rejects.toThrow(refused);
  });
});
