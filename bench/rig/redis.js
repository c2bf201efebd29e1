/** Redis with replicas: servers of our own on free ports, without persistence. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findExecutable, searchFolders } from "../../dist/nats-server/executable.js";
import { startGuard } from "../../dist/nats-server/guard.js";
import { freePort } from "../../dist/nats-server/ready.js";
import { surroundings } from "../../dist/nats-server/surroundings.js";
import { cpuMicrosOf } from "./processes.js";

const START_LIMIT_MS = 10_000;

/** The programs, or `undefined` where they are not installed. */
export async function findRedis() {
  const folders = searchFolders(surroundings());
  const server = await findExecutable("redis-server", folders);
  const benchmark = await findExecutable("redis-benchmark", folders);
  if (server === undefined || benchmark === undefined) return undefined;
  const { stdout } = await promisify(execFile)(server, ["--version"]);
  return { server, benchmark, version: /v=(\S+)/.exec(stdout)?.[1] ?? "?" };
}

/** A master and replicas that have caught up with it. */
export async function startRedis(programs, { replicas }) {
  const master = await startOne(programs.server, []);
  const followers = [];
  for (let i = 0; i < replicas; i++) {
    followers.push(await startOne(programs.server, ["--replicaof", "127.0.0.1", String(master.port)]));
  }
  const all = [master, ...followers];
  await until(async () => {
    const infos = await Promise.all(followers.map((follower) => follower.info("replication")));
    return infos.every((info) => info.master_link_status === "up");
  });
  return {
    /**
     * Runs `redis-benchmark -t set` with these further arguments. Resolves, when the replicas have everything, to
     * the seconds that took and the processor time of master, replicas and client.
     */
    async set(options) {
      const cpuBefore = await Promise.all(all.map(({ pid }) => cpuMicrosOf(pid)));
      const startedAt = performance.now();
      const client = spawn(programs.benchmark, ["-p", String(master.port), "-t", "set", "-q", ...options], {
        stdio: "ignore",
      });
      const [code] = await once(client, "exit");
      if (code !== 0) throw new Error(`redis-benchmark ended with ${code}`);
      const target = Number((await master.info("replication")).master_repl_offset);
      await until(async () => {
        const infos = await Promise.all(followers.map((follower) => follower.info("replication")));
        return infos.every((info) => Number(info.slave_repl_offset) >= target);
      });
      const seconds = (performance.now() - startedAt) / 1_000;
      const cpuAfter = await Promise.all(all.map(({ pid }) => cpuMicrosOf(pid)));
      const [masterCpu, ...rest] = cpuAfter.map((after, index) => after - cpuBefore[index]);
      return { seconds, masterCpu, replicaCpu: rest.reduce((sum, cpu) => sum + cpu, 0) / rest.length };
    },
    end: async () => {
      for (const one of all) await one.end();
    },
  };
}

/** One server, and how to end it. */
export async function startOne(program, options) {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-redis-"));
  const guard = startGuard(directory);
  const port = await freePort();
  const own = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    directory,
    "--save",
    "",
    "--appendonly",
    "no",
  ];
  const child = spawn(program, [...own, ...options], { stdio: "ignore" });
  guard.watch(child.pid);
  const exit = once(child, "exit");
  const latest = performance.now() + START_LIMIT_MS;
  let socket;
  while (socket === undefined) {
    if (child.exitCode !== null || performance.now() > latest) throw new Error("redis-server did not start");
    socket = await dial(port);
    if (socket === undefined) await delay(20);
  }
  return {
    pid: child.pid,
    port,
    info: (section) => info(socket, section),
    end: async () => {
      socket.destroy();
      child.kill("SIGKILL");
      await exit;
      guard.dismiss();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function dial(port) {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port, noDelay: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

/** One INFO at a time per socket. */
function info(socket, section) {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk) => {
      text += chunk.toString("latin1");
      const head = /^\$(\d+)\r\n/.exec(text);
      if (head === null || text.length < head[0].length + Number(head[1]) + 2) return;
      socket.off("data", onData);
      socket.off("error", reject);
      const lines = text.split("\r\n").filter((line) => line.includes(":"));
      resolve(Object.fromEntries(lines.map((line) => line.split(/:(.*)/s).slice(0, 2))));
    };
    socket.on("data", onData);
    socket.once("error", reject);
    socket.write(`INFO ${section}\r\n`);
  });
}

async function until(isSo) {
  while (!(await isSo())) await delay(2);
}
