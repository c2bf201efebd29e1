/** Programs on this machine: finding one by name, asking a nats-server its version, running one to its end. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { type Missing, missing, reasonOf, type ServerBinary } from "./outcome.ts";
import type { Surroundings } from "./surroundings.ts";

const VERSION_LIMIT_MS = 5_000;
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;
const run = promisify(execFile);

/** The folders a program is looked for in: the PATH, then the ones it tends to lack. */
export function searchFolders(around: Pick<Surroundings, "env" | "sbin">): string[] {
  const path = (around.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...new Set([...path, ...around.sbin])];
}

/** The first executable file of that name, or undefined. */
export async function findExecutable(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** Whether a file is there that this user may run. */
export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Absent and not permitted are the same answer here: it cannot be run.
    return false;
  }
}

/** A nats-server that says its version when asked; a file of another kind or machine does not. */
export async function askVersion(path: string, signal?: AbortSignal): Promise<ServerBinary | Missing> {
  if (!(await isExecutable(path))) return missing(`${path} is not an executable file`);
  try {
    const { stdout } = await run(path, ["--version"], { timeout: VERSION_LIMIT_MS, signal });
    const version = /nats-server: v?(\S+)/.exec(stdout)?.[1];
    if (version === undefined) return missing(`${path} --version did not answer as a nats-server does`);
    return { kind: "binary", path, version };
  } catch (error) {
    signal?.throwIfAborted();
    return missing(`${path} --version failed: ${reasonOf(error)}`);
  }
}

/** Runs a program to its end within a time; rejects with the last line it wrote where it fails. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  limits: { env: NodeJS.ProcessEnv; timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  try {
    await run(program, [...args], {
      env: limits.env,
      timeout: limits.timeoutMs,
      signal: limits.signal,
      maxBuffer: OUTPUT_LIMIT_BYTES,
    });
  } catch (error) {
    limits.signal?.throwIfAborted();
    const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    const last = stderr.split("\n").at(-1);
    throw new Error(`${program} ${args[0] ?? ""}: ${last || reasonOf(error)}`);
  }
}
