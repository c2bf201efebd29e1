/**
 * Three nats-servers in one cluster, with a link that can be disturbed between every two of them. Each
 * runs in a process of its own that can be killed, stopped and started again on its ports.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "../../src/nats-server/find.ts";
import { type Guard, startGuard } from "../../src/nats-server/guard.ts";
import { freePort, untilReady } from "../../src/nats-server/ready.ts";
import { Link } from "./link.ts";

const READY_LIMIT_MS = 30_000;

export interface ServerOptions {
  readonly say: (line: string) => void;
  /** Further configuration of every server. */
  readonly config?: string;
  /** Default 3. */
  readonly count?: number;
}

/** One nats-server. */
export class ServerProcess {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly #command: readonly string[];
  readonly #guard: Guard;
  readonly #directory: string;
  #child: ChildProcess | undefined;
  #stopped = false;

  constructor(name: string, host: string, port: number, command: readonly string[], directory: string) {
    this.name = name;
    this.host = host;
    this.port = port;
    this.#command = command;
    this.#directory = directory;
    this.#guard = startGuard(directory);
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Starts it and settles when it greets, if it is not running. */
  async start(): Promise<void> {
    if (this.running) return;
    const [program, ...args] = this.#command;
    const child = spawn(program!, args, { stdio: "ignore" });
    this.#child = child;
    this.#stopped = false;
    let ended: string | undefined;
    child.once("error", (error) => {
      ended = error.message;
    });
    child.once("exit", (code, signal) => {
      ended = `ended with ${signal ?? code}`;
    });
    this.#guard.watch(child.pid);
    const { host, port, name } = this;
    await untilReady({ host, port, name, timeoutMs: READY_LIMIT_MS, failed: () => ended });
  }

  /** Sends a signal; a killed one is waited for. */
  async signal(name: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT" | "SIGUSR2"): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    if (name === "SIGSTOP" || name === "SIGCONT") this.#stopped = name === "SIGSTOP";
    const gone = name === "SIGKILL" || name === "SIGTERM" ? once(child, "exit") : undefined;
    child.kill(name);
    if (name === "SIGTERM" && this.#stopped) child.kill("SIGKILL");
    await gone;
  }

  /** Resident bytes, and the most there ever were of this start. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async discard(): Promise<void> {
    await this.signal("SIGKILL");
    this.#guard.dismiss();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** The cluster, and the routes between its servers by the numbers of both. */
export interface ServerCluster {
  readonly servers: readonly ServerProcess[];
  /** `route(a, b)`: the link between two servers. */
  route(one: number, other: number): Link;
  readonly routes: readonly Link[];
  discard(): Promise<void>;
}

/** Starts a cluster of servers on this machine; each dials those after it, through a link. */
export async function startServers({ say, config = "", count = 3 }: ServerOptions): Promise<ServerCluster> {
  const program = await findProgram(say);
  const clusterPorts: number[] = [];
  const links = new Map<string, Link>();
  const servers: ServerProcess[] = [];
  const discard = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.discard()));
    await Promise.all([...links.values()].map((link) => link.close()));
  };
  try {
    for (let index = 0; index < count; index++) clusterPorts.push(await freePort());
    for (let index = 0; index < count; index++) {
      const routes: string[] = [];
      for (let other = index + 1; other < count; other++) {
        const link = await Link.to(clusterPorts[other]!);
        links.set(`${index}-${other}`, link);
        routes.push(`"nats-route://127.0.0.1:${link.port}"`);
      }
      // What servers tell each other of their addresses must not lead around the links, hence the dead port.
      const cluster =
        count === 1
          ? ""
          : `cluster { name: chaos, listen: "127.0.0.1:${clusterPorts[index]}", no_advertise: true, advertise: "127.0.0.1:1", routes: [${routes.join(", ")}] }`;
      const place = { host: "127.0.0.1", port: await freePort(), config: `${cluster}\n${config}` };
      servers.push(await prepareServer(`server-${index + 1}`, [program], place));
    }
    await Promise.all(servers.map((server) => server.start()));
  } catch (error) {
    await discard();
    throw error;
  }
  return {
    servers,
    route: (one, other) => links.get(`${Math.min(one, other)}-${Math.max(one, other)}`)!,
    routes: [...links.values()],
    discard,
  };
}

/** The path of a nats-server to run as a process. */
export async function findProgram(say: (line: string) => void): Promise<string> {
  const ways = ["NATS_SERVER_BIN", "PATH", "download", "apt"] as const;
  const found = await findNatsServer({ say, own: true, ways });
  if (found.kind !== "binary") throw new Error("a nats-server to run as a process is needed");
  return found.path;
}

/** A server that is still to be started. `command` is the program, and what it is to be run under before it. */
export async function prepareServer(
  name: string,
  command: readonly string[],
  { host, port, config }: { host: string; port: number; config: string },
): Promise<ServerProcess> {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-chaos-nats-"));
  const file = join(directory, "nats.conf");
  await writeFile(file, `listen: "${host}:${port}"\nserver_name: ${name}\n${config}\n`);
  return new ServerProcess(name, host, port, [...command, "-c", file], directory);
}
