/**
 * Tests of the tests: each broken variant of the protocol is caught by the simulation at a seed that is
 * written down, and the same seeds pass as long as nothing is broken.
 */
import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { hunt, type Quarry } from "./hunt.ts";
import { mutated } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { pageOf, readPage, readRecord } from "./record.ts";

/** Where a change has shifted the dice, these are tried too before a mutant counts as escaped. */
const OTHERS = Array.from({ length: 400 }, (_, index) => index + 1);

describe("a broken protocol", async () => {
  const record = await readRecord();

  it("is caught, however it is broken, and passes where it is not", { timeout: 400_000 }, async () => {
    const known = (name: string): number[] => (record.get(name) ?? []).map(({ seed }) => seed);
    const broken = MUTANTS.filter(({ name }) => record.has(name)).map((mutant): Quarry => {
      return { mutant, seeds: [...known(mutant.name), ...OTHERS], enough: 1 };
    });
    const all = [...new Set(MUTANTS.flatMap(({ name }) => known(name)))];
    const escaped: string[] = [];
    const failed: string[] = [];
    const stale: string[] = [];
    const sound: Quarry = { seeds: all, enough: Number.POSITIVE_INFINITY };
    await hunt([sound, ...broken], availableParallelism(), ({ mutant }, catches) => {
      if (mutant === undefined)
        failed.push(...catches.map(({ seed, message }) => `seed ${seed}: ${message}`));
      else if (catches.length === 0) escaped.push(mutant.name);
      else if (!known(mutant.name).includes(catches[0]!.seed)) stale.push(mutant.name);
    });
    if (stale.length > 0) {
      const how = "npm run mutants -- --find --only";
      console.warn(`their seeds catch these no more, others do: ${how} ${stale.join(",")}`);
    }
    expect({ escaped, failed }).toEqual({ escaped: [], failed: [] });
  });

  it("is broken in many ways, each with a name of its own", () => {
    const names = MUTANTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining([...record.keys()]));
    expect(record.size).toBeGreaterThanOrEqual(30);
  });

  it("is told of in docs/MUTANTS.md", async () => {
    expect(await readPage()).toBe(pageOf(record));
  });

  it("is not tested where its text is gone from the source", () => {
    const edits = [{ file: "a.ts", find: "x", replace: "y" }];
    expect(() => mutated("m", "a.ts", "z", edits)).toThrow(/stands 0 times in src\/a.ts/);
    expect(() => mutated("m", "a.ts", "x x", edits)).toThrow(/stands 2 times in src\/a.ts/);
    expect(mutated("m", "a.ts", "a x b", edits)).toBe("a y b");
  });
});
