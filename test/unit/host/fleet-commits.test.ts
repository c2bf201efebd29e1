/** Write-behind in a fleet, in virtual time: one host commits a key, and no death of a host loses what another had. */
import { describe, expect, it } from "vitest";
import type { CallOptions } from "../../../src/loader/upstream.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import { CountingUpstream } from "../support/counting-upstream.ts";
import { fleet } from "../support/fleet.ts";
import { pass } from "../support/passing.ts";

type Kv = VirtualCluster["hosts"][number];

/** Commits that some host still holds to be due. */
function due(kvs: readonly Kv[]): number {
  let count = 0;
  for (const kv of kvs) {
    if (kv.closed) continue;
    for (const { entries } of kv.inspect().keys.values()) {
      count += entries.filter(({ kind }) => kind === "commit").length;
    }
  }
  return count;
}

describe("an update in a fleet", () => {
  it("is committed by one host, in time, and known to be so on all", async () => {
    const { upstream, cluster, kvs, counts } = fleet(5);
    for (let i = 0; i < 20; i++) {
      await cluster.until(kvs[i % 5]!.update(`k${i}`, () => `value ${i}`, { commit: { within: "1s" } }));
    }
    cluster.settle();
    expect(counts().map((each) => each.dirty)).toEqual([20, 20, 20, 20, 20]);
    await pass(cluster.time, 1_000);
    expect(upstream.rows.size).toBe(20);
    expect(upstream.batches.flat()).toHaveLength(20);
    // The owners are spread.
    expect(counts().filter((each) => each.commits > 0).length).toBeGreaterThan(2);
    await pass(cluster.time, 100);
    expect(counts().map((each) => each.dirty)).toEqual([0, 0, 0, 0, 0]);
    cluster.settle();
    expect(due(kvs)).toBe(0);
    expect(kvs[4]!.size).toBe(20);
  });

  it("becomes one commit with others of its key, whichever hosts they are of", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    for (let i = 0; i < 30; i++) {
      await cluster.until(
        kvs[i % 3]!.update("n", (now) => String(Number(now ?? 0) + 1), { commit: { within: "2s" } }),
      );
      cluster.run(20);
    }
    await pass(cluster.time, 3_000);
    expect(upstream.rows.get("n")).toBe("30");
    expect(upstream.batches.flat().length).toBeLessThanOrEqual(2);
  });

  it("is committed at once by the host that was asked", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    for (const [index, kv] of kvs.entries()) {
      await cluster.until(kv.update(`k${index}`, () => "value", { commit: "now" }));
      expect(upstream.rows.get(`k${index}`)).toBe("value");
      await cluster.until(kv.update(`k${index}`, () => undefined, { commit: "now" }));
      expect(upstream.rows.has(`k${index}`)).toBe(false);
    }
    cluster.settle();
    expect(due(kvs)).toBe(0);
    cluster.run("15s");
    expect(upstream.batches.flat()).toHaveLength(6);
  });

  it("is not lost with the host that accepted it, if another had the event", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    for (let i = 0; i < 10; i++) {
      await cluster.until(kvs[0]!.update(`k${i}`, () => "value", { commit: { within: "1s" } }));
    }
    cluster.run(50);
    cluster.crash(0);
    await pass(cluster.time, 6_000);
    expect(upstream.rows.size).toBe(10);
    expect(due(kvs)).toBe(0);
  });

  it("is committed in seconds by the last of six hosts when the others die at once", async () => {
    const { upstream, cluster, kvs } = fleet(6);
    for (let i = 0; i < 30; i++) {
      await cluster.until(kvs[0]!.update(`k${i}`, () => "value", { commit: { within: "1s" } }));
    }
    cluster.run(100);
    for (let host = 0; host < 5; host++) cluster.crash(host);
    // So long it takes to know that they are dead; nothing is added to it for every one of them.
    await pass(cluster.time, 5_000);
    expect(upstream.rows.size).toBe(30);
    expect(due(kvs)).toBe(0);
  });

  it("is carried to a host that joins, and committed by it when all others have died", async () => {
    const { upstream, cluster, kvs } = fleet(2);
    await cluster.until(kvs[0]!.update("kept", () => "value", { commit: { within: "10s" } }));
    await cluster.until(kvs[1]!.update("gone", () => undefined, { commit: { within: "10s" } }));
    upstream.rows.set("gone", "old");
    const joined = cluster.add();
    cluster.settle();
    await cluster.until(joined.ready());
    cluster.crash(0);
    cluster.crash(1);
    await pass(cluster.time, 20_000);
    expect([...upstream.rows]).toEqual([["kept", "value"]]);
  });

  it("is committed in time by a host whose clock is minutes behind, though it is alone", async () => {
    const { upstream, cluster, kvs } = fleet(2);
    cluster.skewClock(1, -240_000);
    cluster.run("15s");
    await cluster.until(kvs[0]!.update("key", () => "value", { commit: { within: "1s" } }));
    cluster.settle();
    cluster.crash(0);
    cluster.run("15s");
    await pass(cluster.time, 1_000);
    expect(upstream.rows.get("key")).toBe("value");
  });

  it("outlives what happens to the key in memory", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    const update = (key: string, ttl?: number) =>
      cluster.until(
        kvs[0]!.update(key, () => key, { commit: { within: "10s" }, ...(ttl === undefined ? {} : { ttl }) }),
      );
    for (const key of ["invalidated", "deleted", "cleared", "overwritten"]) await update(key);
    await update("expired", 500);
    // Written again, the value is younger than the commit: what removes it reaches past the commit.
    for (const key of ["deleted", "cleared", "invalidated"]) kvs[0]!.set(key, "in memory only");
    cluster.settle();
    kvs[1]!.invalidate("invalidated");
    kvs[2]!.delete("deleted");
    kvs[1]!.clear({ prefix: "cleared" });
    kvs[2]!.set("overwritten", "not for the upstream");
    cluster.settle();
    // Until the upstream has it, it is answered from what is due.
    expect(await cluster.until(kvs[2]!.getOrLoad("invalidated"))).toBe("invalidated");
    // What the others have queued goes with them: the joiner has only what its store was given.
    const joined = cluster.add();
    cluster.settle();
    for (const host of [0, 1, 2]) cluster.crash(host);
    await pass(cluster.time, 15_000);
    expect(joined.status().loader).toMatchObject({ dirty: 0, committedKeys: 5 });
    expect(Object.fromEntries(upstream.rows)).toEqual({
      invalidated: "invalidated",
      deleted: "deleted",
      cleared: "cleared",
      overwritten: "overwritten",
      expired: "expired",
    });
    expect(due(kvs)).toBe(0);
  });

  it("is not let go for room before the upstream has it", async () => {
    const { upstream, cluster, kvs } = fleet(2, {}, { options: { maxEntries: 50 } });
    for (let i = 0; i < 30; i++) {
      await cluster.until(kvs[0]!.update(`dirty ${i}`, () => "value", { commit: { within: "30s" } }));
    }
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 20; i++) kvs[1]!.set(`other ${round} ${i}`, "x");
      cluster.run(200);
    }
    for (const kv of kvs) {
      for (let i = 0; i < 30; i++) expect(kv.get(`dirty ${i}`)).toBe("value");
    }
    await pass(cluster.time, 35_000);
    expect(upstream.rows.size).toBe(30);
  });

  it("leaves the newest value in the upstream when both sides of a partition commit", async () => {
    const { upstream, cluster, kvs } = fleet(4);
    cluster.partition([
      [0, 1],
      [2, 3],
    ]);
    cluster.run("6s");
    for (let i = 0; i < 10; i++) {
      await cluster.until(kvs[0]!.update(`k${i}`, () => "left", { commit: { within: "1s" } }));
      cluster.run(5);
      await cluster.until(kvs[3]!.update(`k${i}`, () => "right", { commit: { within: "1s" } }));
    }
    await pass(cluster.time, 4_000);
    cluster.heal();
    cluster.settle();
    await pass(cluster.time, 4_000);
    for (let i = 0; i < 10; i++)
      expect([upstream.rows.get(`k${i}`), kvs[1]!.get(`k${i}`)]).toEqual(["right", "right"]);
    expect(due(kvs)).toBe(0);
  });

  it("is committed by the next host when its owner cannot", async () => {
    const { upstream, cluster, kvs } = fleet(3);
    const commit = upstream.commit.bind(upstream);
    let refusals = 0;
    upstream.commit = async (batch) => {
      // Whoever comes first is cut off from the database; its successor is not.
      if (refusals++ === 0) throw new Error("no route to the database");
      return commit(batch);
    };
    await cluster.until(kvs[0]!.update("k", () => "value", { commit: { within: "1s" } }));
    await pass(cluster.time, 6_000);
    expect(upstream.rows.get("k")).toBe("value");
  });
});

