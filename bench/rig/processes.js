/**
 * Other processes of a measurement: our own, which are asked over their channel (`roles/`), and servers, of
 * which only the processor time is wanted.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";

/** Linux counts processor time in hundredths of a second for whoever asks from outside. */
const TICKS_PER_SECOND = 100;

/** Starts a role and gives something to ask it with. */
export function startRole(name, { execArgv = [] } = {}) {
  const child = fork(new URL(`../roles/${name}.js`, import.meta.url), {
    execArgv: ["--expose-gc", ...execArgv],
  });
  const open = new Map();
  let lastId = 0;
  child.on("message", ({ id, result, error }) => {
    const { resolve, reject } = open.get(id);
    open.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(`${name}: ${error}`));
  });
  child.once("exit", (code, signal) => {
    for (const { reject } of open.values()) reject(new Error(`${name} ended early (${signal ?? code})`));
  });
  return {
    pid: child.pid,
    /** Has the role do something; resolves to what it answers. */
    ask: (task, input = {}) =>
      new Promise((resolve, reject) => {
        open.set(++lastId, { resolve, reject });
        child.send({ id: lastId, task, input });
      }),
    /** Lets it end by itself: it does when nobody is connected to it any more. */
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      if (child.connected) child.disconnect();
      await exit;
    },
  };
}

/** Answers the questions of `startRole` in the process that was started. */
export function serveRole(tasks) {
  process.on("message", async ({ id, task, input }) => {
    try {
      process.send({ id, result: await tasks[task](input) });
    } catch (error) {
      process.send({ id, error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.once("disconnect", () => process.exit());
}

/** Microseconds of processor time that this process has used. */
export function cpuMicros() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** What is freed takes a turn or two until it is told as free. Needs `--expose-gc`, which `startRole` gives. */
export async function settledHeapBytes() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Microseconds of a clock that all processes of one machine share. */
export function sharedMicros() {
  return Number(process.hrtime.bigint()) / 1_000;
}

/** As `cpuMicros`, of another process; NaN where the system does not tell. */
export async function cpuMicrosOf(pid) {
  if (pid === undefined) return Number.NaN;
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The program's name stands in parentheses and may hold anything; user and system time are 12th and 13th after.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN; // no /proc, or the process is gone: then the table shows no figure
  }
}

/** The process whose command line names a file; `undefined` where that cannot be found out. */
export async function pidNaming(file) {
  const entries = await readdir("/proc").catch(() => []);
  for (const entry of entries) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    if (line.split("\0").includes(file)) return Number(entry);
  }
  return undefined;
}
