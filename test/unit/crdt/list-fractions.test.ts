import { expect, it } from "vitest";
import { startCluster } from "../../../src/testing/index.ts";

it("a list that was inserted into at one place again and again reaches hosts with a small limit for keys", () => {
  const cluster = startCluster({ hosts: 2, options: { maxKeyBytes: 8 } });
  const [writer, other] = [cluster.hosts[0]!, cluster.hosts[1]!];
  writer.listPush("l", "first", "last");
  for (let i = 0; i < 300; i++) writer.listInsert("l", "before", "last", String(i));
  cluster.settle();
  expect(other.listRange("l")).toEqual(writer.listRange("l"));
  expect(other.status().counts.rejected).toBe(0);
});
