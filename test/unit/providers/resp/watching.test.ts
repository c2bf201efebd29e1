/** Watching over a connection: what a client is told, and what it costs a host at most. */
import { Redis } from "ioredis";
import { afterEach, describe, expect, it } from "vitest";
import type { RespOptions } from "../../../../src/providers/resp/resp.ts";
import { FORGOTTEN_AFTER_MS, Watching } from "../../../../src/providers/resp/watching.ts";
import { type Served, served } from "./client.ts";

const clients: Redis[] = [];
let door: Served;
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  await door.close();
});

async function opened(options: Partial<RespOptions> = {}): Promise<Served> {
  door = await served(options);
  return door;
}

function client(user?: string): Redis {
  const { port } = door.door.address;
  const login = user === undefined ? {} : { username: user, password: "p" };
  const redis = new Redis({
    port,
    protocol: 2,
    retryStrategy: () => null,
    disableClientInfo: true,
    ...login,
  });
  redis.on("error", () => undefined);
  clients.push(redis);
  return redis;
}

/** The changes of one answer: type, key, and value, or the members that came and went. */
async function next(redis: Redis, count = 100, ms = 1_000): Promise<unknown[]> {
  const changes = (await redis.call("TIDEMARK.WATCH", "NEXT", count, ms)) as unknown[][];
  return changes.map((flat) => {
    const fields = new Map(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));
    const shown = fields.get("value") ?? { added: fields.get("added"), removed: fields.get("removed") };
    return fields.get("type") === "synced" ? "synced" : [fields.get("type"), fields.get("key"), shown];
  });
}

const watch = (redis: Redis, pattern: string, ...more: string[]) =>
  redis.call("TIDEMARK.WATCH", "OPEN", pattern, ...more);

describe("TIDEMARK.WATCH", () => {
  it("tells of changes from the time it is opened, and with ALL of what was there", async () => {
    const { host } = await opened();
    host.set("a:1", "before");
    host.set("b:1", "other");
    const [changes, all] = [client(), client()];
    expect(await watch(changes, "a:*")).toBe("OK");
    expect(await watch(all, "a:*", "all")).toBe("OK");
    host.set("a:2", "new");
    host.set("b:1", "not asked for");
    host.setAdd("a:s", "m");
    host.delete("a:2");
    const gone = ["delete", "a:2", { added: [], removed: [] }];
    const added = ["set", "a:s", { added: ["m"], removed: [] }];
    expect((await next(all)).slice(0, 3)).toEqual(
      expect.arrayContaining(["synced", ["set", "a:1", "before"], added]),
    );
    const told = await next(changes);
    expect(told[0]).toBe("synced");
    host.delete("a:1");
    expect(await next(changes)).toEqual([["delete", "a:1", { added: [], removed: [] }]]);
    expect(told).not.toContainEqual(gone);
  });

  it("gives bytes as they are", async () => {
    const { host } = await opened();
    const redis = client();
    await watch(redis, "*");
    await next(redis);
    host.set("bytes", Uint8Array.of(255, 0, 254));
    const [flat] = (await redis.callBuffer("TIDEMARK.WATCH", "NEXT", 1, 1_000)) as Buffer[][];
    expect(flat!.findIndex((each) => each?.equals?.(Buffer.from([255, 0, 254])))).toBeGreaterThan(0);
  });

  it("waits for a change, and answers none where none comes", async () => {
    const { host } = await opened();
    const redis = client();
    await watch(redis, "*");
    expect(await next(redis)).toEqual(["synced"]);
    const startedAt = performance.now();
    expect(await next(redis, 10, 60)).toEqual([]);
    expect(performance.now() - startedAt).toBeGreaterThan(50);
    const waiting = next(redis, 10, 10_000);
    setTimeout(() => host.set("k", "v"), 20);
    expect(await waiting).toEqual([["set", "k", "v"]]);
  });

  it("answers at most as many as were asked for, and no more than fits an answer", async () => {
    const { host } = await opened();
    const redis = client();
    await watch(redis, "*");
    await next(redis);
    for (let index = 0; index < 6; index++) host.set(`k${index}`, "v");
    expect(await next(redis, 4)).toHaveLength(4);
    expect(await next(redis, 4)).toHaveLength(2);
    for (let index = 0; index < 6; index++) host.set(`k${index}`, "x".repeat(400_000));
    expect((await next(redis)).length).toBeLessThan(6);
  });

  it("folds changes for a slow reader and loses no last one", async () => {
    const { host } = await opened();
    const redis = client();
    await watch(redis, "*");
    await next(redis);
    for (let index = 0; index < 5_000; index++) host.set("counter", String(index));
    const told: unknown[] = [];
    while (told.length === 0 || JSON.stringify(told.at(-1)) !== JSON.stringify(["set", "counter", "4999"]))
      told.push(...(await next(redis, 1_000, 1_000)));
    expect(told.length).toBeLessThan(2_000);
  });

  it("shows a user the keys of its patterns only", async () => {
    const { host } = await opened({
      users: [{ name: "app", password: "p", keys: ["app:*"], rights: "read" }],
    });
    const redis = client("app");
    await watch(redis, "*");
    await next(redis);
    host.set("app:1", "mine");
    host.set("other", "theirs");
    const told = [...(await next(redis, 10, 200)), ...(await next(redis, 10, 200))];
    expect(told).toEqual([["set", "app:1", "mine"]]);
  });

  it("says what is wrong", async () => {
    await opened();
    const redis = client();
    await expect(next(redis)).rejects.toThrow("ERR nothing is watched here; begin with TIDEMARK.WATCH OPEN");
    await expect(watch(redis, "*", "SOME")).rejects.toThrow("ERR syntax error");
    await watch(redis, "*");
    await expect(next(redis, 0)).rejects.toThrow("ERR count is not between 1 and 1000");
    await expect(next(redis, 1, 10_001)).rejects.toThrow("ERR timeout is not between 0 and 10000");
    expect(await redis.call("TIDEMARK.WATCH", "CLOSE")).toBe("OK");
    await expect(next(redis)).rejects.toThrow("ERR nothing is watched");
  });

  it("ends what waits when the door closes", async () => {
    const { door: served } = await opened();
    const redis = client();
    await watch(redis, "*");
    await next(redis);
    const waiting = next(redis, 1, 10_000);
    const ended = expect(waiting).rejects.toThrow("CLOSED the watch has ended");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await served.close();
    await ended;
  });

  it("is for so many connections at a time, and leaves nothing behind when they go", async () => {
    await opened();
    const many = Array.from({ length: 64 }, () => client());
    await Promise.all(many.map((redis) => watch(redis, "*")));
    const late = client();
    await expect(watch(late, "*")).rejects.toThrow("ERR 64 connections watch already");
    many[0]!.disconnect();
    await expect.poll(() => watch(late, "*").catch(() => "no")).toBe("OK");
  });
});

describe("a watch", () => {
  it("is forgotten after a minute without a question, but not while it waits", async () => {
    const { host } = await opened();
    const watching = new Watching(host, "*", false);
    const later = () => performance.now() + FORGOTTEN_AFTER_MS + 1_000;
    expect(watching.forgotten(performance.now())).toBe(false);
    expect(watching.forgotten(later())).toBe(true);
    await watching.next({ count: 1, waitMs: 0, allows: () => true });
    const waiting = watching.next({ count: 1, waitMs: 5_000, allows: () => true });
    expect(watching.forgotten(later())).toBe(false);
    watching.end();
    await expect(waiting).rejects.toMatchObject({ code: "CLOSED" });
  });
});
