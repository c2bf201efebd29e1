/**
 * What the clients of a run do: operations of all kinds on few keys, increments that can be added up, bursts
 * of large values, and questions how sure a write is, whose answers go into the ledger.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../src/testing/random.ts";
import { drawOperation, type OperationName, type Vocabulary, WEIGHTS } from "../simulation/operations.ts";
import type { Fleet, Start } from "./fleet.ts";
import { HostGone } from "./host-process.ts";
import type { Ledger } from "./ledger.ts";

/** Errors that a client may get at any time in bad weather, or for asking nonsense. Any other is a failure. */
const EXPECTED = new Set([
  "WRONG_TYPE",
  "NOT_AN_INTEGER",
  "OUT_OF_RANGE",
  "NOT_READY",
  "FENCED",
  "BACKPRESSURE",
  "CLOSED",
]);

/** Counters that are only ever incremented. No prefix that is cleared begins with their letters. */
export const SUM_KEYS = ["sum.0", "sum.1", "sum.2"] as const;
const KEYS = Array.from({ length: 60 }, (_, index) => `${"abcd"[index % 4]}${index}`);

/** A host that does not answer gets no more than this. */
const MOST_UNANSWERED = 20;
const CONFIRM_LIMIT_MS = 3_000;

export interface WorkloadCounts {
  orders: number;
  operations: number;
  confirmations: number;
  refused: Record<string, number>;
}

export class Workload {
  readonly #fleet: Fleet;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #counts: WorkloadCounts;
  readonly #vocabulary: Vocabulary;
  readonly #running = new Set<Promise<void>>();
  #failure: unknown;
  #fills = 0;

  /** `counts` is added to. */
  constructor(fleet: Fleet, ledger: Ledger, random: Random, counts: WorkloadCounts) {
    this.#fleet = fleet;
    this.#ledger = ledger;
    this.#random = random;
    this.#counts = counts;
    const keys = random.shuffle(KEYS).slice(0, random.integer(5, KEYS.length));
    // `clear` without a prefix would take the sums along.
    const weights = Object.entries(WEIGHTS).filter(([name]) => name !== "clear" || random.chance(0.5));
    this.#vocabulary = {
      keys,
      weights: weights as [OperationName, number][],
      largest: Math.round(random.magnitude(10, 20_000)),
      longestTtl: Math.round(random.magnitude(200, 60_000)),
    };
  }

  /** Orders operations of the hosts until `signal`; settles when all are answered or their hosts are gone. */
  async run(everyMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#failure === undefined) {
      for (const { start } of this.#fleet.sites) {
        if (start?.ready && start.process.alive && start.process.unanswered < MOST_UNANSWERED) {
          this.#track(this.#order(start));
        }
      }
      await delay(everyMs, undefined, { signal }).catch(() => undefined); // ended before that
    }
  }

  /** Settles when nothing is under way. Throws what went wrong. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        if (!(error instanceof HostGone)) this.#failure ??= error;
      })
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  async #order({ process, incarnation }: Start): Promise<void> {
    const random = this.#random;
    const operations = Array.from({ length: random.integer(1, 8) }, () => {
      const operation = drawOperation(random, this.#vocabulary);
      return operation.name === "clear" && operation.prefix === undefined
        ? { ...operation, prefix: random.pick(["a", "b", "c", "d"]) }
        : operation;
    });
    const sum = random.chance(0.5) ? { key: random.pick(SUM_KEYS), delta: random.integer(1, 9) } : undefined;
    const increment = sum === undefined ? undefined : this.#ledger.ordered(incarnation, sum);
    const confirm = random.chance(0.3) ? random.integer(1, this.#fleet.sites.length - 1) : undefined;
    const burst = random.chance(0.005) ? random.integer(5, 60) : 0;
    this.#counts.orders++;
    this.#counts.operations += operations.length;
    const answer = await process.ask("operate", { operations, sum });
    if (increment !== undefined) {
      increment.seq = answer.seq;
      increment.refused = !answer.summed;
    }
    for (const [code, times] of Object.entries(answer.refused)) this.#refused(code, times);
    if (burst > 0) {
      const from = 100 * (this.#fills++ % 3);
      const filled = await process.ask("fill", { prefix: "d.large.", from, count: burst, bytes: 16_000 });
      if (filled.refused !== undefined) this.#refused(filled.refused, 1);
    }
    if (confirm === undefined) return;
    const { seq, hosts } = await process.ask("confirm", { hosts: confirm, timeoutMs: CONFIRM_LIMIT_MS });
    if (hosts > 0) this.#counts.confirmations++;
    this.#ledger.confirmed({ incarnation, seq, hosts });
  }

  #refused(code: string, times: number): void {
    if (!EXPECTED.has(code)) throw new Error(`an operation was refused with ${code}`);
    this.#counts.refused[code] = (this.#counts.refused[code] ?? 0) + times;
  }
}
