/** Hosts over a real nats-server: they hold the same, whatever the server goes through, and say where they stand. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { connect as connectNewer } from "@nats-io/transport-node";
import { connect } from "nats";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import type { OpenOptions } from "../../src/options.ts";
import { open, type Tidemark } from "../../src/tidemark.ts";
import type { Change, KeyChange } from "../../src/watch.ts";
import { natsServerForTests, skipUnlessRestartable } from "./support/nats.ts";

// A config of its own makes a server ours to kill.
const server = await natsServerForTests({ config: "# to be killed" });
const tiny = await natsServerForTests({ config: "max_payload: 2048" });
const strict = await natsServerForTests({
  config: `authorization { users: [
    { user: mute, password: mute, permissions: { publish: { deny: "tidemark.>" } } },
    { user: deaf, password: deaf, permissions: { subscribe: { deny: "tidemark.>" } } } ] }`,
});
const missing = server === undefined || tiny === undefined || strict === undefined;

let namespaces = 0;
let namespace = "";
let nodes = 0;
let hosts: Tidemark[] = [];
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.close()));
  hosts = [];
  namespace = "";
  nodes = 0;
});

/** Opens a host of this test's namespace, without waiting for the others longer than a test needs. */
async function begun(options: OpenOptions = {}): Promise<Tidemark> {
  namespace ||= `r${++namespaces}`;
  const node = `n${++nodes}`;
  const host = await open({ nats: server!.url, namespace, node, joinWait: 150, heartbeat: 100, ...options });
  hosts.push(host);
  return host;
}

async function started(options?: OpenOptions): Promise<Tidemark> {
  const host = await begun(options);
  await host.ready({ timeout: "10s" });
  return host;
}

async function fleet(size: number, options?: OpenOptions): Promise<Tidemark[]> {
  return Promise.all(Array.from({ length: size }, () => started(options)));
}

async function until(condition: () => boolean, about: string, patienceMs = 20_000): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${about}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until all hold the same, and have applied the same. */
async function level(...these: Tidemark[]): Promise<void> {
  const all = these.length > 0 ? these : hosts;
  const standing = () => all.map((host) => host.status());
  const equal = () => new Set(standing().map(({ vectorHash }) => vectorHash)).size === 1;
  await until(equal, "all hosts have applied the same").catch((error: Error) => {
    const short = standing().map(({ node, state, reason, highWaterMarks, counts }) => {
      return { node, state, reason, highWaterMarks, counts };
    });
    throw new Error(`${error.message}: ${JSON.stringify(short, null, 1)}`);
  });
  expect(new Set(standing().map(({ digest }) => digest)).size).toBe(1);
  for (const { counts } of standing()) expect(counts).toMatchObject({ divergences: 0, rejected: 0 });
}

function content(host: Tidemark): Record<string, unknown> {
  const sorted = [...host.entries()].sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(
    sorted.map(([key, value]) => [key, host.type(key) === "set" ? [...(value as string[])].sort() : value]),
  );
}

