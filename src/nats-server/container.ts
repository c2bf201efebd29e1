/**
 * A nats-server in a container, started through `testcontainers`, whose reaper removes it when this process is
 * gone. Ending and starting again address the container itself, so that the server keeps what it stored and
 * comes back on the same port of the host.
 */
import { rm } from "node:fs/promises";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import type { StartedTestContainer } from "testcontainers";
import { loadTestcontainers, type Testcontainers } from "./docker.ts";
import { untilReady } from "./ready.ts";
import { configText, LogTail, READY_LIMIT_MS, type Runner, type ServerSettings } from "./runner.ts";

const PORT_INSIDE = 4222;
const CONFIG_INSIDE = "/tidemark-nats.conf";
const STORE_INSIDE = "/tidemark-store";
const LABEL = "tidemark.nats-server";
/** How long the server may take to end by itself before the engine kills it. */
const END_LIMIT_S = 10;

/** Runs the image with a fixed port of the host in front of it. */
export async function containerRunner(image: string, settings: ServerSettings): Promise<Runner> {
  const containers = await loadTestcontainers();
  if (containers === undefined) throw new Error("testcontainers is not installed");
  const client = await containers.getContainerRuntimeClient();
  const host = client.info.containerRuntime.host;
  const log = new LogTail();
  let started: StartedTestContainer | undefined;

  function handle() {
    return started === undefined ? undefined : client.container.getById(started.getId());
  }

  async function follow(): Promise<void> {
    const container = handle();
    if (container === undefined) return;
    const { State } = await container.inspect();
    const since = Date.parse(State.StartedAt) / 1000;
    record(await client.container.logs(container, { since }), log);
  }

  async function launch(port: number): Promise<void> {
    if (started === undefined) started = await create(containers!, image, settings, { port, log });
    else {
      await handle()?.start();
      await follow();
    }
    const { name, signal } = settings;
    await untilReady({ host, port, name, timeoutMs: READY_LIMIT_MS, signal, failed: () => undefined });
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const container = handle();
    if (container === undefined || !(await container.inspect()).State.Running) return;
    if (signal === "SIGTERM") await container.stop({ t: END_LIMIT_S });
    else {
      await container.kill({ signal });
      await container.wait();
    }
  }

  return {
    host,
    launch,
    end,
    discard: async () => {
      // Found by its label, since a container that was made and could not be started has no other handle.
      let left = await client.container.fetchByLabel(LABEL, basename(settings.directory));
      while (left !== undefined) {
        await left.remove({ force: true, v: true });
        left = await client.container.fetchByLabel(LABEL, basename(settings.directory));
      }
      started = undefined;
      await rm(settings.directory, { recursive: true, force: true });
    },
    logs: () => log.text(),
  };
}

function create(
  containers: Testcontainers,
  image: string,
  settings: ServerSettings,
  place: { port: number; log: LogTail },
): Promise<StartedTestContainer> {
  const content = configText(settings, { host: "0.0.0.0", port: PORT_INSIDE, store: STORE_INSIDE });
  return (
    new containers.GenericContainer(image)
      .withCommand(["-c", CONFIG_INSIDE])
      .withCopyContentToContainer([{ content, target: CONFIG_INSIDE }])
      .withLabels({ [LABEL]: basename(settings.directory) })
      .withExposedPorts({ container: PORT_INSIDE, host: place.port })
      .withLogConsumer((stream) => record(stream, place.log))
      // The official image has no shell in it, so nothing that runs a command inside can be waited for.
      .withWaitStrategy(containers.Wait.forLogMessage(/Server is ready/))
      .withStartupTimeout(READY_LIMIT_MS)
      .start()
  );
}

function record(stream: Readable, log: LogTail): void {
  stream.on("data", (chunk: Buffer | string) => log.append(String(chunk)));
  // A log that breaks off with its container is not an error of the server.
  stream.on("error", () => undefined);
}
