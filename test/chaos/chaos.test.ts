/**
 * The short form of `npm run test:chaos`: the same run, for half a minute. What it says of times is of
 * this machine and is not held to anything; that all comes to rest in the right state is.
 */
import { expect, it } from "vitest";
import { say } from "../integration/support/nats.ts";
import { runChaos } from "./chaos.ts";
import { figuresOf } from "./report.ts";
import { withServers } from "./support.ts";

const DURATION_MS = 15_000;

it("hosts and servers as processes that are killed, stopped and cut off come to the one right state", (test) =>
  withServers(test, async () => {
    const seed = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 1_000_000));
    const story: string[] = [];
    try {
      const result = await runChaos({
        seed,
        durationMs: DURATION_MS,
        longestRoundMs: 6_000,
        longestFaultMs: 3_000,
        say: (line) => story.push(line),
      });
      say(`chaos: ${JSON.stringify(figuresOf(result))}`);
      expect(result.rounds.length).toBeGreaterThan(0);
    } catch (error) {
      say(`chaos with seed ${seed}:\n${story.slice(-100).join("\n")}`);
      throw error;
    }
  }));
