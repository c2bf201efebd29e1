/** `tidemark serve` as a process, and redis-benchmark against it or against Redis. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cpuMicrosOf } from "../rig/processes.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** Keys and members are drawn from so many. */
const RANDOM = 100_000;

/** A host that is ready, and how to end it. */
export async function startHost(...options) {
  const args = [MAIN, "serve", "--json", "--http", "off", "--resp", "0", ...options];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  let port = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const told = JSON.parse(line);
    if (told.event === "listening") port = told.port;
    if (told.event !== "ready") continue;
    const end = async () => {
      child.kill("SIGTERM");
      await exit;
    };
    return { pid: child.pid, port, end };
  }
  throw new Error("the host did not start");
}

/** Requests per second, milliseconds at the 99th percentile, and the server's microseconds for one request. */
export async function load(program, server, { test, requests, pipeline, clients }) {
  const before = await cpuMicrosOf(server.pid);
  const sizes = {
    "-p": server.port,
    "-t": test,
    "-n": requests,
    "-P": pipeline,
    "-c": clients,
    "-r": RANDOM,
  };
  const args = Object.entries(sizes).flatMap(([flag, value]) => [flag, String(value)]);
  const { stdout } = await promisify(execFile)(program, [...args, "--csv"]);
  const after = await cpuMicrosOf(server.pid);
  const [head, values] = stdout
    .trim()
    .split("\n")
    .slice(-2)
    .map((line) => line.split(",").map((cell) => cell.replaceAll('"', "")));
  const value = (name) => Number(values[head.indexOf(name)]);
  return { perSecond: value("rps"), p99: value("p99_latency_ms"), micros: (after - before) / requests };
}

/** Bytes of memory that a process holds. */
export async function residentBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) * 1_024;
}
