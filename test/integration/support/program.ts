/** The built program as a process: started, spoken to, and ended with the test. Needs `npm run build`. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, expect } from "vitest";

/** The built program. */
export const MAIN = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));
if (!existsSync(MAIN)) throw new Error("dist/ is not there: npm run build");

const running = new Set<ChildProcess>();

/** To be called at the top of a test file: what was started ends with each test, or with the file. */
export function endWhatRuns(end: "with each test" | "with the file" = "with each test"): void {
  (end === "with the file" ? afterAll : afterEach)(() => {
    for (const child of running) child.kill("SIGKILL");
    running.clear();
  });
}

/** The environment without what would reach into the tests. */
export function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const names = /^(TIDEMARK_|NATS_URL|CLIENT_|STATE_REPL|REPLAY_|DEBUG|NO_COLOR|FORCE_COLOR|NODE_OPTIONS)/;
  const kept = Object.entries(process.env).filter(([name]) => !names.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

/** Starts the program; what it is given on standard input has to be all of it. */
export function start(
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
  input?: string | Uint8Array,
): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: environment(env),
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  // It may have ended before it read what it is given.
  child.stdin?.on("error", () => undefined).end(input);
  running.add(child);
  return child;
}

/** How a program ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Settles once a program has ended. */
export async function ended(child: ChildProcess): Promise<Ended> {
  let out = "";
  let err = "";
  child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
  });
  child.stderr!.setEncoding("utf8").on("data", (chunk: string) => {
    err += chunk;
  });
  const [code] = await once(child, "close");
  running.delete(child);
  return { code: code as number | null, out, err };
}

/** Runs the program to its end. */
export function run(
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
  input?: string | Uint8Array,
): Promise<Ended> {
  return ended(start(args, env, input));
}

/** A host of `serve --json` and the events it has told of. */
export class Served {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #lines: AsyncIterator<string>;

  constructor(args: readonly string[], env?: NodeJS.ProcessEnv) {
    this.child = start(["serve", "--json", ...args], env);
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
    this.ended = ended(this.child);
  }

  /** The next event, which must be of that name. */
  async next(event: string): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`it ended before it told of ${event}: ${(await this.ended).err}`);
    const told = JSON.parse(value as string) as Record<string, unknown>;
    expect(told).toMatchObject({ event });
    return told;
  }

  /** Where it listens; once for each door, in the order Redis protocol, HTTP. */
  async listening(): Promise<string> {
    return (await this.next("listening")).url as string;
  }
}
