import { expect, it } from "vitest";
import { dump, Site, Transfer } from "../support/site.ts";

it("an image that breaks off goes whole, though shards that empty are compacted meanwhile", () => {
  const giver = new Site("giver");
  for (let i = 0; i < 8_000; i++) giver.writes.set(`key ${i}`, "x", {});
  giver.writes.setAdd("set", ["member"]);
  giver.writes.increment("counter", 1);
  const built = new Site("built", { clock: giver.clock });
  const empty = dump(built);
  let compacted = 0;
  new Transfer(giver, built).breakOff(10_000_000, 1_000, () => {
    if (built.store.shards.compact()) compacted++;
  });
  expect(compacted).toBeGreaterThan(0);
  expect([...built.reads.keys()]).toEqual([]);
  expect(dump(built)).toEqual(empty);
  new Transfer(giver, built).build();
  expect(built.store.size).toBe(giver.store.size);
  expect(built.store.digests.root()).toBe(giver.store.digests.root());
});