describe.skipIf(missing)("hosts of one namespace", () => {
  it("come to hold the same after writes of every kind", async () => {
    const [a, b, c] = (await fleet(3)) as [Tidemark, Tidemark, Tidemark];
    a.set("text", "hello");
    b.set("bytes", Uint8Array.of(0xff, 0x00));
    c.setMany([
      ["many.1", "1"],
      ["many.2", "2"],
    ]);
    for (const host of hosts) {
      host.increment("counter", 5);
      host.increment("large", 2n ** 60n);
      host.setAdd("set", "everyone", host.node);
      host.listPush("list", `${host.node} last`);
      host.listUnshift("list", `${host.node} first`);
      host.set("contested", host.node);
      host.set(`gone.${host.node}`, "x");
    }
    await level();
    a.delete("gone.n1", "gone.n2");
    b.clear({ prefix: "gone.n3" });
    c.setRemove("set", "everyone");
    a.listPop("list");
    b.listShift("list");
    c.expire("text", "1h");
    a.set("session", "x", { ttl: "1h" });
    b.persist("text");
    await level();
    const expected = content(a);
    expect(expected).toMatchObject({ counter: "15", large: String(3n * 2n ** 60n), set: ["n1", "n2", "n3"] });
    expect(a.listLength("list")).toBe(4);
    expect(a.keys({ prefix: "gone" }).next().done).toBe(true);
    for (const host of [b, c]) expect(content(host)).toEqual(expected);
    for (const host of hosts) expect(host.ttl("session")).toBeGreaterThan(3_590_000);
    expect(
      b
        .status()
        .hosts.map(({ node, state, live }) => [node, state, live])
        .sort(),
    ).toEqual([
      ["n1", "ready", true],
      ["n3", "ready", true],
    ]);
  });

  it("bring a late one up to date by a snapshot and what came after it", async () => {
    const [a] = (await fleet(2)) as [Tidemark];
    for (let i = 0; i < 5_000; i++) a.set(`key.${i}`, `value ${i} ${"x".repeat(100)}`);
    a.setAdd("set", ...Array.from({ length: 500 }, (_, i) => `member ${i}`));
    a.increment("counter", 41);
    a.delete("key.0");
    let writing = true;
    const writer = (async () => {
      for (let i = 0; writing; i++) {
        a.set("tail", String(i));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    const late = await started();
    expect(late.get("counter"), "ready means caught up").toBe("41");
    expect(late.status()).toMatchObject({
      counts: { snapshotsInstalled: 1 },
      lastRepair: { kind: "snapshot" },
    });
    late.increment("counter");
    writing = false;
    await writer;
    await level();
    expect(content(late)).toEqual(content(a));
    expect(late.has("key.0")).toBe(false);
    expect(hosts.reduce((sum, host) => sum + host.status().counts.snapshotsServed, 0)).toBeGreaterThanOrEqual(
      1,
    );
  });

  it("do not hear those of another", async () => {
    const here = await started();
    const elsewhere = await started({ namespace: `${namespace}-other` });
    const prefixed = await started({ subjectPrefix: "acme.cache" });
    here.set("key", "here");
    elsewhere.set("key", "elsewhere");
    await Promise.all([here.flush(), elsewhere.flush()]);
    expect([here.get("key"), elsewhere.get("key"), prefixed.get("key")]).toEqual([
      "here",
      "elsewhere",
      undefined,
    ]);
    for (const host of hosts) expect(host.status().hosts).toEqual([]);
    for (const host of hosts) expect(host.status().counts.rejected).toBe(0);
  });
});

describe.skipIf(missing)("a server that is killed while hosts write", () => {
  it("costs nothing: what it may have lost is published again", async (test) => {
    skipUnlessRestartable(server!, test);
    await fleet(3);
    let writing = true;
    const made = new Map<string, number>();
    const writers = hosts.map(async (host) => {
      for (let i = 0; writing; i++) {
        for (let burst = 0; burst < 20; burst++) host.set(`${host.node}.${i}.${burst}`, "x".repeat(200));
        host.increment("counter");
        made.set(host.node, i + 1);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    for (let round = 0; round < 2; round++) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      await server!.kill();
      await until(() => hosts.every((host) => !host.status().connected), "the loss is noticed");
      await new Promise((resolve) => setTimeout(resolve, 100));
      await server!.restart();
      await until(() => hosts.every((host) => host.status().connected), "all are back");
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    writing = false;
    await Promise.all(writers);
    await Promise.all(hosts.map((host) => host.flush({ timeout: "10s" })));
    await level();
    const increments = [...made.values()].reduce((sum, count) => sum + count, 0);
    for (const host of hosts) {
      expect(host.size).toBe(20 * increments + 1);
      expect(host.get("counter")).toBe(String(increments));
      expect(host.status().counts.disconnects).toBe(2);
      expect(host.status().unconfirmedBytes).toBe(0);
    }
    expect(hosts.reduce((sum, host) => sum + host.status().counts.republished, 0)).toBeGreaterThan(0);
  });

  it("makes flush wait, not lie; aborted it rejects with the reason", async (test) => {
    skipUnlessRestartable(server!, test);
    const [a, b] = (await fleet(2)) as [Tidemark, Tidemark];
    await server!.kill();
    await until(() => hosts.every((host) => !host.status().connected), "the loss is noticed");
    a.set("key", "written without a server");
    expect(a.get("key")).toBe("written without a server");
    await expect(a.flush({ timeout: 50 })).rejects.toMatchObject({ code: "TIMEOUT" });
    await expect(a.flush({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    expect(await a.replicated({ hosts: 1, timeout: 50 })).toBe(0);
    const flushed = a.flush();
    await server!.restart();
    await flushed;
    await b.waitFor(a.token(), { timeout: "10s" });
    expect(b.get("key")).toBe("written without a server");
  });
});

describe.skipIf(missing)("how sure a write is", () => {
  it("can be asked: with the server, on other hosts, on this very host", async () => {
    const [a, b, c] = (await fleet(3)) as [Tidemark, Tidemark, Tidemark];
    a.set("key", "x");
    await a.flush();
    a.set("key", "y");
    expect(await a.replicated({ hosts: 2, timeout: "5s" })).toBe(2);
    expect([b.get("key"), c.get("key")]).toEqual(["y", "y"]);
    expect(await a.replicated({ hosts: 7, timeout: 100 })).toBe(2);
    b.increment("counter");
    const token = JSON.parse(JSON.stringify(b.token()));
    await Promise.all([a.waitFor(token), c.waitFor(token, { timeout: "5s" })]);
    expect([a.get("counter"), c.get("counter")]).toEqual(["1", "1"]);
  });

  it("ends when the caller gives up", async () => {
    const a = await started();
    const never = { incarnation: a.incarnation, seq: 99 };
    const controller = new AbortController();
    const { signal } = controller;
    a.set("key", "x");
    const waits = [a.waitFor(never, { signal }), a.replicated({ hosts: 1, timeout: "1h", signal })];
    controller.abort(new Error("given up"));
    for (const wait of waits) await expect(wait).rejects.toThrow("given up");
    await expect(a.waitFor(never, { timeout: 30 })).rejects.toMatchObject({ code: "TIMEOUT" });
    const pending = a.waitFor(never);
    await Promise.all([a.close(), expect(pending).rejects.toMatchObject({ code: "CLOSED" })]);
  });
});

describe.skipIf(missing)("a connection of the user's own", () => {
  it.each([
    ["nats", () => connect({ servers: server!.url })],
    ["@nats-io/transport-node", () => connectNewer({ servers: server!.url })],
  ])("of %s is taken, and left open", async (_, dial) => {
    const connection = await dial();
    onTestFinished(() => connection.close());
    const [mine, other] = [await started({ nats: connection }), await started()];
    // Two hosts on one connection hear each other too.
    const third = await started({ nats: connection });
    mine.set("key", "x");
    other.increment("counter");
    third.setAdd("set", "m");
    await level();
    expect([mine.get("counter"), other.get("key"), third.get("key")]).toEqual(["1", "x", "x"]);
    await mine.close();
    expect(connection.isClosed()).toBe(false);
    await connection.flush();
    third.set("after", "y");
    await other.waitFor(third.token(), { timeout: "5s" });
  });
});

describe.skipIf(missing)("messages larger than the server takes", () => {
  it("travel in pieces: a value of 5 MiB, live and in a snapshot", async () => {
    const [a, b] = (await fleet(2)) as [Tidemark, Tidemark];
    const value = Uint8Array.from({ length: 5 * 1024 * 1024 }, (_, i) => (i * 2654435761) >>> 24);
    a.set("large", value);
    expect(await a.replicated({ hosts: 1, timeout: "10s" })).toBe(1);
    expect(Buffer.compare(b.getBytes("large")!, value)).toBe(0);
    const late = await started();
    expect(Buffer.compare(late.getBytes("large")!, value)).toBe(0);
    await level();
  });

  it("travel in pieces of 2 KiB where the server takes no more", async () => {
    const [a, b] = (await fleet(2, { nats: tiny!.url })) as [Tidemark, Tidemark];
    a.set("large", "é".repeat(100_000));
    b.setAdd("set", ...Array.from({ length: 2_000 }, (_, i) => `member ${i}`));
    await level();
    expect(b.get("large")).toBe("é".repeat(100_000));
    const late = await started({ nats: tiny!.url });
    expect(late.setSize("set")).toBe(2_000);
    await level();
  });
});

describe.skipIf(missing)("a user without the permissions a host needs", () => {
  it.each(["mute", "deaf"])("fences the host, which says what to grant: %s", async (user) => {
    const host = await begun({ nats: { servers: strict!.url, user, pass: user } });
    const ready = host.ready({ timeout: "10s" });
    await expect(ready).rejects.toMatchObject({
      code: "FENCED",
      message: expect.stringMatching(/does not let this host (publish|subscribe) to .* Grant its user: /),
    });
    expect(() => host.set("key", "x")).toThrow(expect.objectContaining({ code: "FENCED" }));
    expect(host.status()).toMatchObject({
      state: "fenced",
      reason: expect.stringContaining("Grant its user"),
    });
    expect(host.size).toBe(0);
  });
});

describe.skipIf(missing)("watching", () => {
  it("tells of what other hosts write, who wrote it, and of their expiries", async () => {
    const [a, b] = (await fleet(2)) as [Tidemark, Tidemark];
    a.set("user.1", "before");
    await b.waitFor(a.token(), { timeout: "5s" });
    const seen: Change[] = [];
    const watching = (async () => {
      for await (const change of b.watch({ prefix: "user." })) {
        seen.push(change);
        if (change.type === "expire") return;
      }
    })();
    await until(() => seen.some(({ type }) => type === "synced"), "the watcher is level");
    a.set("user.1", "after");
    a.set("other", "unwatched");
    a.setAdd("user.set", "m", "n");
    a.delete("user.1");
    a.set("user.2", "brief", { ttl: 50 });
    await watching;
    const origin = a.incarnation;
    expect(seen).toMatchObject([
      { type: "set", key: "user.1", value: "before", origin: undefined },
      { type: "synced" },
      { type: "set", key: "user.1", value: "after", previous: "before", origin },
      { type: "set", key: "user.set", kind: "set", added: ["m"], origin },
      { type: "set", key: "user.set", kind: "set", added: ["n"], origin },
      { type: "delete", key: "user.1", previous: "after", origin },
      { type: "set", key: "user.2", value: "brief", origin },
      { type: "expire", key: "user.2", previous: "brief" },
    ]);
    expect(Math.abs((seen[2] as KeyChange).at - Date.now())).toBeLessThan(60_000);
  });
});

describe.skipIf(missing)("closing", () => {
  it("says goodbye, and everything written is there before", async () => {
    const [a, b] = (await fleet(2)) as [Tidemark, Tidemark];
    for (let i = 0; i < 2_000; i++) a.set(`key.${i}`, "x".repeat(500));
    await a.close();
    expect(b.size).toBe(2_000);
    await until(() => b.status().hosts[0]?.state === "leaving", "the other has heard it");
    expect(b.status().hosts[0]).toMatchObject({ node: "n1", live: false });
    expect(a.status()).toMatchObject({ state: "closed" });
    expect(() => a.set("key", "x")).toThrow(expect.objectContaining({ code: "CLOSED" }));
    await expect(a.ready()).rejects.toMatchObject({ code: "CLOSED" });
    await a[Symbol.asyncDispose]();
  });

  it("leaves nothing behind that keeps a process alive", async () => {
    namespace = `r${++namespaces}`;
    const entry = JSON.stringify(new URL("../../src/tidemark.ts", import.meta.url).href);
    const options = JSON.stringify({ nats: server!.url, namespace, joinWait: 50 });
    const program = `
      const { open } = await import(${entry});
      const kv = await open(${options});
      await kv.ready();
      const watch = kv.watch();
      await watch.next();
      kv.set("key", "x", { ttl: 60_000 });
      await kv.replicated({ hosts: 1, timeout: 10 });
      await kv.close();
      console.log("closed");`;
    const args = ["--import", "tsx", "--input-type=module", "-e", program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
    expect(stdout).toBe("closed\n");
  });
});
