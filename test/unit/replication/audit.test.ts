/** What must never happen, made to happen: hosts that have applied the same and hold other data. */
import { afterEach, describe, expect, it } from "vitest";
import type { Host } from "../../../src/host.ts";
import { digestThatStays } from "../../../src/replication/audit.ts";
import type { ReplicationEvent } from "../../../src/replication/replication-event.ts";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import { open } from "../../../src/tidemark.ts";
import type { Change } from "../../../src/watch.ts";
import { flipValue, loseKey, storeOf } from "../support/damage.ts";
import { digestsFromScratch } from "../support/site.ts";

describe("the data that stay", () => {
  const vote = (incarnation: string, digest: string) => ({ incarnation, digest });

  it.each([
    ["of most hosts", [vote("A", "1"), vote("B", "2"), vote("C", "2")], "2"],
    ["of the oldest, where two disagree", [vote("B", "2"), vote("A", "1")], "1"],
    [
      "of the oldest of the largest groups",
      [vote("A", "1"), vote("D", "3"), vote("B", "2"), vote("E", "3"), vote("C", "2")],
      "2",
    ],
    ["of all, where they agree", [vote("A", "1"), vote("B", "1")], "1"],
  ])("are those %s", (_, votes, stays) => {
    expect(digestThatStays(votes)).toBe(stays);
    expect(digestThatStays([...votes].reverse())).toBe(stays);
  });
});

let cluster: VirtualCluster;
let events: Map<Host, ReplicationEvent[]>;
afterEach(() => cluster?.[Symbol.asyncDispose]());

function begin(hosts: number): Host[] {
  cluster = new VirtualCluster({ options: { heartbeat: "1s" } });
  for (let i = 0; i < hosts; i++) cluster.add();
  cluster.settle();
  events = new Map();
  for (const host of cluster.hosts) {
    const heard: ReplicationEvent[] = [];
    events.set(host, heard);
    host.on("replication", (batch) => heard.push(...batch));
  }
  const [first, second] = [cluster.hosts[0]!, cluster.hosts.at(-1)!];
  for (let i = 0; i < 50; i++) first.set(`key-${i}`, `value ${i}`, i % 5 === 0 ? { ttl: "1h" } : {});
  first.setAdd("set", "a", "b");
  first.listPush("list", "x", "y");
  first.increment("count", 5);
  second.increment("count", 2);
  second.setAdd("set", "c");
  second.expire("key-1", "2h");
  cluster.run("3s");
  cluster.settle();
  return cluster.hosts;
}

const told = (host: Host, type: ReplicationEvent["type"]) =>
  events.get(host)!.filter((event) => event.type === type);

/** What readers see, the members of sets in one order. */
function contentOf(host: Host): string {
  const sorted = [...host.entries()].map(([key, value]) => [
    key,
    host.type(key) === "set" ? [...value].sort() : value,
  ]);
  return JSON.stringify(sorted.sort());
}

/** That all is as if nothing had been: the same data, from which the same digests follow, and work goes on. */
function expectSound(hosts: readonly Host[]): void {
  cluster.settle();
  hosts[0]!.increment("count");
  hosts.at(-1)!.set("after", "all");
  cluster.run("1s");
  cluster.settle();
  for (const host of hosts) {
    expect(host.get("count")).toBe("8");
    expect(host.get("after")).toBe("all");
    expect(digestsFromScratch(storeOf(host)).root()).toBe(host.status().digest);
  }
  expect(new Set(hosts.map(contentOf)).size).toBe(1);
}

