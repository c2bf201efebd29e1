/** Idle expiry: with `ttlFrom: "write"` a key goes when nothing was written to it for `ttl`. */
import { describe, expect, it } from "vitest";
import { startCluster } from "../../../src/testing/index.ts";
import type { Tidemark } from "../../../src/tidemark.ts";

const TTL_MS = 10_000;

async function begin() {
  const cluster = await startCluster({ hosts: 2, options: { ttl: TTL_MS, ttlFrom: "write" } });
  return { cluster, here: cluster.hosts[0]!, there: cluster.hosts[1]! };
}

describe("a key written to within its ttl", () => {
  it.each<[string, make: (kv: Tidemark) => unknown, change: (kv: Tidemark) => unknown]>([
    ["set", (kv) => kv.set("k", "1"), (kv) => kv.set("k", "2")],
    ["increment", (kv) => kv.increment("k"), (kv) => kv.increment("k")],
    ["increment of a value", (kv) => kv.set("k", "1"), (kv) => kv.increment("k")],
    ["setAdd", (kv) => kv.setAdd("k", "a"), (kv) => kv.setAdd("k", "b")],
    ["setRemove", (kv) => kv.setAdd("k", "a", "b"), (kv) => kv.setRemove("k", "b")],
    ["listPush", (kv) => kv.listPush("k", "a"), (kv) => kv.listPush("k", "b")],
    ["listPop", (kv) => kv.listPush("k", "a", "b"), (kv) => kv.listPop("k")],
    ["listRemove", (kv) => kv.listPush("k", "a", "b"), (kv) => kv.listRemove("k", "a", 1)],
  ])("lives on by %s, on every host, and goes when it is left alone", async (_, make, change) => {
    const { cluster, here, there } = await begin();
    make(here);
    cluster.settle();
    cluster.run(TTL_MS - 1_000);
    change(there);
    cluster.settle();
    cluster.run(TTL_MS - 1_000);
    expect([here.has("k"), there.has("k")]).toEqual([true, true]);
    cluster.run(2_000);
    expect([here.has("k"), there.has("k")]).toEqual([false, false]);
  });

  it("keeps a deadline that a write sets itself, until the next that does not", async () => {
    const { cluster, here } = await begin();
    here.setAdd("k", "a");
    here.expire("k", "1h");
    cluster.run(60_000);
    expect(here.ttl("k")).toBeGreaterThan(3_500_000);
    here.persist("k");
    expect(here.ttl("k")).toBe(Number.POSITIVE_INFINITY);
    here.setAdd("k", "b");
    expect(here.ttl("k")).toBeLessThanOrEqual(TTL_MS);
    here.set("s", "x", { ttl: "1h" });
    expect(here.ttl("s")).toBeGreaterThan(3_500_000);
  });

  it("is not kept by reading", async () => {
    const { cluster, here } = await begin();
    here.set("k", "1");
    cluster.run(TTL_MS / 2);
    expect(here.get("k")).toBe("1");
    cluster.run(TTL_MS / 2);
    expect(here.get("k")).toBeUndefined();
  });
});

it("counts from the creation of a key unless told otherwise", async () => {
  const cluster = await startCluster({ hosts: 1, options: { ttl: TTL_MS } });
  const kv = cluster.hosts[0]!;
  kv.setAdd("k", "a");
  cluster.run(TTL_MS / 2);
  kv.setAdd("k", "b");
  cluster.run(TTL_MS / 2);
  expect(kv.has("k")).toBe(false);
});

it("is refused without a ttl", () => {
  const open = () => startCluster({ hosts: 1, options: { ttlFrom: "write" } });
  expect(open).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