describe("a host with a read-only upstream", () => {
  it("delays no commit of the others, tries none, and answers what is due", async () => {
    const upstream = new CountingUpstream();
    const readOnly = { load: (key: string, options: CallOptions) => upstream.load(key, options) };
    let hosts = 0;
    const cluster = new VirtualCluster({
      options: {
        get upstream() {
          return hosts++ === 0 ? upstream : readOnly;
        },
      },
    });
    for (let i = 0; i < 3; i++) cluster.add();
    cluster.settle();
    cluster.run("3s");
    const [writer, reader] = cluster.hosts as [Kv, Kv, Kv];
    for (let i = 0; i < 20; i++) {
      await cluster.until(writer.update(`k${i}`, () => "value", { commit: { within: "1s" } }));
    }
    cluster.settle();
    reader.invalidate("k1");
    expect(await cluster.until(reader.getOrLoad("k1"))).toBe("value");
    await pass(cluster.time, 1_000);
    expect(upstream.rows.size).toBe(20);
    await pass(cluster.time, 10_000);
    expect(cluster.hosts.map((kv) => kv.status().loader!.failedCommits)).toEqual([0, 0, 0]);
    expect(cluster.hosts.map((kv) => kv.status().loader!.dirty)).toEqual([0, 0, 0]);
  });

  it("is nobody to leave commits to", async () => {
    const upstream = new CountingUpstream();
    upstream.commit = async () => {
      throw new Error("down");
    };
    let hosts = 0;
    const cluster = new VirtualCluster({
      options: {
        loading: { drainTimeout: "300ms" },
        get upstream() {
          return hosts++ === 0 ? upstream : { load: () => undefined };
        },
      },
    });
    for (let i = 0; i < 2; i++) cluster.add();
    cluster.settle();
    cluster.run("3s");
    const [writer, reader] = cluster.hosts as [Kv, Kv];
    await cluster.until(writer.update("k", () => "value", { commit: { within: "10s" } }));
    await expect(cluster.until(writer.close())).rejects.toMatchObject({ code: "UNCOMMITTED", keys: ["k"] });
    cluster.run("1s");
    // It knows of it as well, and nobody is left who could commit it.
    await expect(cluster.until(reader.close())).rejects.toMatchObject({ code: "UNCOMMITTED", keys: ["k"] });
  });
});

