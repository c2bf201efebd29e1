/** The NATS transport against a real server: what every transport does, over every kind of connection. */
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { connect as connectNewer } from "@nats-io/transport-node";
import { connect } from "nats";
import { afterAll, describe, expect, it } from "vitest";
import { connectNats } from "../../src/transport/nats.ts";
import type { Transport } from "../../src/transport/transport.ts";
import {
  bytes,
  heard,
  recorder,
  type Station,
  transportConformance,
  until,
} from "../conformance/transport.ts";
import { natsServerForTests } from "./support/nats.ts";

const server = await natsServerForTests();
const secured = await natsServerForTests({ config: 'authorization { user: "ann", password: "p@ss" }' });
const missing = server === undefined || secured === undefined;

let namespaces = 0;
const options = (node: string, namespace = `t${++namespaces}`) => ({
  namespace,
  node,
  connectTimeoutMs: 5_000,
});

async function started(transport: Transport, node: string): Promise<Station> {
  const station: Station = { transport, address: { node, incarnation: `${node}-1` }, told: [] };
  transport.start(station.address, recorder(station.told));
  await until(() => transport.connected, `${node} is connected`);
  return station;
}

if (server !== undefined) {
  const { url } = server;
  transportConformance("NATS, a connection for each host,", () => {
    const namespace = `c${++namespaces}`;
    return { create: () => connectNats(url, options("x", namespace)) };
  });

  for (const [client, open] of [
    ["nats 2", () => connect({ servers: url })],
    ["@nats-io/transport-node 3", () => connectNewer({ servers: url })],
  ] as const) {
    transportConformance(`NATS, all hosts on one connection of ${client},`, async () => {
      const namespace = `c${++namespaces}`;
      const connection = await open();
      return {
        create: () => connectNats(connection, options("x", namespace)),
        dispose: async () => {
          expect(connection.isClosed(), "the user's connection stays open").toBe(false);
          await connection.flush();
          await connection.close();
        },
      };
    });

    describe.skipIf(missing)(`an open connection of ${client}`, () => {
      it("is left as it was found, with the user's own subscriptions", async () => {
        const connection = await open();
        let got = 0;
        connection.subscribe("mine", { callback: () => void got++ });
        const transport = await connectNats(connection, options("a"));
        const a = await started(transport, "a");
        await transport.close();
        expect(a.told.map(({ type }) => type)).toEqual(["connected"]);
        expect(connection.isClosed() || connection.isDraining()).toBe(false);
        connection.publish("mine", bytes("x"));
        await connection.flush();
        expect(got).toBe(1);
        await connection.close();
      });

      it("is refused when it is closed already, and missed aloud when it closes later", async () => {
        const connection = await open();
        const a = await started(await connectNats(connection, options("a")), "a");
        let flushed: unknown = "nothing";
        await connection.close();
        await until(() => a.told.some(({ type }) => type === "refused"), "the end is told");
        expect(a.told.map(({ type }) => type)).toEqual(["connected", "disconnected", "refused"]);
        const refused = a.told.find((told) => told.type === "refused");
        expect(refused?.error).toMatchObject({
          code: "TRANSPORT",
          message: expect.stringContaining("was closed"),
        });
        expect(a.transport.connected).toBe(false);
        a.transport.publish("ev", a.address, bytes("into the void"));
        a.transport.flush((error) => {
          flushed = error?.code;
        });
        await until(() => flushed === "TRANSPORT", "the flush fails");
        await a.transport.close();
        await expect(connectNats(connection, options("a"))).rejects.toMatchObject({ code: "CONNECT_FAILED" });
      });
    });
  }
}

