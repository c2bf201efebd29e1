/** The NATS transport when the server dies, stalls or moves: nothing is told that is not so. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectNewer } from "@nats-io/transport-node";
import { connect } from "nats";
import { afterAll, describe, expect, it } from "vitest";
import { startNatsServer } from "../../src/nats-server/nats-server.ts";
import { connectNats } from "../../src/transport/nats.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { bytes, count, heard, recorder, type Station, until } from "../conformance/transport.ts";
import { natsServerForTests, say } from "./support/nats.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-transport-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pidFile = join(folder, "nats.pid");
// A config of its own makes the server ours to kill; the file names the process to stall.
const server = await natsServerForTests({ config: `pid_file: ${JSON.stringify(pidFile)}` });

let namespaces = 0;
const options = (node: string, namespace: string) => ({ namespace, node, connectTimeoutMs: 5_000 });

async function started(transport: Transport, node: string): Promise<Station> {
  const station: Station = { transport, address: { node, incarnation: `${node}-1` }, told: [] };
  transport.start(station.address, recorder(station.told));
  await until(() => transport.connected, `${node} is connected`);
  return station;
}

/** Signals the server's process; false where it runs out of our sight, in a container. */
function signalServer(signal: NodeJS.Signals): boolean {
  try {
    return process.kill(Number(readFileSync(pidFile, "utf8")), signal);
  } catch {
    say("skipped: the server's process cannot be signalled from here");
    return false;
  }
}

const kinds = {
  "a connection of our own": () => ({ servers: server!.url, pingInterval: 300 }),
  "a connection of nats 2": () =>
    connect({ servers: server!.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 }),
  "a connection of @nats-io/transport-node 3": () =>
    connectNewer({ servers: server!.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 }),
};

describe.skipIf(server === undefined).each(Object.entries(kinds))("over %s", (_name, open) => {
  it("a server that is killed and started again is told as lost and found, and nothing hangs", async () => {
    const namespace = `f${++namespaces}`;
    const given = await open();
    const a = await started(await connectNats(given, options("a", namespace)), "a");
    const b = await started(await connectNats(server!.url, options("b", namespace)), "b");

    const flushes: (string | undefined)[] = [];
    const flush = () => a.transport.flush((error) => flushes.push(error?.code));
    const killed = server!.kill();
    // Published and flushed until the link is known to be down: some of these have nobody to answer.
    let issued = 0;
    while (a.transport.connected) {
      a.transport.publish("ev", a.address, bytes("lost?"));
      flush();
      issued++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await killed;
    await until(() => count(b, "disconnected") === 1, "b noticed as well");
    expect(count(a, "disconnected")).toBe(1);
    a.transport.publish("ev", a.address, bytes("into the void"));
    flush();
    await until(() => flushes.length === issued + 1, "every flush is answered while the server is down");
    expect(flushes.at(-1)).toBe("TRANSPORT");
    expect(flushes.at(-2), "the one under way when the link was lost").toBe("TRANSPORT");

    await server!.restart();
    await until(() => count(a, "connected") === 2 && count(b, "connected") === 2, "both are back");
    expect(a.transport.maxMessageBytes).toBe(1_048_576);
    a.transport.publish("ev", a.address, bytes("back"));
    b.transport.publish("rq", a.address, bytes("ask"));
    await until(() => heard(b).includes("ev back") && heard(a).includes("rq ask"), "they hear each other");
    expect(heard(b)).not.toContain("ev into the void");
    expect(flushes).toHaveLength(issued + 1);
    expect(count(a, "disconnected")).toBe(1);
    expect(count(a, "refused")).toBe(0);
    await Promise.all([a.transport.close(), b.transport.close()]);
    if ("isClosed" in given) {
      expect(given.isClosed()).toBe(false);
      await given.close();
    }
  });

  it("is closed in time while there is no server", async () => {
    const given = await open();
    const a = await started(await connectNats(given, options("a", `f${++namespaces}`)), "a");
    await server!.kill();
    await until(() => !a.transport.connected, "the loss is noticed");
    const begun = performance.now();
    await a.transport.close();
    expect(performance.now() - begun).toBeLessThan(2_100);
    expect(a.told.map(({ type }) => type)).toEqual(["connected", "disconnected"]);
    await server!.restart();
    if ("isClosed" in given) await given.close();
  });
});

describe.skipIf(server === undefined)("a link that swallows bytes", () => {
  it("is replaced, although the client waits for the bytes to be written", async () => {
    const other = await startNatsServer({ config: " ", say });
    const namespace = `f${++namespaces}`;
    const own = { servers: [server!.url, other.url], noRandomize: true, pingInterval: 200, timeout: 500 };
    const a = await started(await connectNats(own, options("a", namespace)), "a");
    const b = await started(await connectNats(other.url, options("b", namespace)), "b");
    try {
      if (!signalServer("SIGSTOP")) return;
      // More than the kernel's buffers hold.
      for (let i = 0; i < 100; i++) a.transport.publish("ev", a.address, new Uint8Array(500_000));
      let flushed: string | undefined;
      a.transport.flush((error) => {
        flushed = error?.code;
      });
      await until(() => count(a, "disconnected") === 1, "the dead link is noticed");
      expect(flushed).toBe("TRANSPORT");
      // The first server still stands there and takes nothing: only the other one can answer.
      await until(() => count(a, "connected") === 2, "another connection is there");
      a.transport.publish("ev", a.address, bytes("hello"));
      b.transport.publish("rq", a.address, bytes("ask"));
      await until(() => heard(b).includes("ev hello") && heard(a).includes("rq ask"), "they hear each other");
    } finally {
      signalServer("SIGCONT");
      await Promise.all([a.transport.close(), b.transport.close()]);
      await other[Symbol.asyncDispose]();
    }
  });
});

describe.skipIf(server === undefined)("a user's connection that is down at the start", () => {
  it.each(Object.entries(kinds).slice(1))("is waited for: %s", async (_name, open) => {
    const given = await open();
    if (!("isClosed" in given)) throw new Error("not a connection");
    await server!.kill();
    const transport = await connectNats(given, options("a", `f${++namespaces}`));
    const station: Station = { transport, address: { node: "a", incarnation: "a-1" }, told: [] };
    transport.start(station.address, recorder(station.told));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(station.told).toEqual([]);
    await server!.restart();
    await until(() => transport.connected, "it is connected");
    expect(station.told.map(({ type }) => type)).toEqual(["connected"]);
    await transport.close();
    await given.close();
  });
});
