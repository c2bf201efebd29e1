import { describe, expect, it } from "vitest";
import { TidemarkError } from "../../../src/errors.ts";
import { type WaitRequest, Waits } from "../../../src/replication/waits.ts";

function begun() {
  const clock = { now: 0 };
  const waits = new Waits(() => clock.now);
  const add = (request: Partial<WaitRequest> = {}) => {
    let settled = "waiting";
    const promise = waits.add({ check: () => false, timeoutMs: 1 / 0, what: "it", ...request });
    promise.then(
      () => {
        settled = "resolved";
      },
      (error) => {
        settled = `rejected: ${(error as Error).message}`;
      },
    );
    return async () => {
      await null;
      await null;
      return settled;
    };
  };
  return { clock, waits, add };
}

describe("Waits", () => {
  it("resolve at once what is true already, else when a look finds it true", async () => {
    const { waits, add } = begun();
    let met = false;
    const already = add({ check: () => true });
    const later = add({ check: () => met });
    expect([await already(), await later()]).toEqual(["resolved", "waiting"]);
    met = true;
    expect(await later()).toBe("waiting");
    waits.look();
    expect(await later()).toBe("resolved");
  });

  it("reject after their time with a sentence that says what was waited for, or resolve if lenient", async () => {
    const { clock, waits, add } = begun();
    const strict = add({ timeoutMs: 100, what: "two other hosts" });
    const lenient = add({ timeoutMs: 100, lenient: true });
    const forever = add();
    clock.now = 99;
    waits.look();
    expect([await strict(), await lenient()]).toEqual(["waiting", "waiting"]);
    clock.now = 100;
    waits.look();
    expect(await strict()).toContain("timed out after 100 ms waiting for two other hosts");
    expect([await lenient(), await forever()]).toEqual(["resolved", "waiting"]);
  });

  it("are over at once with a time of 0, unless it is true", async () => {
    const { add } = begun();
    expect(await add({ timeoutMs: 0 })()).toContain("timed out");
    expect(await add({ timeoutMs: 0, check: () => true })()).toBe("resolved");
  });

  it("reject with the reason of their signal, before or while they wait, and let go of it", async () => {
    const { waits, add } = begun();
    expect(await add({ signal: AbortSignal.abort(new Error("before")) })()).toBe("rejected: before");
    const controller = new AbortController();
    const waiting = add({ signal: controller.signal });
    controller.abort(new Error("meanwhile"));
    expect(await waiting()).toBe("rejected: meanwhile");
    const other = new AbortController();
    const done = add({ signal: other.signal, check: () => true });
    expect(await done()).toBe("resolved");
    other.abort(new Error("too late"));
    waits.look();
    expect(await done()).toBe("resolved");
  });

  it("reject with what their check throws", async () => {
    const { waits, add } = begun();
    let fence: Error | undefined;
    const waiting = add({
      check: () => {
        if (fence !== undefined) throw fence;
        return false;
      },
    });
    fence = new TidemarkError("FENCED", "not allowed");
    waits.look();
    expect(await waiting()).toBe("rejected: not allowed");
  });

  it("are all rejected when the host closes, each once", async () => {
    const { waits, add } = begun();
    const all = [add(), add({ lenient: true }), add({ timeoutMs: 5 })];
    waits.rejectAll(new Error("closed"));
    waits.rejectAll(new Error("again"));
    expect(await Promise.all(all.map((each) => each()))).toEqual(all.map(() => "rejected: closed"));
  });
});
