/** A process that runs seeds of simulations that were built for it, and tells how each ended. */
import type { Outcome, Task } from "./hunt.ts";

interface Built {
  simulate(seed: number): Promise<unknown>;
}

/** What the run failed by: the name of an invariant, or of an error that was thrown. */
function causeOf(error: unknown): { caughtBy: string; message: string } {
  const { name, message, invariant } = error as Error & { invariant?: string };
  return { caughtBy: invariant ?? name, message: message.split("\n")[0]! };
}

async function run({ bundle, seeds, enough }: Task): Promise<void> {
  const { simulate } = (await import(bundle)) as Built;
  let caught = 0;
  for (const seed of seeds) {
    const before = process.cpuUsage();
    let failure: Outcome["failure"];
    const rejected = (error: unknown): void => {
      failure ??= causeOf(error);
    };
    process.on("unhandledRejection", rejected);
    try {
      await simulate(seed);
    } catch (error) {
      failure = causeOf(error);
    }
    // What a promise that nobody heard of was rejected with is told after this turn.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", rejected);
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1_000;
    process.send!({ seed, ms, ...(failure === undefined ? {} : { failure }) } satisfies Outcome);
    if (failure !== undefined && ++caught >= enough) break;
  }
  process.send!("done");
}

process.on("message", (task) => {
  run(task as Task).catch((error: unknown) => {
    process.stderr.write(`${(error as Error).stack}\n`);
    process.exit(1);
  });
});
