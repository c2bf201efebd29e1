/**
 * The proof by simulation, as much of it as fits a check of every change. `TIDEMARK_SEEDS` and
 * `TIDEMARK_FROM` choose other seeds; `npm run simulate` runs many more.
 */
import { describe, expect, it } from "vitest";
import { simulate } from "./simulate.ts";

const SEEDS = Number(process.env.TIDEMARK_SEEDS ?? 500);
const FROM = Number(process.env.TIDEMARK_FROM ?? 1);
const SEEDS_PER_TEST = 50;

async function run(seed: number): Promise<void> {
  try {
    await simulate(seed);
  } catch (error) {
    const replay = `npm run simulate -- --from ${seed} --trace`;
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed} failed: ${message}\nreplay it with: ${replay}`, { cause: error });
  }
}

describe("hosts that go through everything", () => {
  for (let first = FROM; first < FROM + SEEDS; first += SEEDS_PER_TEST) {
    const last = Math.min(first + SEEDS_PER_TEST, FROM + SEEDS) - 1;
    it(`hold and show what the oracle says, and become equal: seeds ${first} to ${last}`, async () => {
      for (let seed = first; seed <= last; seed++) await run(seed);
    });
  }

  it("go through it in the same way each time", async () => {
    expect(await simulate(FROM)).toEqual(await simulate(FROM));
  });
});
