/** Loading in a fleet, in virtual time: one load per key whichever host asks, and what happens when hosts fail. */
import { describe, expect, it } from "vitest";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import { CountingUpstream } from "../support/counting-upstream.ts";
import { fleet } from "../support/fleet.ts";
import { pass } from "../support/passing.ts";

const refused = (code: string) => expect.objectContaining({ name: "TidemarkError", code });

type Fleet = ReturnType<typeof fleet>;

/**
 * Loads "key" on its owner among three; before that has the row it is cut off from both others, or one of them, the
 * one after it, is cut off from both. Answers the owner.
 */
async function loadOnOneSide(
  { upstream, cluster, kvs, owner }: Pick<Fleet, "upstream" | "cluster" | "kvs" | "owner">,
  sideOfOwner: 1 | 2 = 1,
): Promise<number> {
  upstream.rows.set("key", "old row");
  upstream.held = true;
  for (const kv of kvs) kv.getOrLoad("key").catch(() => undefined);
  await pass(cluster.time, 50);
  const loader = owner();
  const other = (loader + 1) % 3;
  if (sideOfOwner === 1) cluster.isolate(loader);
  else cluster.isolate(other);
  upstream.pending[0]!.answer();
  await pass(cluster.time, 50);
  expect(kvs[loader]!.get("key")).toBe("old row");
  upstream.rows.delete("key");
  upstream.held = false;
  for (const load of upstream.pending) load.answer();
  await pass(cluster.time, 20);
  return loader;
}