describe("a host with other data than most", () => {
  it("is found by the next heartbeats, told by all, and takes over theirs", () => {
    const [one, odd, three] = begin(3);
    const changes: Change[] = [];
    const watch = odd!.watch({ prefix: "key-7" });
    void (async () => {
      for await (const change of watch) changes.push(change);
    })();
    loseKey(odd!, "key-7");
    loseKey(odd!, "set");
    loseKey(odd!, "count");
    cluster.run("4s");
    expect(odd!.status()).toMatchObject({ state: "ready", reason: undefined });
    expect(odd!.get("key-7")).toBe("value 7");
    expect(odd!.setMembers("set").sort()).toEqual(["a", "b", "c"]);
    for (const host of [one!, three!]) {
      expect(host.status().counts).toMatchObject({ divergences: 1, healed: 0 });
      expect(told(host, "divergence")).toEqual([
        expect.objectContaining({ node: "host-2", foundBy: "heartbeat" }),
      ]);
      expect(told(host, "healed")).toEqual([expect.objectContaining({ node: "host-2" })]);
    }
    expect(odd!.status().counts).toMatchObject({ healed: 1, snapshotsInstalled: 1 });
    const [healed] = told(odd!, "healed");
    expect(healed).toMatchObject({ node: "host-2", differing: 3 });
    expect([...(healed as ReplicationEvent & { type: "healed" }).keys].sort()).toEqual([
      "count",
      "key-7",
      "set",
    ]);
    expectSound([one!, odd!, three!]);
    watch.return?.();
  });

  it("gives up what only it holds, and what it holds otherwise", () => {
    const [one, two, odd] = begin(3);
    const store = storeOf(odd!);
    store.change("key-3", (target) => {
      const [entry] = [...target.state.entries()];
      store.removed(target, target.state.remove(entry!.origin, entry!.seq)!);
      store.insert(target, { ...entry!, value: "forged" } as never);
    });
    store.change("ghost", (target) =>
      store.insert(target, {
        kind: "value",
        value: "boo",
        origin: 0,
        seq: 1,
        stamp: 1,
        deadline: Number.POSITIVE_INFINITY,
        loaded: false,
      }),
    );
    expect([odd!.get("key-3"), odd!.get("ghost")]).toEqual(["forged", "boo"]);
    cluster.run("4s");
    expect([odd!.get("key-3"), odd!.get("ghost")]).toEqual(["value 3", undefined]);
    expectSound([one!, two!, odd!]);
  });

  it("where there are two, is the younger: both then hold what the older does", () => {
    const [older, younger] = begin(2).sort((left, right) => (left.incarnation < right.incarnation ? -1 : 1));
    loseKey(younger!, "key-8");
    cluster.run("4s");
    expect(younger!.get("key-8")).toBe("value 8");
    loseKey(older!, "key-9");
    // Once a minute at most does a host take over another's data.
    cluster.run("10s");
    expect(younger!.get("key-9")).toBe("value 9");
    expect(older!.status().counts.divergences).toBeGreaterThan(0);
    cluster.run("2m");
    expect(younger!.get("key-9")).toBeUndefined();
    expectSound([older!, younger!]);
  });

  it("refuses writes meanwhile, serves reads, and loses nothing that was written during all that", () => {
    const [one, odd, three] = begin(3);
    // Every chunk takes its time, so that the takeover does.
    cluster.delay({ min: 300, max: 300 });
    loseKey(odd!, "key-7");
    for (let step = 0; step < 400 && odd!.status().state === "ready"; step++) cluster.run(50);
    let refused = 0;
    let written = 0;
    for (let step = 0; step < 250; step++) {
      for (const host of [one!, odd!, three!]) {
        try {
          host.setAdd("members", `${host.node} ${step}`);
          host.increment("busy");
          written++;
        } catch (error) {
          expect(error).toMatchObject({ code: "NOT_READY" });
          refused++;
        }
      }
      expect(odd!.get("key-1")).toBe("value 1");
      cluster.run(50);
    }
    expect(refused).toBeGreaterThan(5);
    expect(refused).toBeLessThan(100);
    cluster.delay({ min: 1, max: 1 });
    cluster.run("5s");
    for (const host of [one!, odd!, three!]) {
      expect(host.get("busy")).toBe(`${written}`);
      expect(host.setSize("members")).toBe(written);
    }
    expect(odd!.status().counts.healed).toBe(1);
    expectSound([one!, odd!, three!]);
  });

  it("gives up when the giver dies, and takes what another has", () => {
    const [, odd, three] = begin(3);
    loseKey(odd!, "key-7");
    for (let step = 0; step < 400 && odd!.status().state === "ready"; step++) cluster.run(10);
    expect(odd!.status()).toMatchObject({ state: "joining", reason: expect.stringContaining("differ") });
    cluster.crash(0);
    cluster.run("30s");
    expect(odd!.get("key-7")).toBe("value 7");
    expectSound([odd!, three!]);
  });
});

