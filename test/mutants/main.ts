/** `npm run mutants`: every broken variant of the protocol must be caught by the simulation. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type Catch, hunt, type Quarry } from "./hunt.ts";
import { MUTANTS } from "./mutants.ts";
import { readRecord, writeRecord } from "./record.ts";

const HELP = `npm run mutants -- [options]   broken variants of the protocol, each of which must be caught

  --only A,B   these mutants alone
  --find       look for seeds that catch them, and write them down (test/mutants/seeds.json, docs/MUTANTS.md)
  --seeds N    with --find: how many seeds to try of each (3000)
  --jobs J     how many processes (one per core)
`;

/** Seeds looked for of each mutant, and kept: the cheapest. */
const FOUND = 2;
const KEPT = 2;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    find: { type: "boolean", default: false },
    seeds: { type: "string", default: "3000" },
    jobs: { type: "string", default: String(availableParallelism()) },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const names = values.only?.split(",") ?? MUTANTS.map(({ name }) => name);
  const unknown = names.filter((name) => !MUTANTS.some((mutant) => mutant.name === name));
  if (unknown.length > 0)
    throw new Error(`there is no mutant ${unknown}; there are ${MUTANTS.map(({ name }) => name)}`);
  const record = new Map(await readRecord());
  const range = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);
  const quarries = MUTANTS.filter(({ name }) => names.includes(name)).map((mutant): Quarry => {
    const seeds = values.find
      ? [...(record.get(mutant.name) ?? []).map(({ seed }) => seed), ...range]
      : (record.get(mutant.name) ?? []).map(({ seed }) => seed);
    return { mutant, seeds, enough: values.find ? FOUND : 1 };
  });
  const escaped: string[] = [];
  let done = 0;
  await hunt(quarries, Number(values.jobs), ({ mutant }, catches, tried) => {
    const { name } = mutant!;
    process.stdout.write(`${++done}/${quarries.length} ${name}: ${inWords(catches, tried)}\n`);
    if (catches.length === 0) {
      escaped.push(name);
      record.delete(name);
    } else if (values.find) record.set(name, cheapest(catches));
  });
  if (values.find) await writeRecord(record);
  process.stdout.write(`${quarries.length - escaped.length} of ${quarries.length} caught\n`);
  if (escaped.length === 0) return;
  process.stdout.write(`escaped: ${escaped.join(", ")}\n`);
  process.exitCode = 1;
}

function cheapest(catches: readonly Catch[]): Catch[] {
  return catches.toSorted((left, right) => left.ms - right.ms).slice(0, KEPT);
}

function inWords(catches: readonly Catch[], tried: number): string {
  const [first] = catches;
  if (first === undefined) return `ESCAPED ${tried} seeds`;
  return `caught by seed ${catches.map(({ seed }) => seed).join(", ")} of ${tried} tried (${first.caughtBy}: ${first.message.slice(0, 120)})`;
}

if (values.help) process.stdout.write(HELP);
else await main();