describe("closing a host of a fleet", () => {
  it("commits what waits", async () => {
    const { upstream, cluster, kvs } = fleet(2);
    await cluster.until(kvs[0]!.update("k", () => "value", { commit: { within: "1h" } }));
    await cluster.until(kvs[0]!.close());
    expect(upstream.rows.get("k")).toBe("value");
  });

  it("leaves to the others what the upstream would not take, and rejects when there is no other", async () => {
    const { upstream, cluster, kvs } = fleet(2, { drainTimeout: "300ms" });
    const commit = upstream.commit.bind(upstream);
    upstream.commit = async () => {
      throw new Error("down");
    };
    await cluster.until(kvs[0]!.update("k", () => "value", { commit: { within: "10s" } }));
    await cluster.until(kvs[0]!.close());
    cluster.run("1s");
    await expect(cluster.until(kvs[1]!.close())).rejects.toMatchObject({ code: "UNCOMMITTED", keys: ["k"] });
    upstream.commit = commit;
  });

  it.each([
    ["before it wrote", 0],
    ["while it closes", 100],
  ])(
    "rejects when it was cut off %s and the upstream takes nothing: nobody else has it",
    async (_, after) => {
      const { upstream, cluster, kvs } = fleet(2, { drainTimeout: "300ms" });
      upstream.commit = async () => {
        throw new Error("down");
      };
      await cluster.until(kvs[0]!.update("had by both", () => "value", { commit: { within: "10s" } }));
      cluster.settle();
      cluster.run("2s");
      cluster.isolate(0);
      await cluster.until(kvs[0]!.update("k", () => "value", { commit: { within: "10s" } }));
      const closing = kvs[0]!.close();
      const closed = expect(closing).rejects.toMatchObject({ code: "UNCOMMITTED", keys: ["k"] });
      await pass(cluster.time, after);
      if (after > 0) kvs[1]!.set("other", "written meanwhile");
      await cluster.until(closing.catch(() => undefined));
      await closed;
    },
  );

  it("ends in bounded time beside a host that goes on updating", async () => {
    const { cluster, kvs } = fleet(2);
    await cluster.until(kvs[0]!.update("k", () => "value", { commit: { within: "5s" } }));
    let ended = false;
    const closing = kvs[0]!.close().then(() => {
      ended = true;
    });
    for (let ms = 0; ms < 10_000 && !ended; ms += 20) {
      await kvs[1]!.update(`k${ms}`, () => "value", { commit: { within: "5s" } });
      await pass(cluster.time, 20);
    }
    await closing;
    expect(cluster.now).toBeLessThan(20_000);
  });
});

