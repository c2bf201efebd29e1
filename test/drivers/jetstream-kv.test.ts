/** The NATS KV driver and the mirror, on a nats-server with JetStream. */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "nats";
import { describe, expect, it, vi } from "vitest";
import { jetstreamKv, mirror } from "../../src/upstream/jetstream-kv.ts";
import { keyToToken, tokenToKey } from "../../src/upstream/kv-keys.ts";
import { objects, upstreamConformance } from "../conformance/upstream.ts";
import { natsServerForTests, skipUnlessRestartable } from "../integration/support/nats.ts";

const server = await natsServerForTests({ jetstream: true });
const { signal } = new AbortController();

describe.skipIf(server === undefined)("with a nats-server", () => {
  const connection = server?.url ?? "";
  upstreamConformance("jetstreamKv", () => ({ create: () => jetstreamKv({ connection, bucket: "rows" }) }));
  upstreamConformance("jetstreamKv with a codec", () => ({
    create: () => jetstreamKv({ connection, bucket: "objects", codec: objects }),
  }));

  it("reads what other clients put, and they read what it puts", async () => {
    const nats = await connect({ servers: connection });
    const kv = await nats.jetstream().views.kv("shared");
    await kv.put("user.1", "Ada");
    const upstream = jetstreamKv({ connection: nats, bucket: "shared" });
    const row = await upstream.load("user.1", { signal });
    expect(Buffer.from((row as { value: Uint8Array }).value).toString()).toBe("Ada");
    const order = { stamp: 2 ** 52, origin: "A", expiresAt: Number.POSITIVE_INFINITY };
    await upstream.commit!([{ type: "put", key: "user.2", value: "Grace", ...order }], { signal });
    expect((await kv.get("user.2"))!.string()).toBe("Grace");
    await upstream.close?.();
    expect(nats.isClosed()).toBe(false);
    await nats.close();
  });

  it("comes back with its server, however long that was away", async (test) => {
    skipUnlessRestartable(server!, test);
    // The client would give up for good after ten of these.
    const upstream = jetstreamKv({
      connection: { servers: connection, reconnectTimeWait: 20 },
      bucket: "lasting",
    });
    const order = { stamp: 2 ** 52, origin: "A", expiresAt: Number.POSITIVE_INFINITY };
    await upstream.commit!([{ type: "put", key: "k", value: "kept", ...order }], { signal });
    await server!.stop();
    await delay(1_000);
    await server!.restart();
    const row = await vi.waitFor(async () => upstream.load("k", { signal }), {
      timeout: 10_000,
      interval: 50,
    });
    expect(Buffer.from((row as { value: Uint8Array }).value).toString()).toBe("kept");
    await upstream.close?.();
  });

  it("is mirrored into memory: what is there, then every change", async () => {
    const nats = await connect({ servers: connection });
    const kv = await nats.jetstream().views.kv("mirrored");
    for (let i = 0; i < 100; i++) await kv.put(`a.${i}`, `value ${i}`);
    await kv.put("b.1", "other");
    await using all = await mirror({ connection, bucket: "mirrored" });
    await using some = await mirror({ connection: nats, bucket: "mirrored", filter: "a.>" });
    expect([all.size, some.size]).toEqual([101, 100]);
    expect(all.get("a.7")).toBe("value 7");
    await kv.delete("a.7");
    const revision = await kv.put("a.8", "changed");
    await all.reached(revision);
    expect([all.get("a.7"), all.get("a.8"), all.has("a.7"), all.size]).toEqual([
      undefined,
      "changed",
      false,
      100,
    ]);
    expect([...some.keys()].every((key) => key.startsWith("a."))).toBe(true);
    await expect(all.reached(revision + 1_000, { signal: AbortSignal.timeout(50) })).rejects.toThrow();
    await nats.close();
  });

  it("is empty of an empty bucket, and refuses one that is not there", async () => {
    const nats = await connect({ servers: connection });
    await nats.jetstream().views.kv("empty");
    await nats.close();
    await using empty = await mirror({ connection, bucket: "empty" });
    expect(empty.size).toBe(0);
    await expect(mirror({ connection, bucket: "nowhere" })).rejects.toThrow();
  });
});

describe("keys in a bucket", () => {
  it.each([
    ["user.1", "user.1"],
    ["a/b_c-D", "a/b_c-D"],
    ["", "="],
    [".a", "=2ea"],
    ["a.", "a=2e"],
    ["a..b", "a.=2eb"],
    ["a b", "a=20b"],
    ["a=b", "a=3db"],
    ["ž", "=c5=be"],
  ])("%j is %s", (key, token) => {
    expect(keyToToken(key)).toBe(token);
    expect(tokenToKey(token)).toBe(key);
  });

  it.each([["a=zz"], ["a="], ["=ff"]])("%s of another client stands for itself", (token) => {
    expect(tokenToKey(token)).toBe(token);
  });
});
