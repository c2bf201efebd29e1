/**
 * `npm run test:chaos -- --minutes 60 --seed 7`: hosts and servers as processes, faults at random. Prints a
 * line per round, and in the end what it all came to; with `--json` that alone, as JSON.
 */
import { parseArgs } from "node:util";
import { type ChaosResult, runChaos } from "./chaos.ts";
import { runFullSync } from "./full-sync.ts";
import { figuresOf, inWords, spreadOf } from "./report.ts";

const HELP = `npm run test:chaos -- [options]   five hosts and three servers as processes, under faults

  --minutes N   no round begins after so many minutes (2)
  --seed S      what everything random is drawn from (drawn, and printed)
  --hosts N     how many hosts (5)
  --verbose     every single fault
  --full-sync N instead, so many rounds in which a host needs all keys: after a cut, and from nothing
  --keys K      for that, how many keys (1000000)
  --json        only the figures, as JSON
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    hosts: { type: "string", default: "5" },
    verbose: { type: "boolean", default: false },
    "full-sync": { type: "string" },
    keys: { type: "string", default: "1000000" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function numberOf(name: "minutes" | "seed" | "hosts" | "keys" | "full-sync"): number {
  const value = Number(values[name]);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} takes a number`);
  return value;
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const say = (line: string): void => {
    if (!values.json) process.stdout.write(`${line}\n`);
  };
  const print = (figures: unknown): void => {
    process.stdout.write(`${JSON.stringify(figures, undefined, values.json ? undefined : 2)}\n`);
  };
  if (values["full-sync"] !== undefined) {
    const { keys, freshMs, healedMs, healedProcessorMs } = await runFullSync({
      keys: numberOf("keys"),
      rounds: numberOf("full-sync"),
      say,
    });
    print({
      keys,
      freshMs: spreadOf(freshMs),
      healedMs: spreadOf(healedMs),
      healedProcessorMs: spreadOf(healedProcessorMs),
    });
    return;
  }
  const seed = numberOf("seed");
  say(`seed ${seed}`);
  const startedAt = performance.now();
  const at = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s`;
  const story: string[] = [];
  const keep = (line: string): void => {
    story.push(`${at()} ${line}`);
    if (story.length > 200) story.shift();
    if (values.verbose) say(story.at(-1)!);
  };
  let result: ChaosResult;
  try {
    result = await runChaos({
      seed,
      durationMs: numberOf("minutes") * 60_000,
      hosts: numberOf("hosts"),
      say: keep,
      passed: (round) => say(`${at()} ${inWords(round)}`),
    });
  } catch (error) {
    if (!values.verbose) say(story.join("\n"));
    throw new Error(`failed with seed ${seed}`, { cause: error });
  }
  print(figuresOf(result));
}

await main();
