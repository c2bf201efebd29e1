/** Runs mutants in several processes, and says by which seeds each is caught. */
import { type ChildProcess, fork } from "node:child_process";
import { openWorkshop, type Workshop } from "./build.ts";
import type { Mutant } from "./mutant.ts";

/** What a worker is asked: seeds in their order, until so many have failed. */
export interface Task {
  readonly bundle: string;
  readonly seeds: readonly number[];
  readonly enough: number;
}

/** How one seed ended. */
export interface Outcome {
  readonly seed: number;
  /** Milliseconds of processor time. */
  readonly ms: number;
  readonly failure?: { readonly caughtBy: string; readonly message: string };
}

/** A seed that catches a mutant, and what it is caught by. */
export interface Catch {
  readonly seed: number;
  readonly caughtBy: string;
  readonly message: string;
  readonly ms: number;
}

/** A mutant to be run, or the sound protocol. */
export interface Quarry {
  readonly mutant?: Mutant;
  readonly seeds: readonly number[];
  /** How many catches do. */
  readonly enough: number;
}

/** No seed takes longer, on a slow machine with much to do: what does will never end. */
const ENDLESS_MS = 240_000;

/** Runs each quarry; `report` hears what caught it, after so many seeds. */
export async function hunt(
  quarries: readonly Quarry[],
  jobs: number,
  report: (quarry: Quarry, catches: readonly Catch[], tried: number) => void,
): Promise<void> {
  await using workshop = await openWorkshop();
  const left = [...quarries];
  const hunter = async (): Promise<void> => {
    let worker: ChildProcess | undefined;
    try {
      for (let quarry = left.shift(); quarry !== undefined; quarry = left.shift()) {
        const bundle = await workshop.bundle(quarry.mutant);
        worker = worker?.connected ? worker : start(workshop);
        const { catches, tried } = await run(worker, { ...quarry, bundle });
        report(quarry, catches, tried);
      }
    } finally {
      worker?.kill("SIGKILL");
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, quarries.length) }, hunter));
}

function start({ worker }: Workshop): ChildProcess {
  return fork(worker, [], { execArgv: ["--max-semi-space-size=32"] });
}

function run(worker: ChildProcess, task: Task): Promise<{ catches: Catch[]; tried: number }> {
  const catches: Catch[] = [];
  let tried = 0;
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout;
    const end = (): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
    };
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        end();
        worker.kill("SIGKILL");
        worker.disconnect();
        const seed = task.seeds[tried]!;
        catches.push({ seed, caughtBy: "time", message: "the run does not end", ms: ENDLESS_MS });
        resolve({ catches, tried: tried + 1 });
      }, ENDLESS_MS);
    };
    worker.on("message", (message) => {
      if (message === "done") {
        end();
        resolve({ catches, tried });
        return;
      }
      const { seed, ms, failure } = message as Outcome;
      tried++;
      if (failure !== undefined) catches.push({ seed, ms, ...failure });
      wait();
    });
    worker.on("exit", (code) => {
      end();
      reject(new Error(`a worker ended with ${code} at seed ${task.seeds[tried]}`));
    });
    wait();
    worker.send(task);
  });
}
