import { describe, expect, it } from "vitest";
import { type Cluster, startCluster } from "../../../src/testing/index.ts";

/** A cluster and its hosts, which are there as long as nobody takes one. */
function begin(options?: Parameters<typeof startCluster>[0]) {
  const cluster = startCluster(options);
  const host = (index: number) => cluster.hosts[index]!;
  return { cluster, host };
}

function values(cluster: Cluster, key: string): (string | undefined)[] {
  return cluster.hosts.map((host) => host.get(key));
}

describe("startCluster", () => {
  it("starts hosts that are ready and share what is written", async () => {
    const { cluster, host } = begin();
    expect(cluster.hosts.map(({ node }) => node)).toEqual(["host-1", "host-2", "host-3"]);
    expect(cluster.hosts.map((each) => each.status().state)).toEqual(["ready", "ready", "ready"]);
    host(0).set("greeting", "hello");
    expect(values(cluster, "greeting")).toEqual(["hello", undefined, undefined]);
    cluster.settle();
    expect(values(cluster, "greeting")).toEqual(["hello", "hello", "hello"]);
    await cluster[Symbol.asyncDispose]();
  });

  it("gives every host the options, and refuses wrong ones", () => {
    const { cluster, host } = begin({ hosts: 1, options: { ttl: "1s", namespace: "mine" } });
    expect(host(0).namespace).toBe("mine");
    host(0).set("key", "x");
    expect(host(0).ttl("key")).toBe(1_000);
    cluster.run("1s");
    expect(host(0).has("key")).toBe(false);
    expect(() => startCluster({ hosts: 0 })).toThrow("hosts takes");
    expect(() => startCluster({ options: { ttl: "soon" as "1s" } })).toThrow("ttl takes");
    expect(() => cluster.crash(7)).toThrow("there is no host 7");
  });

  it("makes the same run of the same seed, and another of another", () => {
    const run = (seed: number) => {
      const { cluster, host } = begin({ seed, faults: { loss: 0.2, delay: { min: 1, max: 50 } } });
      host(0).set("key", "x");
      host(1).increment("counter");
      cluster.run(500);
      return cluster.hosts.map((each) => {
        const { incarnation, digest, counts } = each.status();
        return { incarnation, digest, counts };
      });
    };
    expect(run(4)).toEqual(run(4));
    expect(run(4)).not.toEqual(run(5));
  });
});

describe("a cluster", () => {
  it("waits for promises while time passes, and gives up on them", async () => {
    const { cluster, host } = begin();
    host(0).set("key", "x");
    const token = host(0).token();
    expect(await cluster.until(host(0).replicated({ hosts: 2 }))).toBe(2);
    await cluster.until(host(2).waitFor(token));
    await expect(cluster.until(Promise.reject(new Error("no")))).rejects.toThrow("no");
    await expect(cluster.until(new Promise(() => {}), { timeout: "5s" })).rejects.toMatchObject({
      code: "TIMEOUT",
    });
  });

  it("splits and heals", () => {
    const { cluster, host } = begin({ hosts: 4 });
    cluster.partition([[0, "host-2"]]);
    host(0).set("key", "left");
    host(3).setAdd("set", "right");
    cluster.run("10s");
    expect(values(cluster, "key")).toEqual(["left", "left", undefined, undefined]);
    expect(() => cluster.settle({ timeout: "1s" })).toThrow(/host-3 is ready, misses 1 events/);
    cluster.heal();
    cluster.settle();
    expect(values(cluster, "key")).toEqual(["left", "left", "left", "left"]);
    expect(host(0).setMembers("set")).toEqual(["right"]);
  });

  it("cuts off a host, or one direction", () => {
    const { cluster, host } = begin();
    cluster.isolate(0);
    host(0).set("isolated", "x");
    cluster.run("3s");
    expect(values(cluster, "isolated")).toEqual(["x", undefined, undefined]);
    cluster.heal();
    cluster.settle();
    // The third host passes on what the second does not hear from the first.
    cluster.oneWay(0, 1);
    host(0).set("cut", "x");
    cluster.settle();
    expect(values(cluster, "cut")).toEqual(["x", "x", "x"]);
  });

  it("converges over a network that loses, doubles and reorders", () => {
    const { cluster, host } = begin({ hosts: 3, seed: 11 });
    cluster.loss(0.3);
    cluster.duplicate(0.3);
    cluster.delay({ min: 1, max: 300, reorder: 0.3 });
    for (let round = 0; round < 50; round++) {
      host(round % 3).listPush("list", String(round));
      cluster.run(20);
    }
    cluster.settle();
    expect(host(0).listLength("list")).toBe(50);
    expect(host(1).listRange("list")).toEqual(host(0).listRange("list"));
  });

  it("disconnects and reconnects", () => {
    const { cluster, host } = begin();
    cluster.disconnect(1);
    cluster.run(10);
    expect(host(1).status().connected).toBe(false);
    host(1).set("key", "x");
    cluster.run("5s");
    expect(values(cluster, "key")).toEqual([undefined, "x", undefined]);
    cluster.reconnect(1);
    cluster.settle();
    expect(values(cluster, "key")).toEqual(["x", "x", "x"]);
  });

  it("crashes and restarts: a new incarnation learns all from the others", () => {
    const { cluster, host } = begin();
    host(0).set("key", "x");
    cluster.settle();
    const before = host(0).incarnation;
    cluster.crash(0);
    expect(() => host(0).set("key", "y")).toThrow();
    cluster.settle();
    expect(cluster.restart(0).incarnation).not.toBe(before);
    expect(() => cluster.restart(0)).toThrow("is running");
    cluster.settle();
    expect(values(cluster, "key")).toEqual(["x", "x", "x"]);
  });

  it("grows", () => {
    const { cluster, host } = begin({ hosts: 1 });
    host(0).set("key", "x");
    expect(cluster.add().node).toBe("host-2");
    cluster.settle();
    expect(values(cluster, "key")).toEqual(["x", "x"]);
  });

  it("shrinks when a host says goodbye", async () => {
    const { cluster, host } = begin();
    host(0).set("key", "x");
    await cluster.until(host(0).close());
    cluster.settle();
    expect(host(1).get("key")).toBe("x");
    expect(cluster.restart(0).node).toBe("host-1");
    cluster.settle();
  });

  it("pauses a host, which finds what it missed", () => {
    const { cluster, host } = begin();
    cluster.pause(2);
    host(0).set("key", "x");
    cluster.run("20s");
    expect(values(cluster, "key")).toEqual(["x", "x", undefined]);
    expect(() => cluster.settle({ timeout: "1s" })).toThrow("host-3 (paused)");
    cluster.resume(2);
    cluster.settle();
    expect(values(cluster, "key")).toEqual(["x", "x", "x"]);
  });

  it("sets clocks wrong, which does no harm to causality", () => {
    const { cluster, host } = begin();
    cluster.skewClock(0, 600_000);
    host(0).set("key", "from the future");
    cluster.settle();
    host(1).set("key", "later all the same");
    cluster.settle();
    expect(new Set(values(cluster, "key"))).toEqual(new Set(["later all the same"]));
  });

  it("ends with its hosts", async () => {
    let first: Cluster["hosts"][number];
    {
      await using cluster = startCluster({ hosts: 2 });
      first = cluster.hosts[0]!;
    }
    expect(() => first.set("key", "x")).toThrow();
  });
});
