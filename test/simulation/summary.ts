/** What many runs came to. */
import type { RunResult } from "./simulate.ts";

/** What a worker tells: a seed that passed, or one that did not. */
export type Report = { readonly result: RunResult } | { readonly seed: number; readonly failure: string };

type Summed =
  | "operations"
  | "events"
  | "disturbances"
  | "changes"
  | "messages"
  | "lostMessages"
  | "checks"
  | "snapshots"
  | "replays"
  | "loads"
  | "refusedLoads"
  | "evictions"
  | "partialHosts";

/** Adds up reports and prints them. */
export class Summary {
  readonly #started = performance.now();
  readonly #converged: number[] = [];
  readonly #sums: Record<Summed, number> = {
    operations: 0,
    events: 0,
    disturbances: 0,
    changes: 0,
    messages: 0,
    lostMessages: 0,
    checks: 0,
    snapshots: 0,
    replays: 0,
    loads: 0,
    refusedLoads: 0,
    evictions: 0,
    partialHosts: 0,
  };
  #hostMs = 0;
  #failed = 0;

  /** How many seeds were run. */
  get seeds(): number {
    return this.#converged.length + this.#failed;
  }

  /** How many seeds failed. */
  get failed(): number {
    return this.#failed;
  }

  /** Adds a seed; prints it if it failed. */
  add(report: Report): void {
    if ("failure" in report) {
      this.#failed++;
      const command = `npm run simulate -- --from ${report.seed} --trace`;
      process.stdout.write(`\nseed ${report.seed} FAILED\n${report.failure}\nreplay it with: ${command}\n`);
      return;
    }
    const { result } = report;
    this.#converged.push(result.convergedInMs);
    this.#hostMs += result.hostMs;
    for (const name of Object.keys(this.#sums) as Summed[]) this.#sums[name] += result[name];
  }

  /** One line about all so far. */
  print(): void {
    const seconds = (performance.now() - this.#started) / 1_000;
    const { seeds } = this;
    const sorted = this.#converged.toSorted((left, right) => left - right);
    const percentile = (share: number): string => {
      return `${((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1_000).toFixed(2)} s`;
    };
    const sums = Object.entries(this.#sums).map(([name, sum]) => `${sum.toLocaleString("en")} ${name}`);
    const converged = `converged p50 ${percentile(0.5)} p99 ${percentile(0.99)} max ${percentile(1)}`;
    process.stdout.write(
      `${seeds} seeds, ${this.#failed} failed, ${(this.#hostMs / 3_600_000).toFixed(1)} host-hours, ` +
        `${sums.join(", ")}; ${converged}; ${(seeds / seconds).toFixed(1)} seeds/s\n`,
    );
  }
}
