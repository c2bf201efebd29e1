/** All broken variants of the protocol: each must be caught, or the tests prove less than they seem to. */
import { EVICTION_MUTANTS } from "./eviction-mutants.ts";
import { LOADER_MUTANTS } from "./loader-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { REPLICATION_MUTANTS } from "./replication-mutants.ts";
import { STORE_MUTANTS } from "./store-mutants.ts";

export const MUTANTS: readonly Mutant[] = [
  ...REPLICATION_MUTANTS,
  ...STORE_MUTANTS,
  ...EVICTION_MUTANTS,
  ...LOADER_MUTANTS,
];
