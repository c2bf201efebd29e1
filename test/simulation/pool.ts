/** Many seeds, in several processes. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Report } from "./summary.ts";

/** Which seeds one process runs. */
export interface Share {
  readonly from: number;
  /** Of so many, beginning with `from`, … */
  readonly seeds: number;
  /** … every so manieth. */
  readonly stride: number;
  /** None is begun after this moment, milliseconds since 1970; absent: all are. */
  readonly endsAt?: number;
}

/**
 * A process of ours: TypeScript as it is, and room for the short-lived, of which a simulation makes a lot.
 * Given in full, for what the parent runs with is another matter under every runner.
 */
export const EXEC_ARGV: readonly string[] = ["--import", "tsx", "--max-semi-space-size=64"];

/**
 * Runs seeds `from` to `from + seeds - 1`, or as many of them as can be begun within `withinMs`; `report` hears
 * of each as it ends.
 */
export async function runSeeds(
  { from, seeds, jobs, withinMs }: { from: number; seeds: number; jobs: number; withinMs?: number },
  report: (report: Report) => void,
): Promise<void> {
  const ends = withinMs === undefined ? {} : { endsAt: Date.now() + withinMs };
  const worker = fileURLToPath(new URL("worker.ts", import.meta.url));
  await Promise.all(
    Array.from({ length: Math.min(jobs, seeds) }, (_, job) => {
      const share: Share = { from: from + job, seeds: seeds - job, stride: jobs, ...ends };
      return new Promise<void>((resolve, reject) => {
        const child = fork(worker, [JSON.stringify(share)], { execArgv: [...EXEC_ARGV] });
        child.on("message", (message) => report(message as Report));
        child.on("error", reject);
        child.on("exit", (code) =>
          code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`)),
        );
      });
    }),
  );
}
