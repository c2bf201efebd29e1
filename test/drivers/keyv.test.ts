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
  upstreamConformance("keyv", () => ({ create: () => keyv({ store: new KeyvRedis(server!.url) }) }));
  upstreamConformance("keyv with a codec", () => ({
    create: () => keyv({ store: new KeyvRedis(server!.url), namespace: "objects", codec: objects }),
  }));

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