describe("a cold key in a fleet", () => {
  it("is loaded once for the callers of all hosts, and twice at most when its owner dies meanwhile", async () => {
    const { upstream, cluster, kvs, counts, sum } = fleet(12, { softTimeout: "1s" });
    upstream.rows.set("one", "value");
    upstream.rows.set("two", "value");
    upstream.held = true;
    const answers = kvs.flatMap((kv) => [kv.getOrLoad("one"), kv.getOrLoad("one")]);
    await pass(cluster.time, 50);
    expect(upstream.loads).toEqual(["one"]);
    upstream.pending[0]!.answer();
    expect(new Set(await cluster.until(Promise.all(answers)))).toEqual(new Set(["value"]));
    cluster.settle();
    expect(kvs.every((kv) => kv.get("one") === "value")).toBe(true);
    for (const each of counts()) {
      expect(each.gets).toBe(each.hits + each.misses);
      expect(each.misses).toBe(each.loads + each.coalesced + each.negative + each.remote);
    }
    expect([sum("remote"), sum("coalesced"), upstream.loads.length]).toEqual([11, 12, 1]);

    const before = counts().map((each) => each.upstreamLoads);
    const asked = kvs.map((kv) => kv.getOrLoad("two"));
    await pass(cluster.time, 50);
    expect(upstream.loads).toEqual(["one", "two"]);
    const owner = counts().findIndex((each, index) => each.upstreamLoads > before[index]!);
    cluster.crash(owner);
    asked[owner]!.catch(() => undefined);
    await pass(cluster.time, 1_200);
    expect(upstream.loads).toEqual(["one", "two", "two"]);
    upstream.pending[2]!.answer();
    const living = asked.filter((_, index) => index !== owner);
    expect(new Set(await cluster.until(Promise.all(living)))).toEqual(new Set(["value"]));
    expect(upstream.loads).toHaveLength(3);
  });

  it("is loaded by exactly one other host when its owner is slower than the soft time-out", async () => {
    const { upstream, cluster, kvs } = fleet(12, { softTimeout: "500ms" });
    upstream.rows.set("key", "value");
    upstream.held = true;
    const asked = kvs.map((kv) => kv.getOrLoad("key"));
    await pass(cluster.time, 400);
    expect(upstream.loads).toHaveLength(1);
    await pass(cluster.time, 300);
    expect(upstream.loads).toHaveLength(2);
    // The second answers for all; the owner's own callers are answered by the event.
    upstream.pending[1]!.answer();
    expect(new Set(await cluster.until(Promise.all(asked)))).toEqual(new Set(["value"]));
    upstream.pending[0]!.answer();
    await pass(cluster.time, 2_000);
    expect(upstream.loads).toHaveLength(2);
    expect(new Set(kvs.map((kv) => kv.get("key")))).toEqual(new Set(["value"]));
  });

  it.each([0.05, 0.3])("is loaded once though %d of the messages are lost", async (loss) => {
    const { upstream, cluster, kvs } = fleet(10, { softTimeout: "20s", hardTimeout: "1m" });
    upstream.rows.set("key", "value");
    cluster.loss(loss);
    const answers = await cluster.until(Promise.all(kvs.map((kv) => kv.getOrLoad("key"))));
    expect(new Set(answers)).toEqual(new Set(["value"]));
    // A host that got no sign of life in time asks the next one.
    expect(upstream.loads.length).toBeLessThanOrEqual(loss > 0.1 ? 3 : 2);
  });

  it("is loaded by every side of a partition", async () => {
    const { upstream, cluster, kvs } = fleet(4);
    upstream.rows.set("key", "value");
    cluster.partition([
      [0, 1],
      [2, 3],
    ]);
    const answers = await cluster.until(Promise.all(kvs.map((kv) => kv.getOrLoad("key"))));
    expect(new Set(answers)).toEqual(new Set(["value"]));
    expect(upstream.loads.length).toBeLessThanOrEqual(4);
    cluster.heal();
    cluster.settle();
    expect(kvs.map((kv) => kv.get("key"))).toEqual(["value", "value", "value", "value"]);
  });

  it("is known to be absent on every host that asked", async () => {
    const { upstream, cluster, kvs, sum } = fleet(5, { negativeTtl: "1m" });
    for (let i = 0; i < 2; i++) {
      expect(await cluster.until(Promise.all(kvs.map((kv) => kv.getOrLoad("none"))))).toEqual(
        Array(5).fill(undefined),
      );
    }
    expect(upstream.loads).toEqual(["none"]);
    expect(sum("negative")).toBe(5);
  });

  it("fails on every host that asked, with the upstream's reason", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    upstream.held = true;
    const answers = Promise.allSettled(kvs.map((kv) => kv.getOrLoad("key")));
    await pass(cluster.time, 50);
    for (const load of upstream.pending) load.fail(new Error("table is gone"));
    for (const answer of await cluster.until(answers)) {
      expect(answer).toMatchObject({
        status: "rejected",
        reason: { code: "UPSTREAM_FAILED", message: expect.stringContaining("table is gone") },
      });
    }
    expect(upstream.loads).toHaveLength(1);
  });

  it("is loaded by a host that has an upstream, whoever else there is", async () => {
    const upstream = new CountingUpstream();
    for (let i = 0; i < 20; i++) upstream.rows.set(`k${i}`, "value");
    const cluster = new VirtualCluster({});
    for (let i = 0; i < 3; i++) cluster.add();
    const served = new VirtualCluster({ options: { upstream } });
    served.add();
    served.settle();
    await cluster[Symbol.asyncDispose]();
    for (let i = 0; i < 20; i++)
      expect(await served.until(served.hosts[0]!.getOrLoad(`k${i}`))).toBe("value");
  });

  it("goes on to the next host when the owner does not answer, and to itself after that", async () => {
    const { upstream, cluster, kvs } = fleet(3, { softTimeout: "500ms" });
    upstream.rows.set("key", "value");
    const order = kvs.map((kv, index) => ({ kv, index }));
    for (const { index } of order.slice(1)) cluster.pause(index);
    const before = cluster.now;
    expect(await cluster.until(kvs[0]!.getOrLoad("key"))).toBe("value");
    expect(cluster.now - before).toBeLessThan(2_000);
  });

  it("fails where the key has become a set meanwhile, and harms nobody", async () => {
    const { upstream, cluster, kvs, owner } = fleet(2);
    upstream.rows.set("key", "row");
    upstream.held = true;
    const asked = Promise.allSettled(kvs.map((kv) => kv.getOrLoad("key")));
    await pass(cluster.time, 50);
    const loader = owner();
    cluster.isolate(loader);
    kvs[loader]!.setAdd("key", "member");
    upstream.pending[0]!.answer();
    await pass(cluster.time, 50);
    cluster.heal();
    upstream.held = false;
    for (const { status } of await cluster.until(asked)) expect(["fulfilled", "rejected"]).toContain(status);
    cluster.settle();
    expect(kvs.map((kv) => kv.type("key"))).toEqual(["set", "set"]);
  });

  it("ends when every caller has left", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    upstream.held = true;
    const leaving = new AbortController();
    const asked = kvs.map((kv) => kv.getOrLoad("key", { signal: leaving.signal }));
    await pass(cluster.time, 50);
    leaving.abort(new Error("enough"));
    for (const each of asked) await expect(each).rejects.toThrow("enough");
    expect(kvs.filter((kv) => kv.status().loader!.loading > 0).length).toBeLessThanOrEqual(1);
  });
});

