/** Watchers that begin while something expires: each hears of what it has seen, and of nothing else. */
import { expect, it } from "vitest";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import { Watcher } from "../../simulation/watcher.ts";

const KEYS = ["k", "l"];

it("tells who begins to watch as a value expires of what shows from behind it, and tells it once", async () => {
  const cluster = new VirtualCluster({ settings: { joinWaitMs: 50 } });
  cluster.add();
  cluster.add();
  cluster.settle();
  cluster.isolate(1);
  // Two, for the first is read at once.
  for (const key of KEYS) {
    cluster.hosts[0]!.set(key, "v", { ttl: 300 });
    cluster.hosts[1]!.setAdd(key, "m");
  }
  cluster.heal();
  cluster.settle();
  const [host] = cluster.hosts;
  expect(KEYS.map((key) => host!.type(key))).toEqual(["string", "string"]);
  const watchers: Watcher[] = [];
  // One millisecond after the other, since what has expired is told at the next tick.
  for (let ms = 0; ms < 400; ms++) {
    watchers.push(new Watcher(host!, 100));
    cluster.run(1);
    for (let turn = 0; turn < 4; turn++) await null;
  }
  cluster.run(100);
  for (let turn = 0; turn < 8; turn++) await null;
  expect(KEYS.map((key) => host!.type(key))).toEqual(["set", "set"]);
  expect(watchers.map((watcher) => watcher.difference())).toEqual(watchers.map(() => undefined));
});
