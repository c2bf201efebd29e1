import { expect, it } from "vitest";
import { startCluster } from "../../../src/testing/index.ts";

it("a host that lost a message and got it by a replay says so in its status", () => {
  const cluster = startCluster({ hosts: 2 });
  const [writer, other] = [cluster.hosts[0]!, cluster.hosts[1]!];
  cluster.loss(1);
  writer.set("key", "x");
  cluster.run(100);
  cluster.heal();
  cluster.settle();
  expect(other.get("key")).toBe("x");
  expect(other.status().counts.replaysRequested).toBeGreaterThan(0);
  expect(other.status().lastRepair).toMatchObject({ kind: "replay", from: writer.incarnation, events: 1 });
});
