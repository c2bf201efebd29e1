/** A nats-server as a child process with a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startGuard } from "./guard.ts";
import { untilReady } from "./ready.ts";
import { configText, LogTail, READY_LIMIT_MS, type Runner, type ServerSettings } from "./runner.ts";

const HOST = "127.0.0.1";
/** How long a server may take to end by itself before it is killed. */
const END_LIMIT_MS = 10_000;

/** Runs the program at a path, listening on the loopback address only. */
export function processRunner(path: string, settings: ServerSettings): Runner {
  const guard = startGuard(settings.directory);
  const log = new LogTail();
  let child: ChildProcess | undefined;

  async function launch(port: number): Promise<void> {
    const file = join(settings.directory, "nats.conf");
    const store = join(settings.directory, "store");
    await writeFile(file, configText(settings, { host: HOST, port, store }));
    const started = spawn(path, ["-c", file], { stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    let ended: string | undefined;
    started.once("error", (error) => {
      ended = error.message;
    });
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => log.append(chunk));
    }
    guard.watch(started.pid);
    // Close comes after exit, when the last it wrote has been read.
    started.once("close", () => {
      ended ??= `ended before it was ready: ${log.lastLine()}`;
      if (child === started) guard.watch(undefined);
    });
    const { name, signal } = settings;
    await untilReady({ host: HOST, port, name, timeoutMs: READY_LIMIT_MS, signal, failed: () => ended });
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child;
    child = undefined;
    if (ending?.pid !== undefined && !hasEnded(ending)) await endProcess(ending, signal);
    guard.watch(undefined);
  }

  return {
    host: HOST,
    launch,
    end,
    discard: async () => {
      await end("SIGKILL");
      guard.dismiss();
      await rm(settings.directory, { recursive: true, force: true });
    },
    logs: () => log.text(),
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, "close");
  child.kill(signal);
  const patience = new AbortController();
  const late = delay(END_LIMIT_MS, undefined, { signal: patience.signal }).then(
    () => child.kill("SIGKILL"),
    () => undefined, // the wait was called off because the process has ended
  );
  await exit;
  patience.abort();
  await late;
}
