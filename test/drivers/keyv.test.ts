/** The Keyv driver with a Redis, and with Keyv's own Map. */
import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";
import { afterAll, describe, expect, it } from "vitest";
import { keyv } from "../../src/upstream/keyv.ts";
import { objects, upstreamConformance } from "../conformance/upstream.ts";
import { startRedis } from "../support/redis.ts";
import { missing } from "./missing.ts";

const server = await startRedis();
if (server === undefined) missing("Redis is not installed (Debian: apt-get install redis-server)");
else afterAll(() => server[Symbol.asyncDispose]());
const { signal } = new AbortController();

describe.skipIf(server === undefined)("with a Redis", () => {
  upstreamConformance("keyv", () => ({
    create: () => keyv({ store: new KeyvRedis(server!.url) }),
    isConditional: false,
  }));
  upstreamConformance("keyv with a codec", () => ({
    create: () => keyv({ store: new KeyvRedis(server!.url), namespace: "objects", codec: objects }),
    isConditional: false,
  }));

  it("writes again where an older write of another host came over its own", async () => {
    const store = new Keyv({
      store: new KeyvRedis(server!.url),
      namespace: "overwritten",
      throwOnErrors: true,
    });
    const upstream = keyv({ store });
    const put = (value: string, stamp: number) =>
      ({ type: "put", key: "k", value, expiresAt: Number.POSITIVE_INFINITY, stamp, origin: "A" }) as const;
    const setMany = store.setMany.bind(store);
    let interruptions = 3;
    store.setMany = async (entries) => {
      const answer = await setMany(entries);
      if (interruptions-- > 0)
        await setMany([{ key: "k", value: { tidemark: 1, stamp: 4, origin: "B", text: "old" } }]);
      return answer;
    };
    expect(await upstream.commit!([put("new", 5)], { signal })).toEqual([]);
    expect(await upstream.load("k", { signal })).toMatchObject({ value: "new" });
    interruptions = 1_000;
    const error = await Promise.resolve(upstream.commit!([put("newer", 6)], { signal })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "UPSTREAM_BUSY" });
    expect(upstream.retryable!(error)).toBe(true);
    await store.disconnect();
  });

  it("rejects when the store is away: what was not written is not committed", async () => {
    const upstream = keyv({
      store: new KeyvRedis({ url: "redis://127.0.0.1:1", socket: { reconnectStrategy: false } }),
    });
    await expect(Promise.resolve(upstream.load("k", { signal }))).rejects.toThrow();
    const batch = [{ type: "delete", key: "k", stamp: 1, origin: "A" }] as const;
    await expect(Promise.resolve(upstream.commit!(batch, { signal }))).rejects.toThrow();
  });
});

describe("a Keyv of yours", () => {
  it("is used, and left open", async () => {
    const store = new Keyv({ throwOnErrors: true });
    await store.set("theirs", "text");
    const upstream = keyv({ store });
    expect(await upstream.load("theirs", { signal })).toMatchObject({ value: "text" });
    await upstream.close?.();
    expect(await store.get("theirs")).toBe("text");
  });
});
