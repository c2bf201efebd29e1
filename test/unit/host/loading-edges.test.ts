/** What loading and committing met with at its edges: each was wrong once. */
import { describe, expect, it } from "vitest";
import type { CallOptions } from "../../../src/loader/upstream.ts";
import { CountingUpstream } from "../support/counting-upstream.ts";
import { fleet } from "../support/fleet.ts";
import { pass, passUntil, turns } from "../support/passing.ts";
import { standalone } from "../support/standalone.ts";

describe("a loaded value that another host does not replace", () => {
  it.each([
    ["adds to", (kv: ReturnType<typeof fleet>["kvs"][number]) => kv.increment("n", 1), "6"],
    ["gives a deadline to", (kv: ReturnType<typeof fleet>["kvs"][number]) => kv.expire("n", "1h"), "5"],
  ])("stays where that host %s it", async (_, change, then) => {
    const { upstream, cluster, kvs, owner } = fleet(3);
    upstream.rows.set("n", "5");
    await cluster.until(kvs[0]!.getOrLoad("n"));
    cluster.settle();
    change(kvs[(owner() + 1) % 3]!);
    cluster.settle();
    cluster.run("1s");
    expect(kvs.map((kv) => kv.get("n"))).toEqual([then, then, then]);
  });
});

describe("commits", () => {
  it("leave nothing dirty when nobody wants what came meanwhile", async () => {
    const upstream = new CountingUpstream();
    const { host, time } = standalone({ upstream });
    await host.update("k", () => "1", { commit: { within: 100 } });
    let open!: () => void;
    upstream.commitGate = new Promise((resolve) => {
      open = resolve;
    });
    await pass(time, 200);
    await host.update("k", () => "2", { commit: "never" });
    open();
    await pass(time, 10_000);
    expect([upstream.batches.length, host.status().loader!.dirty]).toEqual([1, 0]);
  });

  it("that hang are given up by close, so that the upstream can end", async () => {
    let ended!: () => void;
    const idle = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const { host, time } = standalone({
      upstream: {
        load: () => undefined,
        commit: (_: unknown, { signal }: CallOptions) =>
          new Promise<void>((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              ended();
              reject(signal.reason);
            });
          }),
        // As a pool does: it waits for the connections that are in use.
        close: () => idle,
      },
      loading: { drainTimeout: "500ms", hardTimeout: "1h" },
    });
    await host.update("k", () => "1", { commit: { within: 100 } });
    await pass(time, 200);
    await expect(passUntil(time, host.close(), 2_000)).rejects.toMatchObject({ code: "UNCOMMITTED" });
  });

  it("do not set out once the host is closed", async () => {
    const upstream = new CountingUpstream();
    let open!: () => void;
    upstream.commitGate = new Promise((resolve) => {
      open = resolve;
    });
    const loading = { drainTimeout: "500ms", maxBatch: 1, maxConcurrentCommits: 1 } as const;
    const { host, time } = standalone({ upstream, loading });
    for (let i = 0; i < 5; i++) await host.update(`k${i}`, () => "1", { commit: { within: 100 } });
    await expect(passUntil(time, host.close(), 2_000)).rejects.toMatchObject({ code: "UNCOMMITTED" });
    expect([upstream.closed, upstream.batches.length]).toEqual([1, 1]);
    open();
    await turns(200);
    expect(upstream.batches).toHaveLength(1);
  });
});

describe("a stale answer", () => {
  it("is counted once, though the load fails after it", async () => {
    const upstream = new CountingUpstream();
    upstream.rows.set("k", "1");
    const { host, time } = standalone({
      upstream,
      loading: { ttl: "1s", ttlJitter: 0, staleIfError: "1m", softTimeout: "100ms", hardTimeout: "1s" },
    });
    await host.getOrLoad("k");
    await pass(time, 1_100);
    upstream.held = true;
    expect(await passUntil(time, host.getOrLoad("k"))).toBe("1");
    await pass(time, 2_000);
    expect(host.status().loader!.staleAnswers).toBe(1);
  });
});
