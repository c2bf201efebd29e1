/** The module that finds and runs a nats-server, against real ones: a process, and a container. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { connect as dial } from "node:net";
import { connect } from "nats";
import { describe, expect, it } from "vitest";
import { type NatsServer, startNatsServer } from "../../src/nats-server/nats-server.ts";
import { natsServerForTests, say, skipUnlessRestartable } from "./support/nats.ts";

const server = await natsServerForTests({ jetstream: true });

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Puts a value into a JetStream stream and says how many it holds. */
async function addMessage(url: string): Promise<number> {
  const connection = await connect({ servers: url });
  try {
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: "KEPT", subjects: ["kept.>"] });
    await connection.jetstream().publish("kept.one", "1");
    return (await manager.streams.info("KEPT")).state.messages;
  } finally {
    await connection.close();
  }
}

/** What every way of running promises: same port, same store, down when it is said to be down. */
async function keepsItsPromises(subject: NatsServer): Promise<void> {
  expect(await addMessage(subject.url)).toBe(1);
  await subject.restart();
  expect(await addMessage(subject.url), "the store survives a restart").toBe(2);
  await subject.kill();
  expect(await isListening(subject.port), "down after kill").toBe(false);
  await subject.restart();
  expect(await addMessage(subject.url), "the store survives a kill").toBe(3);
  await subject.stop();
  expect(await isListening(subject.port), "down after stop").toBe(false);
  await subject.stop();
  await subject.restart();
  expect(subject.logs()).toContain("Server is ready");
  await subject[Symbol.asyncDispose]();
  expect(await isListening(subject.port), "down after disposal").toBe(false);
  expect(existsSync(subject.directory ?? ""), "its folder is removed").toBe(false);
}

describe.skipIf(server === undefined)("a nats-server for this test file", () => {
  it("greets, and has the JetStream that was asked for", async () => {
    const connection = await connect({ servers: server!.url });
    expect(connection.info?.jetstream).toBe(true);
    await connection.close();
  });

  it("stops, dies and comes back on the same port with the same store", async (test) => {
    skipUnlessRestartable(server!, test);
    await using subject = await startNatsServer({
      jetstream: true,
      name: "promises",
      say,
      ways: [server!.way],
    });
    await keepsItsPromises(subject);
  });

  it("takes further configuration", async (test) => {
    skipUnlessRestartable(server!, test);
    await using own = await startNatsServer({ config: "max_payload: 2000", say, ways: [server!.way] });
    const connection = await connect({ servers: own.url });
    expect(connection.info?.max_payload).toBe(2000);
    await connection.close();
  });

  it("says what the server said when it does not start", async (test) => {
    skipUnlessRestartable(server!, test);
    const attempt = startNatsServer({ config: "bogus: 1", say, ways: [server!.way] });
    await expect(attempt).rejects.toMatchObject({
      code: "CONNECT_FAILED",
      message: expect.stringMatching(/did not start: .*unknown field "bogus"/),
    });
  });

  it("does not take a stranger on its port for itself", async (test) => {
    skipUnlessRestartable(server!, test);
    const attempt = startNatsServer({ port: server!.port, say, ways: [server!.way] });
    await expect(attempt).rejects.toMatchObject({ code: "CONNECT_FAILED" });
  });

  it("is used where it runs, and never stopped, when NATS_URL names it", async () => {
    const env = { ...process.env, NATS_URL: server!.url };
    const borrowed = await startNatsServer({ env, jetstream: true, say });
    expect(borrowed).toMatchObject({ restartable: false, way: "NATS_URL", port: server!.port });
    await borrowed.stop();
    await borrowed[Symbol.asyncDispose]();
    expect(await isListening(server!.port)).toBe(true);
    await expect(borrowed.restart()).rejects.toThrow(TypeError);
    await expect(borrowed.kill()).rejects.toThrow(TypeError);
  });

  it("does not outlive the process that started it, even one that is killed", async (test) => {
    skipUnlessRestartable(server!, test);
    const script = `
      import { startNatsServer } from ${JSON.stringify(new URL("../../src/nats-server/nats-server.ts", import.meta.url).href)};
      const server = await startNatsServer({ ways: [${JSON.stringify(server!.way)}], say: () => undefined });
      console.log(JSON.stringify({ port: server.port, directory: server.directory }));
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const said = await new Promise<string>((resolve) =>
      parent.stdout.once("data", (chunk) => resolve(String(chunk))),
    );
    const { port, directory }: { port: number; directory: string } = JSON.parse(said);
    expect(await isListening(port)).toBe(true);
    parent.kill("SIGKILL");
    await expect.poll(() => isListening(port), { timeout: 10_000 }).toBe(false);
    await expect.poll(() => existsSync(directory), { timeout: 10_000 }).toBe(false);
  });
});

// Whoever has started an engine for the tests says so, and then a silent skip would be a lie.
const dockerExpected = process.env.TIDEMARK_EXPECT_DOCKER === "1";

describe("a nats-server in a container", () => {
  it("stops, dies and comes back on the same port with the same store", {
    timeout: 180_000,
  }, async (test) => {
    let contained: NatsServer;
    try {
      contained = await startNatsServer({ jetstream: true, say, ways: ["docker"] });
    } catch (error) {
      if (dockerExpected) throw error;
      say(`skipped for want of a Docker engine: ${error instanceof Error ? error.message : String(error)}`);
      return test.skip("no Docker engine that runs nats-server");
    }
    await using subject = contained;
    await keepsItsPromises(subject);
  });
});