describe.skipIf(missing)("a connection of our own", () => {
  it("comes from a list, a comma-separated list or options, and skips a dead server", async () => {
    const namespace = `t${++namespaces}`;
    const dead = "nats://127.0.0.1:9";
    const ways = [
      [dead, server!.url],
      `${dead}, ${server!.url}`,
      { servers: server!.url },
      new URL(server!.url),
    ];
    const stations: Station[] = [];
    for (const [i, way] of ways.entries()) {
      stations.push(await started(await connectNats(way, options(`n${i}`, namespace)), `n${i}`));
    }
    stations[0]!.transport.publish("ev", stations[0]!.address, bytes("hello"));
    for (const other of stations.slice(1)) {
      await until(() => heard(other).length === 1, "the event is there");
    }
    await Promise.all(stations.map(({ transport }) => transport.close()));
  });

  it("takes user and password from the URL, which the client would ignore", async () => {
    const url = secured!.url.replace("nats://", "nats://ann:p%40ss@");
    await (await started(await connectNats(url, options("a")), "a")).transport.close();
    const explicit = { servers: secured!.url, user: "ann", pass: "p@ss" };
    await (await started(await connectNats(explicit, options("a")), "a")).transport.close();
  });

  it("is refused at once, without the password, when the credentials are wrong", async () => {
    const begun = performance.now();
    const url = secured!.url.replace("nats://", "nats://ann:wrong@");
    const failure = await connectNats(url, { ...options("a"), connectTimeoutMs: 60_000 }).catch(
      (error) => error,
    );
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(failure).toMatchObject({
      code: "CONNECT_FAILED",
      message: expect.stringContaining("credentials"),
    });
    expect(failure.message).toContain(`127.0.0.1:${secured!.port}`);
    expect(`${failure.message} ${failure.cause}`).not.toContain("wrong");
  });

  it("is given up when nobody answers in time, with the place and what to do", async () => {
    const failure = await connectNats("nats://127.0.0.1:9", { ...options("a"), connectTimeoutMs: 400 }).catch(
      (error) => error,
    );
    expect(failure).toMatchObject({ code: "CONNECT_FAILED" });
    expect(failure.message).toContain("nats://127.0.0.1:9 within 0.4 s");
    expect(failure.cause).toBeInstanceOf(Error);
  });

  it("is given up in time when somebody accepts and says nothing", async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { port: number };
    const begun = performance.now();
    await expect(
      connectNats(`127.0.0.1:${port}`, { ...options("a"), connectTimeoutMs: 300 }),
    ).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    expect(performance.now() - begun).toBeLessThan(2_000);
    silent.close();
  });

  it("is tried for until the signal says stop", async () => {
    const stop = new AbortController();
    const waiting = connectNats("nats://127.0.0.1:9", {
      ...options("a"),
      connectTimeoutMs: Number.POSITIVE_INFINITY,
      signal: stop.signal,
    });
    setTimeout(() => stop.abort(new Error("enough")), 50);
    await expect(waiting).rejects.toThrow("enough");
  });

  it("does not keep the process alive once closed", async () => {
    const source = new URL("../../src/transport/nats.ts", import.meta.url).href;
    const program = `
      import { connectNats } from ${JSON.stringify(source)};
      const transport = await connectNats(${JSON.stringify(server!.url)}, ${JSON.stringify(options("a"))});
      const listener = { disconnected() {}, received() {}, refused() {}, connected: async () => {
        await transport.close();
        const closed = Date.now();
        process.on("exit", () => console.log(Date.now() - closed));
      } };
      transport.start({ node: "a", incarnation: "a-1" }, listener);`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "-e", program],
      { timeout: 20_000 },
    );
    expect(Number(stdout)).toBeLessThan(500);
  });
});

describe.skipIf(missing)("two prefixes on one server", () => {
  const stations: Station[] = [];
  afterAll(() => Promise.all(stations.map(({ transport }) => transport.close())));

  it("do not hear each other, nor messages on subjects that no host has", async () => {
    const first = { ...options("a"), subjectPrefix: "acme.cache" };
    const second = { ...options("b"), subjectPrefix: "acme.other" };
    const third = { ...options("c", first.namespace), subjectPrefix: "acme.cache" };
    for (const way of [first, second, third]) {
      stations.push(await started(await connectNats(server!.url, way), way.node));
    }
    const [a, b, c] = stations;
    const connection = await connect({ servers: server!.url });
    for (const subject of ["ev.a", "ev.a.b.c", "ev.a.b-1!", "hb.a"]) {
      connection.publish(`acme.cache.${subject}`, bytes("odd"));
    }
    await connection.flush();
    c!.transport.publish("hb", c!.address, bytes("hello"));
    await until(() => heard(a!).length > 0, "a hears c");
    expect(heard(a!, true)).toEqual(["hb c/c-1 hello"]);
    expect(heard(b!)).toEqual([]);
    await connection.close();
  });
});
