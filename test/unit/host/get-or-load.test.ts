/** Read-through on one host: one load per key, abandoned callers, freshness, time-outs, bounds, races. */
import { describe, expect, it } from "vitest";
import { cbor, typed } from "../../../src/loader/codec.ts";
import type { OpenOptions } from "../../../src/options.ts";
import { CountingUpstream, passing } from "../support/counting-upstream.ts";
import { pass, passUntil, turns } from "../support/passing.ts";
import { standalone } from "../support/standalone.ts";

const refused = (code: string) => expect.objectContaining({ name: "TidemarkError", code });

function cached(loading: OpenOptions["loading"] = {}, rows: Record<string, string> = {}) {
  const upstream = new CountingUpstream();
  for (const [key, value] of Object.entries(rows)) upstream.rows.set(key, value);
  const alone = standalone({ upstream, loading: { ttlJitter: 0, ...loading } });
  const counts = () => alone.host.status().loader!;
  return { upstream, ...alone, counts };
}

/** The two identities that always hold. */
function expectBalanced(counts: ReturnType<ReturnType<typeof cached>["counts"]>): void {
  expect(counts.gets).toBe(counts.hits + counts.misses);
  expect(counts.misses).toBe(counts.loads + counts.coalesced + counts.negative + counts.remote);
}

