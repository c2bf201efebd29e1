/**
 * A Docker engine, reached through `testcontainers`, which is loaded only when an engine has answered: it is
 * an optional package, slow to load, and slow to give up where there is no engine.
 */
import { request } from "node:http";
import { connect } from "node:net";
import { type Missing, missing, reasonOf, type ServerImage } from "./outcome.ts";
import type { Surroundings } from "./surroundings.ts";

/** The image run; any tag of the official one takes the same command line. */
export const NATS_IMAGE = "nats:2";

const PING_LIMIT_MS = 2_000;
const PULL_LIMIT_MS = 120_000;

/** An engine that holds the image, pulling it where it does not yet. */
export async function findImage(
  around: Pick<Surroundings, "env">,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<ServerImage | Missing> {
  const refused = await pingEngine(around.env);
  if (refused !== undefined) return missing(`no Docker engine answers at ${refused}`);
  const containers = await loadTestcontainers();
  if (containers === undefined)
    return missing("a Docker engine answers, but testcontainers is not installed");
  try {
    await within(PULL_LIMIT_MS, holdImage(containers, say), signal);
    return { kind: "image", image: NATS_IMAGE };
  } catch (error) {
    signal?.throwIfAborted();
    return missing(`the Docker engine cannot get ${NATS_IMAGE}: ${reasonOf(error)}`);
  }
}

/** The package `testcontainers`, or undefined where it is not installed. */
export async function loadTestcontainers() {
  try {
    return await import("testcontainers");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** `testcontainers` once it is loaded. */
export type Testcontainers = NonNullable<Awaited<ReturnType<typeof loadTestcontainers>>>;

async function holdImage(containers: Testcontainers, say: (line: string) => void): Promise<void> {
  const client = await containers.getContainerRuntimeClient();
  const image = containers.ImageName.fromString(NATS_IMAGE);
  if (await client.image.exists(image)) return;
  say(`nats-server: pulling the image ${NATS_IMAGE}`);
  await client.image.pull(image);
}

/** Undefined when an engine answers, otherwise where it was looked for and what happened. */
async function pingEngine(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const address = env.DOCKER_HOST || "unix:///var/run/docker.sock";
  try {
    const url = new URL(address);
    if (url.protocol === "unix:") await pingSocket(url.pathname);
    else if (url.protocol === "tcp:" || url.protocol === "http:" || url.protocol === "https:")
      await dial(url);
    else return `${address} (neither a unix socket nor tcp)`;
    return undefined;
  } catch (error) {
    return `${address} (${reasonOf(error)})`;
  }
}

function pingSocket(socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: "/_ping", timeout: PING_LIMIT_MS }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`answered ${response.statusCode}`));
    });
    call.on("timeout", () => call.destroy(new Error(`no answer in ${PING_LIMIT_MS} ms`)));
    call.on("error", reject);
    call.end();
  });
}

// Over tcp the engine may speak TLS with certificates testcontainers knows of; that it listens is enough here.
function dial(url: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: Number(url.port || 2375), timeout: PING_LIMIT_MS });
    socket.on("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.on("timeout", () => socket.destroy(new Error(`no answer in ${PING_LIMIT_MS} ms`)));
    socket.on("error", reject);
  });
}

/** Settles as the work does, or rejects when the time is over or the caller has had enough. */
async function within<T>(limitMs: number, work: Promise<T>, signal?: AbortSignal): Promise<T> {
  const limit = AbortSignal.timeout(limitMs);
  const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  return await new Promise<T>((resolve, reject) => {
    const stopped = () => reject(stop.reason);
    stop.addEventListener("abort", stopped, { once: true });
    work.then(resolve, reject).finally(() => stop.removeEventListener("abort", stopped));
  });
}