describe("a host whose memory is damaged", () => {
  it("finds it though its digests say nothing of it, and takes over the data of another", () => {
    const [one, odd, three] = begin(3);
    flipValue(odd!, "key-4", "damaged");
    expect(odd!.get("key-4")).toBe("damaged");
    expect(odd!.status().digest).toBe(one!.status().digest);
    cluster.run("5s");
    expect(odd!.get("key-4")).toBe("value 4");
    expect(odd!.status().counts).toMatchObject({ divergences: 1, healed: 1 });
    expect(told(odd!, "divergence")).toEqual([expect.objectContaining({ node: "host-2", foundBy: "scrub" })]);
    expect(told(odd!, "healed")).toEqual([expect.objectContaining({ differing: 1, keys: ["key-4"] })]);
    expectSound([one!, odd!, three!]);
  });

  it("has written meanwhile what the giver has not yet: that is not lost", () => {
    const [one, odd, three] = begin(3);
    for (const to of ["host-1", "host-3"])
      cluster.network.links.change({ loss: 1, lossOn: ["ev", "rp"] }, { from: "host-2", to });
    flipValue(odd!, "key-4", "damaged");
    let written = 0;
    for (let step = 0; step < 300; step++) {
      if (odd!.status().state === "ready") {
        odd!.setAdd("members", `${step}`);
        written++;
      }
      cluster.run(10);
    }
    expect(written).toBeLessThan(300);
    cluster.heal();
    cluster.run("5s");
    for (const host of [one!, odd!, three!]) expect(host.setSize("members")).toBe(written);
    expect(odd!.get("key-4")).toBe("value 4");
    expect(odd!.status().counts.healed).toBe(1);
    expectSound([one!, odd!, three!]);
  });

  it("finds it in sets, lists and counters as well", () => {
    const [one, odd, three] = begin(3);
    const store = storeOf(odd!);
    (store.state("count")!.cells[0] as { total: number }).total = 99;
    Object.assign(store.state("list")!.elements!.at(0)!, { value: "damaged" });
    cluster.run("5s");
    expect(odd!.listRange("list")).toEqual(["x", "y"]);
    expect(odd!.status().counts).toMatchObject({ divergences: 2, healed: 1 });
    expectSound([one!, odd!, three!]);
  });

  it("stays as it is where nobody else has the data, and says so", async () => {
    const [lone] = begin(1);
    flipValue(lone!, "key-4", "damaged");
    cluster.run("5s");
    expect(lone!.status()).toMatchObject({
      state: "ready",
      reason: expect.stringContaining("damaged in memory"),
    });
    expect(told(lone!, "divergence")).toHaveLength(1);
    expect(lone!.get("key-4")).toBe("damaged");
    expect(lone!.status().counts).toMatchObject({ divergences: 1, healed: 0 });
  });

  it("tells of it standalone as well", async () => {
    const kv = await open();
    const heard = new Promise<readonly ReplicationEvent[]>((resolve) => kv.on("replication", resolve));
    kv.set("key", "value");
    flipValue(kv, "key", "damaged");
    expect(await heard).toEqual([expect.objectContaining({ type: "divergence", foundBy: "scrub" })]);
    expect(kv.status().counts.divergences).toBe(1);
    await kv.close();
  });
});

it("hosts that agree say how often they looked", () => {
  const hosts = begin(2);
  cluster.run("10s");
  for (const host of hosts) {
    const { audits, scrubs, divergences, healed } = host.status().counts;
    expect(audits).toBeGreaterThan(5);
    expect(scrubs).toBeGreaterThan(5);
    expect([divergences, healed]).toEqual([0, 0]);
  }
});
