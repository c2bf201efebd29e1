/** Which seeds catch which mutant: `seeds.json`, written by `npm run mutants -- --find`, and the page made of it. */
import { readFile, writeFile } from "node:fs/promises";
import { EVICTION_MUTANTS } from "./eviction-mutants.ts";
import type { Catch } from "./hunt.ts";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { REPLICATION_MUTANTS } from "./replication-mutants.ts";
import { STORE_MUTANTS } from "./store-mutants.ts";

const SEEDS = new URL("seeds.json", import.meta.url);
const PAGE = new URL("../../docs/MUTANTS.md", import.meta.url);

export type CatchingSeed = Pick<Catch, "seed" | "caughtBy">;
/** By the name of the mutant. */
export type Record = ReadonlyMap<string, readonly CatchingSeed[]>;

export async function readRecord(): Promise<Record> {
  return new Map(
    Object.entries(JSON.parse(await readFile(SEEDS, "utf8")) as { [name: string]: CatchingSeed[] }),
  );
}

/** Writes the record and the page. */
export async function writeRecord(record: Record): Promise<void> {
  const lines = MUTANTS.flatMap(({ name }) => {
    const seeds = record.get(name)?.map(({ seed, caughtBy }) => {
      return `{ "seed": ${seed}, "caughtBy": ${JSON.stringify(caughtBy)} }`;
    });
    return seeds === undefined ? [] : [`  "${name}": [${seeds.join(", ")}]`];
  });
  await writeFile(SEEDS, `{\n${lines.join(",\n")}\n}\n`);
  await writeFile(PAGE, pageOf(record));
}

export function readPage(): Promise<string> {
  return readFile(PAGE, "utf8");
}

/** `docs/MUTANTS.md`. */
export function pageOf(record: Record): string {
  const open = MUTANTS.filter(({ name }) => !record.has(name));
  return `# Mutants

A simulation that has never caught a planted bug proves nothing. So the protocol is broken on purpose, and each way of
breaking it has to be caught. A mutant is a replacement of a few words in one place of the source (\`test/mutants/\`),
made while the simulation is built for it; the product itself has no switch for any of them. The test of the mutants
(\`npx vitest run --project mutants\`) runs each of these ${MUTANTS.length - open.length} at the seeds below, and the same seeds without it, which must
pass. Where a change of the protocol has shifted the dice it tries other seeds, and says so.

    npm run mutants                         every mutant at its seeds
    npm run mutants -- --only noLimbo       one of them
    npm run mutants -- --find               looks for catching seeds anew, and writes this page

"Caught by" is the first thing that failed: an invariant by its number (I1: a host holds exactly what the oracle
says; I2: nothing beyond its vector; I3: no row decreases; I8: equal vectors, equal digests; I9: only the origin
numbers its events; I12: nothing is left over in the end), what a host shows (\`view\`), what a call answers
(\`operation\`) or writes (\`intent\`), what was promised (\`durable\`, \`waitFor\`, \`live write\`), what a partial host
may lack (\`eviction\`), what watchers heard (\`watch\`), that all become equal in time (\`TidemarkError\`), or an
error that was thrown.

## How events travel

${tableOf(REPLICATION_MUTANTS, record)}

## What events do to data

${tableOf(STORE_MUTANTS, record)}

## What is let go for room

${tableOf(EVICTION_MUTANTS, record)}
${open.length === 0 ? "" : openOnes(open)}`;
}

/** Those that are not told here would be thought caught. */
function openOnes(open: readonly Mutant[]): string {
  return `
## Not caught yet

For these no seed was found so far: what they break comes together so seldom that many more have to be tried, or the
mix has to be made richer for it. They are not part of the test; \`--find\` tries them.

${open.map(({ name, breaks }) => `- \`${name}\`: ${breaks}`).join("\n")}
`;
}

function tableOf(mutants: readonly Mutant[], record: Record): string {
  const caught = mutants.filter(({ name }) => record.has(name));
  const rows = caught.map(({ name, breaks }) => {
    const seeds = record.get(name)!;
    const by = [...new Set(seeds.map(({ caughtBy }) => caughtBy))].join(", ");
    return `| \`${name}\` | ${breaks.replaceAll("|", "\\|")} | ${seeds.map(({ seed }) => seed).join(", ")} | ${by} |`;
  });
  return ["| mutant | what it breaks | seeds | caught by |", "|---|---|---|---|", ...rows].join("\n");
}
