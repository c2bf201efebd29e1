/**
 * `npm run simulate -- --seeds 10000 --from 1 --jobs 2`: many seeds in several processes. With `--trace`
 * it runs the one seed of `--from` and tells how it came to what went wrong; with `--often` it compares
 * with the oracle all the time, which finds the first moment but may disturb the run.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { inWords, SimulationFailure } from "./checks.ts";
import { runSeeds } from "./pool.ts";
import { Simulation } from "./simulate.ts";
import { tellStory } from "./story.ts";
import { Summary } from "./summary.ts";

const LINES_BEFORE_FAILURE = 40;
const REPORT_EVERY_MS = 10_000;

async function trace(seed: number, often: boolean): Promise<void> {
  const lines: string[] = [];
  const tell = (atMs: number, what: string): void => {
    lines.push(`${atMs.toFixed(0).padStart(8)} ms ${what}`);
  };
  const simulation = new Simulation(seed, { tell, often });
  process.stdout.write(`seed ${seed}: ${JSON.stringify(simulation.mix, mapInJson)}\n`);
  try {
    const result = await simulation.run();
    process.stdout.write(`${lines.join("\n")}\npassed: ${JSON.stringify(result)}\n`);
  } catch (error) {
    process.exitCode = 1;
    const { key, vector } = error instanceof SimulationFailure ? error : {};
    const story = tellStory(simulation.written, simulation.names, key, vector);
    const names = [...simulation.names].map(([incarnation, name]) => `${name} = ${incarnation}`);
    process.stdout.write(`${lines.slice(-LINES_BEFORE_FAILURE).join("\n")}\n\n`);
    for (const line of simulation.describe()) process.stdout.write(`${line}\n`);
    process.stdout.write(`the events of ${JSON.stringify(key) ?? "every key"}:\n${story.join("\n")}\n\n`);
    process.stdout.write(`${names.join("\n")}\n\n`);
    process.stdout.write(
      `seed ${seed} failed at ${simulation.cluster.now.toFixed(0)} ms\n${inWords(error)}\n`,
    );
  }
}

function mapInJson(_: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}

async function runMany(from: number, seeds: number, jobs: number): Promise<void> {
  const summary = new Summary();
  const timer = setInterval(() => summary.print(), REPORT_EVERY_MS);
  try {
    await runSeeds({ from, seeds, jobs }, (report) => summary.add(report));
  } finally {
    clearInterval(timer);
    summary.print();
  }
  if (summary.failed > 0) process.exitCode = 1;
}

const HELP = `npm run simulate -- [options]   seeded clusters under faults, held to an independent oracle

  --seeds N   how many seeds to run (1000)
  --from S    the first of them (1)
  --jobs J    how many processes (one per core)
  --trace     run the seed of --from alone, and tell how it came to what went wrong
  --often     with --trace: compare with the oracle all the time
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      jobs: { type: "string", default: String(availableParallelism()) },
      trace: { type: "boolean", default: false },
      often: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const number = (name: "seeds" | "from" | "jobs"): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < (name === "from" ? 0 : 1))
      throw new Error(`--${name} takes a number`);
    return value;
  };
  if (values.trace) await trace(number("from"), values.often);
  else await runMany(number("from"), number("seeds"), number("jobs"));
}

await main();
