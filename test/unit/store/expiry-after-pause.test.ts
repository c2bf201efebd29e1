import { expect, it } from "vitest";
import { startCluster } from "../../../src/testing/index.ts";

it("a host that stood still for an hour still removes what the others remove when it expires", () => {
  const cluster = startCluster({ hosts: 2, options: { heartbeat: "10s" } });
  const [author, paused] = [cluster.hosts[0]!, cluster.hosts[1]!];
  for (let i = 0; i < 10; i++) author.set(`key.${i}`, "x", { ttl: "65m" });
  author.set("stays", "x");
  cluster.settle();
  cluster.pause(1);
  cluster.run("1h");
  cluster.resume(1);
  cluster.run("6m");
  cluster.settle();
  expect([...paused.keys()]).toEqual(["stays"]);
  expect(paused.status().keys).toBe(1);
  expect(paused.status().counts.divergences).toBe(0);
});