describe("getOrLoad", () => {
  it("answers from memory, and loads once what is not there", async () => {
    const { host, upstream, counts } = cached({}, { a: "1" });
    host.set("b", "2");
    expect(await host.getOrLoad("b")).toBe("2");
    expect(await host.getOrLoad("a")).toBe("1");
    expect(await host.getOrLoad("a")).toBe("1");
    expect(host.get("a")).toBe("1");
    expect(upstream.loads).toEqual(["a"]);
    expect(counts()).toMatchObject({ gets: 3, hits: 2, misses: 1, loads: 1, upstreamLoads: 1 });
    expectBalanced(counts());
  });

  it("loads a key once for all who ask at the same time", async () => {
    const { host, upstream, counts } = cached({}, { a: "1" });
    upstream.held = true;
    const answers = Array.from({ length: 1_000 }, () => host.getOrLoad("a"));
    await turns();
    upstream.pending[0]!.answer();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["1"]));
    expect(upstream.loads).toEqual(["a"]);
    expect(counts()).toMatchObject({ gets: 1_000, loads: 1, coalesced: 999 });
    expectBalanced(counts());
  });

  it("goes on for the others when a caller leaves, and ends when the last one does", async () => {
    const { host, upstream } = cached({}, { a: "1" });
    upstream.held = true;
    const first = new AbortController();
    const second = new AbortController();
    const left = host.getOrLoad("a", { signal: first.signal });
    const stayed = host.getOrLoad("a", { signal: second.signal });
    await turns();
    first.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    expect(upstream.pending[0]!.signal.aborted).toBe(false);
    second.abort(new Error("gone too"));
    await expect(stayed).rejects.toThrow("gone too");
    expect(upstream.pending[0]!.signal.aborted).toBe(true);
    upstream.held = false;
    expect(await host.getOrLoad("a")).toBe("1");
    expect(upstream.loads).toEqual(["a", "a"]);
  });

  it("remembers for a while that a row is absent, until the key is written", async () => {
    const { host, upstream, time, counts } = cached({ negativeTtl: "1s" });
    expect(await host.getOrLoad("a")).toBeUndefined();
    expect(await host.getOrLoad("a")).toBeUndefined();
    expect(upstream.loads).toHaveLength(1);
    await pass(time, 1_000);
    expect(await host.getOrLoad("a")).toBeUndefined();
    expect(upstream.loads).toHaveLength(2);
    host.set("a", "1");
    host.delete("a");
    upstream.rows.set("a", "2");
    expect(await host.getOrLoad("a")).toBe("2");
    expect(counts()).toMatchObject({ negative: 1, absent: 2 });
    expectBalanced(counts());
  });

  it("answers stale and loads again meanwhile, within staleWhileRevalidate", async () => {
    const { host, upstream, time, counts } = cached({ ttl: "1s", staleWhileRevalidate: "1s" }, { a: "1" });
    await host.getOrLoad("a");
    upstream.rows.set("a", "2");
    await pass(time, 999);
    expect(await host.getOrLoad("a")).toBe("1");
    expect(upstream.loads).toHaveLength(1);
    await pass(time, 2);
    expect(await host.getOrLoad("a")).toBe("1");
    await turns();
    expect(await host.getOrLoad("a")).toBe("2");
    expect(upstream.loads).toHaveLength(2);
    expect(counts()).toMatchObject({ staleHits: 1, backgroundLoads: 1 });
    await pass(time, 2_001);
    upstream.held = true;
    const waiting = host.getOrLoad("a");
    await turns();
    upstream.pending[0]!.answer();
    expect(await waiting).toBe("2");
    expectBalanced(counts());
  });

  it("answers stale when the load fails or is slow, within staleIfError", async () => {
    const { host, upstream, time, counts } = cached(
      { ttl: "1s", staleIfError: "1m", softTimeout: "200ms" },
      { a: "1" },
    );
    await host.getOrLoad("a");
    await pass(time, 1_100);
    upstream.loadErrors.push(new Error("down"));
    expect(await host.getOrLoad("a")).toBe("1");
    upstream.held = true;
    upstream.rows.set("a", "2");
    const before = time.now;
    expect(await passUntil(time, host.getOrLoad("a"))).toBe("1");
    expect(time.now - before).toBeGreaterThanOrEqual(200);
    expect(time.now - before).toBeLessThanOrEqual(240);
    // The slow load went on: its answer is the next caller's.
    upstream.pending[0]!.answer();
    await turns();
    expect(await host.getOrLoad("a")).toBe("2");
    expect(counts()).toMatchObject({ staleAnswers: 2, failedLoads: 1 });
    expectBalanced(counts());
  });

  it("gives up after the hard time-out, whatever the upstream does with its signal", async () => {
    const { host, upstream, time, counts } = cached({ hardTimeout: "500ms" });
    upstream.held = true;
    await expect(passUntil(time, host.getOrLoad("a"))).rejects.toEqual(refused("UPSTREAM_TIMEOUT"));
    expect(upstream.pending[0]!.signal.aborted).toBe(true);
    expect(counts()).toMatchObject({ timedOutLoads: 1, loading: 0 });
  });

  it("refuses loads past the queue, and counts them", async () => {
    const { host, upstream, counts } = cached({ maxConcurrentLoads: 2, maxQueuedLoads: 1 }, { c: "3" });
    upstream.held = true;
    const waiting = ["a", "b", "c"].map((key) => host.getOrLoad(key));
    await turns();
    expect(counts()).toMatchObject({ loading: 3, queued: 1 });
    await expect(host.getOrLoad("d")).rejects.toEqual(refused("UPSTREAM_BUSY"));
    expect(upstream.loads).toEqual(["a", "b"]);
    for (const load of upstream.pending.splice(0)) load.answer();
    await turns();
    upstream.pending[0]!.answer();
    expect(await Promise.all(waiting)).toEqual([undefined, undefined, "3"]);
    expect(counts()).toMatchObject({ refusedLoads: 1, loading: 0, queued: 0 });
  });

  it("tries again what the upstream calls retryable, and nothing else", async () => {
    const { host, upstream, time, counts } = cached({ tries: 3 }, { a: "1" });
    upstream.loadErrors.push(passing(), passing());
    expect(await passUntil(time, host.getOrLoad("a"))).toBe("1");
    expect(upstream.loads).toHaveLength(3);
    upstream.loadErrors.push(passing(), passing(), passing());
    await expect(passUntil(time, host.getOrLoad("b"))).rejects.toEqual(refused("UPSTREAM_FAILED"));
    upstream.loadErrors.push(new Error("no such table"));
    await expect(host.getOrLoad("c")).rejects.toMatchObject({
      code: "UPSTREAM_FAILED",
      message: expect.stringContaining("no such table"),
      cause: expect.objectContaining({ message: "no such table" }),
    });
    expect(counts()).toMatchObject({ retries: 4, failedLoads: 2 });
  });

  it("spreads the deadlines of keys loaded together", async () => {
    const upstream = new CountingUpstream();
    const { host } = standalone({ upstream, loading: { ttl: "10s", ttlJitter: 0.5 } });
    for (let i = 0; i < 100; i++) upstream.rows.set(`k${i}`, "x");
    await Promise.all(Array.from({ length: 100 }, (_, i) => host.getOrLoad(`k${i}`)));
    const left = Array.from({ length: 100 }, (_, i) => host.ttl(`k${i}`)!);
    expect(Math.min(...left)).toBeGreaterThanOrEqual(5_000);
    expect(Math.max(...left)).toBeLessThanOrEqual(10_000);
    expect(new Set(left).size).toBeGreaterThan(50);
  });

  it("keeps a ttl that the row brings", async () => {
    const { host, upstream, time } = cached({ ttl: "1h" });
    upstream.rows.set("a", { value: "1", ttlMs: 500 });
    await host.getOrLoad("a");
    expect(host.ttl("a")).toBe(500);
    await pass(time, 501);
    expect(host.get("a")).toBeUndefined();
  });

  it("answers though the store will not take the value", async () => {
    const upstream = new CountingUpstream();
    upstream.rows.set("a", "1");
    const { host } = standalone({ upstream, maxEntries: 1, eviction: "none" });
    host.set("b", "2");
    expect(await host.getOrLoad("a")).toBe("1");
    expect(host.has("a")).toBe(false);
    expect(host.status().loader).toMatchObject({ notKept: 1 });
  });

  it("refuses collections, and a host without an upstream", async () => {
    const { host, counts } = cached();
    host.setAdd("s", "x");
    await expect(host.getOrLoad("s")).rejects.toEqual(refused("WRONG_TYPE"));
    expectBalanced(counts());
    await expect(standalone().host.getOrLoad("a")).rejects.toEqual(refused("INVALID_ARGUMENT"));
  });

  it("takes a function for an upstream, and typed values by CBOR", async () => {
    interface User {
      name: string;
      tags: string[];
    }
    const { host, time } = standalone({
      upstream: typed<User>(async (key) => (key === "u1" ? { name: "Ada", tags: ["x"] } : undefined)),
    });
    expect(await passUntil(time, host.getOrLoad<User>("u1"))).toEqual({ name: "Ada", tags: ["x"] });
    expect(await host.getOrLoad<User>("u2")).toBeUndefined();
    expect(cbor<User>().decode(host.getBytes("u1")!)).toEqual({ name: "Ada", tags: ["x"] });
    const plain = standalone({ upstream: () => "text" });
    expect(await plain.host.getOrLoad("k")).toBe("text");
    const wrong = standalone({ upstream: (() => ({ name: "Ada" })) as never });
    await expect(wrong.host.getOrLoad("k")).rejects.toEqual(refused("INVALID_ARGUMENT"));
  });
});

