/**
 * A nats-server for whatever in the project needs one: the demo, the tests, the benchmarks. It is found or
 * fetched (`find.ts`), run with a port and a folder of its own, and never left behind. The store itself never
 * starts a server; it is given the address of one.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { TidemarkError } from "../errors.ts";
import { containerRunner } from "./container.ts";
import { addressOf, type FindOptions, type FoundNatsServer, findNatsServer } from "./find.ts";
import { reasonOf, WAYS, type Way } from "./outcome.ts";
import { processRunner } from "./process.ts";
import { freePort } from "./ready.ts";
import type { Runner, ServerSettings } from "./runner.ts";

/** A server to start, and where to look for it. */
export interface StartOptions extends Omit<FindOptions, "own"> {
  /** With JetStream, stored in the server's own folder. Default: without. */
  readonly jetstream?: boolean | undefined;
  /** Further text in nats-server's configuration language. It rules out a server that already runs. */
  readonly config?: string | undefined;
  /** The port to listen on. It rules out a server that already runs. Default: a free one. */
  readonly port?: number | undefined;
  /** The name the server greets with. Default: one of its own. Do not set `server_name` in `config`. */
  readonly name?: string | undefined;
}

/** A nats-server that runs. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Which way it was come by. */
  readonly way: Way;
  /** False for a server that is not ours: it can be neither stopped, killed nor restarted. */
  readonly restartable: boolean;
  /** Its folder, removed with it; undefined for a server that is not ours. */
  readonly directory: string | undefined;
  /** Ends it, by SIGTERM unless told otherwise, and keeps what it stored. Does nothing to a server not ours. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it by SIGKILL, as a crash would, and keeps what it stored. */
  kill(): Promise<void>;
  /** Ends it where it runs, and starts it on the same port with the same store. */
  restart(): Promise<void>;
  /** The last of what it wrote; empty for a server that is not ours. */
  logs(): string;
}

const PORT_TRIES = 3;

/**
 * Finds a nats-server and runs it. Dispose of it to end it and remove its folder; should this process end
 * before that, the server is killed.
 */
export async function startNatsServer(options: StartOptions): Promise<NatsServer> {
  const own = options.config !== undefined || options.port !== undefined || options.name !== undefined;
  const found = await findNatsServer({ ...options, own });
  if (found.kind === "running") return borrowed(found.url);
  try {
    return await run(found, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    const rest = waysAfter(found.way, options.ways);
    // An engine may answer and hold the image and still be unable to run it; there are ways left then.
    if (found.kind !== "image" || rest.length === 0) throw didNotStart(found, error);
    options.say(`nats-server: not by ${found.way} after all: ${reasonOf(error)}`);
    return startNatsServer({ ...options, ways: rest });
  }
}

function waysAfter(way: Way, wanted: readonly Way[] = WAYS): Way[] {
  return WAYS.slice(WAYS.indexOf(way) + 1).filter((later) => wanted.includes(later));
}

function didNotStart(found: FoundNatsServer, cause: unknown): TidemarkError {
  const what = found.kind === "binary" ? found.path : found.way;
  return new TidemarkError("CONNECT_FAILED", `nats-server (${what}) did not start: ${reasonOf(cause)}`, {
    cause,
  });
}

async function run(found: ServerOfOurs, options: StartOptions): Promise<NatsServer> {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-nats-"));
  const settings: ServerSettings = {
    name: options.name ?? basename(directory),
    jetstream: options.jetstream ?? false,
    config: options.config ?? "",
    directory,
    signal: options.signal,
  };
  let runner: Runner | undefined;
  try {
    for (let attempt = 1; ; attempt++) {
      runner ??= await runnerFor(found, settings);
      const port = options.port ?? (await freePort());
      try {
        await runner.launch(port);
        return owned(runner, { port, way: found.way, directory });
      } catch (error) {
        // A free port may be taken by someone else before the server has it.
        await runner.end("SIGKILL");
        const taken = /address already in use|port is already allocated/.test(
          `${reasonOf(error)}${runner.logs()}`,
        );
        if (options.port !== undefined || attempt === PORT_TRIES || !taken) throw error;
      }
    }
  } catch (error) {
    if (runner === undefined) await rm(directory, { recursive: true, force: true });
    else await runner.discard();
    throw error;
  }
}

function runnerFor(found: ServerOfOurs, settings: ServerSettings): Runner | Promise<Runner> {
  return found.kind === "binary"
    ? processRunner(found.path, settings)
    : containerRunner(found.image, settings);
}

type ServerOfOurs = Exclude<FoundNatsServer, { kind: "running" }>;

function owned(runner: Runner, known: { port: number; way: Way; directory: string }): NatsServer {
  return {
    ...known,
    url: `nats://${runner.host}:${known.port}`,
    restartable: true,
    stop: (signal = "SIGTERM") => runner.end(signal),
    kill: () => runner.end("SIGKILL"),
    restart: async () => {
      await runner.end("SIGTERM");
      await runner.launch(known.port);
    },
    logs: () => runner.logs(),
    [Symbol.asyncDispose]: () => runner.discard(),
  };
}

function borrowed(url: string): NatsServer {
  const refuse = () =>
    Promise.reject(new TypeError("the server of NATS_URL is not ours to restart; check `restartable` first"));
  const leave = () => Promise.resolve();
  return {
    url,
    port: addressOf(url).port,
    way: "NATS_URL",
    restartable: false,
    directory: undefined,
    stop: leave,
    kill: refuse,
    restart: refuse,
    logs: () => "",
    [Symbol.asyncDispose]: leave,
  };
}