describe("a long and bad day", () => {
  it.each([1, 2, 3])(
    "ends with the newest of all that was replicated in the upstream (seed %i)",
    async (seed) => {
      const { upstream, cluster, kvs } = fleet(5, {}, { seed });
      const random = new Random(seed);
      const pick = (most: number) => Math.floor(random.next() * most);
      cluster.loss(0.1);
      cluster.delay({ min: 1, max: 40, reorder: 0.2 });
      for (let step = 0; step < 300; step++) {
        const host = pick(5);
        const chance = random.next();
        if (!cluster.alive(host)) {
          if (chance < 0.3) cluster.restart(host);
        } else if (chance < 0.02 && kvs.filter((kv) => !kv.closed).length > 2) cluster.crash(host);
        else if (chance < 0.05) {
          cluster.partition([[host], [0, 1, 2, 3, 4].filter((each) => each !== host)]);
        } else if (chance < 0.1) cluster.heal();
        else if (kvs[host]!.status().state === "ready") {
          const key = `k${pick(20)}`;
          const change = () => (chance < 0.2 ? undefined : `${seed}.${step}`);
          kvs[host]!.update(key, change, { commit: { within: 100 + pick(2_000) } }).catch(() => undefined);
        }
        if (chance > 0.9) cluster.loss(0.1);
        await pass(cluster.time, 20 + pick(40));
      }
      cluster.heal();
      cluster.loss(0);
      for (let host = 0; host < 5; host++) if (!cluster.alive(host)) cluster.restart(host);
      cluster.settle();
      await pass(cluster.time, 20_000);
      cluster.settle();
      expect(due(kvs)).toBe(0);
      const stepOf = (value: unknown) => Number(String(value).split(".")[1]);
      let compared = 0;
      for (let i = 0; i < 20; i++) {
        const key = `k${i}`;
        const inMemory = kvs[0]!.get(key);
        for (const kv of kvs) expect(kv.get(key)).toBe(inMemory);
        const row = upstream.rows.get(key);
        // A host may have committed and died before anybody else heard of it: the row is newer than memory then.
        if (inMemory === undefined || row === undefined) continue;
        expect([key, stepOf(row)]).toEqual([key, Math.max(stepOf(row), stepOf(inMemory))]);
        compared++;
      }
      expect(compared).toBeGreaterThan(5);
    },
    60_000,
  );
});
