/** One cold key and a hundred hosts: far more than are recommended, and still one call to the upstream. */
import { describe, expect, it } from "vitest";
import { fleet } from "../unit/support/fleet.ts";
import { pass } from "../unit/support/passing.ts";

describe("a cold key among 100 hosts", () => {
  it("is loaded once for the callers of 100 hosts, and twice at most when its owner dies meanwhile", async () => {
    const { upstream, cluster, kvs, counts, sum } = fleet(100, { softTimeout: "1s" });
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
    expect([sum("remote"), sum("coalesced"), upstream.loads.length]).toEqual([99, 100, 1]);

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
  }, 120_000);
});