describe("getOrLoadMany", () => {
  it("asks for all that is missing in one call, where the upstream can", async () => {
    const calls: string[][] = [];
    const { host, time } = standalone({
      upstream: {
        load: (key) => `one ${key}`,
        loadMany: async (keys) => {
          calls.push([...keys]);
          return new Map(keys.filter((key) => key !== "none").map((key) => [key, `many ${key}`]));
        },
      },
      loading: { maxBatch: 3 },
    });
    host.set("here", "1");
    const found = await passUntil(time, host.getOrLoadMany(["here", "a", "b", "none", "c", "a"]));
    expect([...found]).toEqual([
      ["here", "1"],
      ["a", "many a"],
      ["b", "many b"],
      ["c", "one c"],
    ]);
    expect(calls).toEqual([["a", "b", "none"]]);
    expectBalanced(host.status().loader!);
  });
});

describe("getOrLoadMany of more keys than may wait", () => {
  it("asks for them in turns, and refuses none", async () => {
    let most = 0;
    let now = 0;
    const { host } = standalone({
      upstream: async (key) => {
        most = Math.max(most, ++now);
        await turns(2);
        now--;
        return key;
      },
      loading: { maxConcurrentLoads: 5, maxQueuedLoads: 0 },
    });
    const keys = Array.from({ length: 103 }, (_, i) => `k${i}`);
    expect((await host.getOrLoadMany(keys)).size).toBe(103);
    expect(most).toBe(5);
  });
});

describe("a load that is overtaken", () => {
  // 1. a flight reads row r1. 2. the key is written, deleted or invalidated. 3. r1 arrives.
  it("answers what was written meanwhile, and enters nothing", async () => {
    const { host, upstream } = cached({}, { a: "old" });
    upstream.held = true;
    const loading = host.getOrLoad("a");
    await turns();
    host.set("a", "new");
    expect(await loading).toBe("new");
    upstream.pending[0]!.answer();
    await turns();
    expect(host.get("a")).toBe("new");
  });

  it.each([
    ["invalidated", (host: ReturnType<typeof cached>["host"]) => host.invalidate("a")],
    ["invalidated by prefix", (host: ReturnType<typeof cached>["host"]) => host.invalidate({ prefix: "" })],
    [
      "written and deleted",
      (host: ReturnType<typeof cached>["host"]) => {
        host.expire("a", "1s");
        host.set("a", "between", { ttl: 1 });
        host.delete("a");
      },
    ],
  ])("loads again when its key was %s meanwhile", async (what, disturb) => {
    const { host, upstream, counts } = cached({}, { a: "old" });
    upstream.held = true;
    const loading = host.getOrLoad("a");
    await turns();
    upstream.rows.set("a", "new");
    disturb(host);
    if (what !== "written and deleted") {
      upstream.pending[0]!.answer();
      await turns();
      expect(upstream.loads).toHaveLength(2);
      upstream.pending[1]!.answer();
      expect(await loading).toBe("new");
      expect(host.get("a")).toBe("new");
      expect(counts()).toMatchObject({ overtaken: 1 });
    } else expect(await loading).toBe("between");
  });

  it("is not entered when that never ends, and still answered", async () => {
    const { host, upstream, counts } = cached({}, { a: "row" });
    upstream.held = true;
    const loading = host.getOrLoad("a");
    for (let i = 0; i < 4; i++) {
      await turns();
      host.invalidate("a");
      upstream.pending[i]!.answer();
    }
    expect(await loading).toBe("row");
    expect(host.has("a")).toBe(false);
    expect(counts()).toMatchObject({ overtaken: 3, notKept: 1 });
  });

  it("ends when the host is closed", async () => {
    const { host, upstream, time } = cached();
    upstream.held = true;
    const loading = host.getOrLoad("a");
    loading.catch(() => undefined);
    await passUntil(time, host.close());
    await expect(loading).rejects.toEqual(refused("CLOSED"));
    expect(upstream.closed).toBe(1);
  });
});
