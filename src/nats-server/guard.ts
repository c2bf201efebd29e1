/**
 * Nothing this module starts outlives the process that started it, however that ends: an exit hook is not run
 * when a process is killed. So a small shell waits on a pipe from this process; the pipe closes when we are
 * gone, and the shell then kills the server it was last told of and removes its folder.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";

// Reads process ids, one a line, an empty line for none, until the pipe closes.
const SCRIPT = `pid=; while read -r line; do pid=$line; done; [ -z "$pid" ] || kill -9 "$pid"; rm -rf -- "$1"`;

/** Watches over one server at a time and its folder. */
export interface Guard {
  /** The process to kill when this one is gone; undefined while there is none. */
  watch(pid: number | undefined): void;
  /** The guard ends, and the folder is removed with it. */
  dismiss(): void;
}

/** Starts a guard over a folder. */
export function startGuard(directory: string): Guard {
  // Detached, so that a Ctrl-C at the terminal ends the program and not the guard before it has done its work.
  const shell = spawn("/bin/sh", ["-c", SCRIPT, "tidemark-guard", directory], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // Without a shell there is no guard, which costs a leftover after a crash and nothing else.
  shell.on("error", () => undefined);
  shell.stdin.on("error", () => undefined);
  shell.unref();
  (shell.stdin as unknown as Socket).unref();
  return {
    watch: (pid) => void shell.stdin.write(`${pid ?? ""}\n`),
    dismiss: () => void shell.stdin.end("\n"),
  };
}
