/** A server of a test: a process and its folder, both gone with the test, also when that is killed. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startGuard } from "../../src/nats-server/guard.ts";

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  readonly process: ChildProcess;
}

/** A folder that is removed with this process at the latest. */
export async function guardedFolder(
  name: string,
): Promise<{ directory: string; guard: ReturnType<typeof startGuard> }> {
  const directory = await mkdtemp(join(tmpdir(), `tidemark-${name}-`));
  return { directory, guard: startGuard(directory) };
}

/** Starts a server and waits until it answers. Throws with what it printed last if it does not within the limit. */
export async function startServer(options: {
  command: string;
  args: readonly string[];
  port: number;
  directory: string;
  guard: ReturnType<typeof startGuard>;
  answers: () => Promise<boolean>;
  limitMs: number;
  spawn?: SpawnOptions;
}): Promise<TestServer> {
  const { command, args, port, directory, guard, answers, limitMs } = options;
  const child = spawn(command, [...args], {
    cwd: directory,
    ...options.spawn,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on("data", (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-2_000);
    });
  }
  guard.watch(child.pid);
  let ended = false;
  child.on("error", (error) => {
    printed += error.message;
    ended = true;
  });
  child.on("exit", () => {
    ended = true;
  });
  const dispose = async (): Promise<void> => {
    if (!ended) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    guard.dismiss();
    await rm(directory, { recursive: true, force: true });
  };
  const until = performance.now() + limitMs;
  while (!(await answers().catch(() => false))) {
    if (ended || performance.now() > until) {
      await dispose();
      throw new Error(`${command} did not answer within ${limitMs} ms; it printed: ${printed}`);
    }
    await delay(50);
  }
  return { port, directory, process: child, [Symbol.asyncDispose]: dispose };
}
