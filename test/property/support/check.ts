/**
 * How often a law is tried: 1,000 times in every check of a change, `TIDEMARK_RUNS` for more. A failure
 * prints its seed and path; `TIDEMARK_SEED` runs that seed again.
 */
import fc from "fast-check";

export const RUNS = Number(process.env.TIDEMARK_RUNS ?? 1_000);

export function parameters(share = 1): { numRuns: number; seed?: number } {
  const { TIDEMARK_SEED } = process.env;
  const numRuns = Math.max(1, Math.round(RUNS * share));
  return TIDEMARK_SEED === undefined ? { numRuns } : { numRuns, seed: Number(TIDEMARK_SEED) };
}

/** Tries a law; `share` of the usual number of times, where one try is cheap or dear. */
export function check<T>(law: fc.IProperty<T>, share = 1): void {
  fc.assert(law, parameters(share));
}