describe("what is loaded", () => {
  it("loses to what another host wrote meanwhile, whatever the clocks say", async () => {
    const { upstream, cluster, kvs, owner } = fleet(3);
    upstream.rows.set("key", "old row");
    upstream.held = true;
    const asked = kvs[0]!.getOrLoad("key");
    await pass(cluster.time, 50);
    const loader = owner();
    const writer = (loader + 1) % 3;
    cluster.skewClock(writer, -60_000);
    cluster.isolate(loader);
    kvs[writer]!.set("key", "written");
    upstream.pending[0]!.answer();
    await pass(cluster.time, 50);
    expect(kvs[loader]!.get("key")).toBe("old row");
    cluster.heal();
    cluster.settle();
    expect(kvs.map((kv) => kv.get("key"))).toEqual(["written", "written", "written"]);
    asked.catch(() => undefined);
  });

  it.each([
    ["deleted", (kv: VirtualCluster["hosts"][number]) => kv.delete("key")],
    ["invalidated", (kv: VirtualCluster["hosts"][number]) => kv.invalidate("key")],
    ["invalidated by prefix", (kv: VirtualCluster["hosts"][number]) => kv.invalidate({ prefix: "k" })],
  ])("goes on every host when another had %s it without having seen it", async (_, disturb) => {
    // 1. H enters row r1 by event d. 2. X, not having seen d, removes the key. 3. both events reach everyone.
    const { upstream, cluster, kvs, owner } = fleet(3);
    for (const kv of kvs) kv.set("key", "before");
    cluster.settle();
    kvs[0]!.invalidate("key");
    cluster.settle();
    upstream.rows.set("key", "old row");
    upstream.held = true;
    const asked = kvs[0]!.getOrLoad("key");
    asked.catch(() => undefined);
    await pass(cluster.time, 50);
    const loader = owner();
    cluster.isolate(loader);
    upstream.pending[0]!.answer();
    await pass(cluster.time, 20);
    expect(kvs[loader]!.get("key")).toBe("old row");
    const other = (loader + 1) % 3;
    kvs[other]!.set("key", "between");
    disturb(kvs[other]!);
    upstream.held = false;
    upstream.rows.delete("key");
    for (const load of upstream.pending) load.answer();
    cluster.heal();
    cluster.settle();
    cluster.run("1s");
    expect(kvs.map((kv) => kv.get("key"))).toEqual([undefined, undefined, undefined]);
  });

  it.each(["deleted", "invalidated", "replaced"] as const)(
    "goes when an image brings to its loader that another host had %s it without having seen it",
    async (how) => {
      const { upstream, cluster, kvs, owner } = fleet(3, {}, { options: { logBytes: "64kb" } });
      const loader = await loadOnOneSide({ upstream, cluster, kvs, owner });
      const other = kvs[(loader + 1) % 3]!;
      other.set("key", "between", how === "replaced" ? { ttl: "5s" } : {});
      if (how === "deleted") other.delete("key");
      if (how === "invalidated") other.invalidate("key");
      // More than the log keeps: what was removed is not told, only that it is not there.
      for (let i = 0; i < 3_000; i++) {
        other.set(`f${i % 50}`, "x".repeat(100));
        if (i % 50 === 0) cluster.run(50);
      }
      cluster.run("8s");
      cluster.heal();
      cluster.settle();
      cluster.run("10s");
      expect(kvs[loader]!.status().counts.snapshotsInstalled).toBe(1);
      expect(kvs.map((kv) => kv.get("key"))).toEqual([undefined, undefined, undefined]);
    },
  );

  it("stays when an image comes, where all had seen it before", async () => {
    const { upstream, cluster, kvs, owner } = fleet(3, {}, { options: { logBytes: "64kb" } });
    for (let i = 0; i < 30; i++) upstream.rows.set(`k${i}`, "row");
    const keys = [...upstream.rows.keys()];
    await cluster.until(kvs[0]!.getOrLoadMany(keys));
    cluster.settle();
    cluster.run("5s");
    const loader = owner();
    cluster.isolate(loader);
    for (let i = 0; i < 3_000; i++) {
      kvs[(loader + 1) % 3]!.set(`f${i % 50}`, "x".repeat(100));
      if (i % 50 === 0) cluster.run(20);
    }
    cluster.heal();
    cluster.settle();
    cluster.run("5s");
    expect(kvs[loader]!.status().counts.snapshotsInstalled).toBe(1);
    for (const kv of kvs) for (const key of keys) expect(kv.get(key)).toBe("row");
  });

  it("is loaded again by the owner when it was invalidated while it was on its way", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    upstream.rows.set("key", "old");
    upstream.held = true;
    const asked = kvs.map((kv) => kv.getOrLoad("key"));
    await pass(cluster.time, 50);
    upstream.rows.set("key", "new");
    kvs[0]!.invalidate("key");
    await pass(cluster.time, 50);
    upstream.held = false;
    upstream.pending[0]!.answer();
    expect(new Set(await cluster.until(Promise.all(asked)))).toEqual(new Set(["new"]));
    cluster.settle();
    expect(kvs.map((kv) => kv.get("key"))).toEqual(["new", "new", "new"]);
  });

  it("is invalidated on every host, however many messages are lost", async () => {
    const { upstream, cluster, kvs } = fleet(4);
    for (let i = 0; i < 50; i++) upstream.rows.set(`k${i}`, "old");
    const keys = [...upstream.rows.keys()];
    await cluster.until(Promise.all(kvs.map((kv) => kv.getOrLoadMany(keys))));
    expect(upstream.loads).toHaveLength(50);
    cluster.settle();
    cluster.loss(0.3);
    kvs[2]!.invalidate({ prefix: "k1" });
    kvs[3]!.invalidate("k2");
    cluster.settle();
    cluster.loss(0);
    for (const kv of kvs) {
      expect([...kv.keys()].filter((key) => key.startsWith("k1"))).toEqual([]);
      expect([kv.has("k2"), kv.has("k3")]).toEqual([false, true]);
    }
  });
});

