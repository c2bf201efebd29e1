/**
 * The proof by simulation, as much of it as fits a check of every change. `TIDEMARK_SEEDS` and
 * `TIDEMARK_FROM` choose other seeds; `npm run simulate` runs many more.
 */
import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { runSeeds } from "./pool.ts";
import { simulate } from "./simulate.ts";
import { Summary } from "./summary.ts";

const SEEDS = Number(process.env.TIDEMARK_SEEDS ?? 2_000);
/** On a machine that is too slow for all of them in this time, the first ones have to do, … */
const WITHIN_MS = 100_000;
/** … but not fewer than this. */
const LEAST = Math.min(SEEDS, 300);
const FROM = Number(process.env.TIDEMARK_FROM ?? 1);

describe("hosts that go through everything", () => {
  it("hold and show what the oracle says, and become equal", async () => {
    const summary = new Summary();
    const failed: string[] = [];
    const jobs = availableParallelism();
    await runSeeds({ from: FROM, seeds: SEEDS, jobs, withinMs: WITHIN_MS }, (report) => {
      summary.add(report);
      if ("failure" in report) failed.push(`seed ${report.seed}: ${report.failure}`);
    });
    summary.print();
    expect(failed).toEqual([]);
    expect(summary.seeds, "seeds that fit the time").toBeGreaterThanOrEqual(LEAST);
  });

  it("go through it in the same way each time", async () => {
    expect(await simulate(FROM)).toEqual(await simulate(FROM));
  });
});