describe("what a host had loaded that died", () => {
  it.each([
    ["at once", 0],
    ["after it was forgotten who made it", 12 * 60_000],
  ])("goes where others hear %s of a removal that had not seen it", async (_, awayMs) => {
    const { upstream, cluster, kvs, owner } = fleet(3);
    const loader = await loadOnOneSide({ upstream, cluster, kvs, owner }, 2);
    const [friend, other] = [(loader + 2) % 3, (loader + 1) % 3];
    expect(kvs[friend]!.get("key")).toBe("old row");
    kvs[other]!.invalidate("key");
    cluster.run(awayMs);
    cluster.crash(loader);
    await pass(cluster.time, 20);
    cluster.heal();
    cluster.settle();
    cluster.run("10s");
    expect([kvs[other]!.get("key"), kvs[friend]!.get("key")]).toEqual([undefined, undefined]);
  });

  it.each(["crashed", "closed"] as const)(
    "goes where all others had the removal before it, and the loader %s before it had that",
    async (how) => {
      const { upstream, cluster, kvs, owner } = fleet(4);
      upstream.rows.set("key", "old row");
      upstream.held = true;
      for (const kv of kvs) kv.getOrLoad("key").catch(() => undefined);
      await pass(cluster.time, 50);
      const loader = owner();
      const others = [0, 1, 2, 3].filter((host) => host !== loader);
      for (const host of others) cluster.oneWay(host, loader);
      kvs[others[0]!]!.invalidate("key");
      await pass(cluster.time, 50);
      upstream.pending[0]!.answer();
      await pass(cluster.time, 50);
      upstream.held = false;
      expect(others.map((host) => kvs[host]!.get("key"))).toEqual(["old row", "old row", "old row"]);
      if (how === "crashed") cluster.crash(loader);
      else await cluster.until(kvs[loader]!.close().catch(() => undefined));
      cluster.run("12s");
      expect(others.map((host) => kvs[host]!.get("key"))).toEqual([undefined, undefined, undefined]);
      // One of them saw to it.
      const removals = others.map((host) => kvs[host]!.status().counts.eventsWritten);
      expect(removals.reduce((sum, each) => sum + each, 0)).toBe(2);
    },
  );

  it("stays where all had seen it a while before", async () => {
    const { upstream, cluster, kvs } = fleet(4);
    for (let i = 0; i < 40; i++) upstream.rows.set(`k${i}`, "row");
    const keys = [...upstream.rows.keys()];
    await cluster.until(kvs[0]!.getOrLoadMany(keys));
    cluster.run("5s");
    cluster.crash(0);
    cluster.crash(1);
    cluster.run("30s");
    for (const kv of kvs.slice(2)) for (const key of keys) expect(kv.get(key)).toBe("row");
    expect(upstream.loads).toHaveLength(40);
  });
});

describe("a fleet without upstream", () => {
  it("says so", async () => {
    const cluster = new VirtualCluster({});
    cluster.add();
    cluster.settle();
    await expect(cluster.hosts[0]!.getOrLoad("a")).rejects.toEqual(refused("INVALID_ARGUMENT"));
    await cluster[Symbol.asyncDispose]();
  });
});
