/**
 * One run: rounds of bad weather over a fleet that is written to, each followed by healing, convergence and
 * a verdict. Everything random comes from one seed, though processes and networks have their own time.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { OpenOptions } from "../../src/options.ts";
import { Random } from "../../src/testing/random.ts";
import { Canary } from "./canary.ts";
import { drawWeather, type FaultName, Faults, type Weather } from "./faults.ts";
import { Fleet, type Site } from "./fleet.ts";
import { Ledger } from "./ledger.ts";
import type { Mark } from "./orders.ts";
import { type ServerCluster, startServers } from "./servers.ts";
import { type Base, ChaosFailure, judge, NOTHING } from "./verdict.ts";
import { Workload, type WorkloadCounts } from "./workload.ts";

export interface ChaosOptions {
  readonly seed: number;
  /** No round begins after this. */
  readonly durationMs: number;
  readonly hosts?: number;
  /** Longest round and longest fault, milliseconds. */
  readonly longestRoundMs?: number;
  readonly longestFaultMs?: number;
  /** Told what is done and what came of it. */
  readonly say?: (line: string) => void;
  /** Told of every round that passed. */
  readonly passed?: (round: RoundResult) => void;
}

export interface RoundResult {
  readonly round: number;
  /** What the hosts took longer than the servers to be one network again. */
  readonly convergedMs: number;
  /** From the beginning of healing on: with the servers' time to start and to find each other. */
  readonly healedMs: number;
  /** Snapshots that were taken over meanwhile: logs did not reach back. */
  readonly snapshots: number;
  readonly keys: number;
  /** Confirmed writes that had to be there, and were. */
  readonly promised: number;
  /** Confirmed writes of which more hosts had died than had confirmed; those that were there, and not. */
  readonly spared: number;
  readonly lost: number;
  readonly mostLiveBytes: number;
  readonly mostResidentBytes: number;
}

export interface ChaosResult {
  readonly seed: number;
  /** What the servers were configured with beyond their defaults. */
  readonly servers: string;
  readonly tookMs: number;
  readonly rounds: readonly RoundResult[];
  readonly faults: Readonly<Record<string, number>>;
  readonly workload: WorkloadCounts;
  /** Starts of hosts that became ready, milliseconds from the fork of the process. */
  readonly joinsMs: readonly number[];
}

const CONVERGE_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 10;
/** Slower than is to be expected, so that it is told where everybody stands. */
const SLOW_MS = 1_500;
/** Beyond the keys and the log of these hosts, and well below what a leak of an hour makes. */
const MOST_LIVE_BYTES = 160 * 1024 * 1024;
const MOST_RESIDENT_BYTES = 900 * 1024 * 1024;

/** How servers may be set up, one of them for a run: as they come, or so that they refuse or drop more. */
const SERVER_CONFIGS = ["", "max_payload: 16KB", "max_pending: 1MB", 'write_deadline: "1s"'] as const;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const config = new Random(options.seed).pick(SERVER_CONFIGS);
  const cluster = await startServers({ say: options.say ?? (() => undefined), config });
  try {
    const run = await Run.create(options, cluster);
    try {
      return { ...(await run.rounds()), servers: config };
    } finally {
      await run.end();
    }
  } finally {
    await cluster.discard();
  }
}

class Run {
  readonly #options: ChaosOptions;
  readonly #cluster: ServerCluster;
  readonly #random: Random;
  readonly #fleet: Fleet;
  readonly #canary: Canary;
  readonly #joinsMs: number[];
  readonly #ledger = new Ledger();
  readonly #faults = new Map<FaultName, number>();
  readonly #workload: WorkloadCounts = { orders: 0, operations: 0, confirmations: 0, refused: {} };
  readonly #startedAt = performance.now();
  readonly #results: RoundResult[] = [];
  #base: Base = NOTHING;

  private constructor(
    options: ChaosOptions,
    cluster: ServerCluster,
    random: Random,
    fleet: Fleet,
    canary: Canary,
    joinsMs: number[],
  ) {
    this.#options = options;
    this.#cluster = cluster;
    this.#random = random;
    this.#fleet = fleet;
    this.#canary = canary;
    this.#joinsMs = joinsMs;
  }

  static async create(options: ChaosOptions, cluster: ServerCluster): Promise<Run> {
    const random = new Random(options.seed);
    const drawn = random.fork();
    const joinsMs: number[] = [];
    // How many of those that start one after another have a short log, changing as the run goes on.
    const shortLogs = Array.from({ length: 40 }, (_, index) => [0.3, 1, 0, 0.8][(index >> 3) & 3]!);
    const canary = await Canary.at(cluster);
    const fleet = await Fleet.create({
      cluster,
      hosts: options.hosts ?? 5,
      namespace: "chaos",
      options: () => drawOptions(drawn, shortLogs[joinsMs.length % shortLogs.length]!),
      joined: (_, tookMs) => joinsMs.push(tookMs),
    });
    return new Run(options, cluster, random, fleet, canary, joinsMs);
  }

  async rounds(): Promise<Omit<ChaosResult, "servers">> {
    await Promise.all(this.#fleet.sites.map((site) => this.#fleet.start(site)));
    while (performance.now() - this.#startedAt < this.#options.durationMs) {
      const result = await this.#round(this.#results.length + 1);
      this.#results.push(result);
      this.#options.passed?.(result);
    }
    return {
      seed: this.#options.seed,
      tookMs: performance.now() - this.#startedAt,
      rounds: this.#results,
      faults: Object.fromEntries(this.#faults),
      workload: this.#workload,
      joinsMs: this.#joinsMs,
    };
  }

  async end(): Promise<void> {
    await this.#fleet.discard();
    await this.#canary.close();
  }

  async #round(round: number): Promise<RoundResult> {
    const { longestFaultMs = 12_000, longestRoundMs = 20_000 } = this.#options;
    const random = this.#random.fork();
    const weather = drawWeather(random, longestFaultMs);
    const lastsMs = random.magnitude(Math.min(3_000, longestRoundMs), longestRoundMs);
    const spared = new Set([random.pick(this.#fleet.sites).name]);
    this.#say(`round ${round}, ${Math.round(lastsMs)} ms: ${describe(weather)}; ${[...spared]} is spared`);
    const faults = new Faults(
      {
        fleet: this.#fleet,
        cluster: this.#cluster,
        random: random.fork(),
        spared,
        died: () => this.#ledger.died(Date.now()),
        say: (line) => this.#say(`  ${line}`),
      },
      weather,
      this.#faults,
    );
    const workload = new Workload(this.#fleet, this.#ledger, random.fork(), this.#workload);
    const pause = new AbortController();
    const working = workload.run(random.magnitude(20, 200), pause.signal);
    await faults.rage(lastsMs);
    await faults.finish(random.magnitude(500, 5_000));
    pause.abort();
    await working;
    const whole = faults.heal().then(() => this.#canary.whole());
    const times = await this.#converged(whole);
    await workload.settled();
    this.#lookForCrashes();
    await this.#everybodyBack();
    const verdict = await judge(this.#fleet, this.#ledger, this.#base);
    this.#base = verdict.base;
    const memory = [...verdict.memory.values()];
    const result: RoundResult = {
      round,
      ...times,
      keys: verdict.keys,
      ...verdict.kept,
      mostLiveBytes: Math.max(...memory.map(({ liveBytes }) => liveBytes)),
      mostResidentBytes: Math.max(...memory.map(({ peakResidentBytes }) => peakResidentBytes)),
    };
    checkMemory(result);
    return result;
  }

  /**
   * Waits until all hosts that run, and were ready, have one vector and one digest. `whole`: settles when the
   * servers are one network again.
   */
  async #converged(
    whole: Promise<void>,
  ): Promise<Pick<RoundResult, "convergedMs" | "healedMs" | "snapshots">> {
    const healedAt = performance.now();
    let wholeAt = Number.POSITIVE_INFINITY;
    let failure: unknown;
    whole.then(
      () => {
        wholeAt = performance.now();
      },
      (error: unknown) => {
        failure = error;
      },
    );
    const sites = this.#fleet.alive.filter(({ start }) => start!.ready);
    let before: number | undefined;
    let told = false;
    for (;;) {
      const marks = await Promise.all(sites.map(({ start }) => start!.process.ask("mark", undefined)));
      if (failure !== undefined) throw failure;
      const now = performance.now();
      const snapshots = marks.reduce((sum, { snapshotsInstalled }) => sum + snapshotsInstalled, 0);
      before ??= snapshots;
      if (marks.every((mark) => isLevel(mark, marks[0]!))) {
        await whole;
        const convergedMs = Math.max(0, now - wholeAt);
        return { convergedMs, healedMs: now - healedAt, snapshots: snapshots - before };
      }
      if (now - wholeAt > SLOW_MS && !told) {
        told = true;
        await this.#tellWhereTheyStand(sites);
      }
      if (now - wholeAt > CONVERGE_LIMIT_MS) {
        throw new ChaosFailure(
          `not converged ${CONVERGE_LIMIT_MS} ms after healing: ${JSON.stringify(marks)}`,
        );
      }
      await delay(LOOK_EVERY_MS);
    }
  }

  /** For whoever wants to know what took so long. */
  async #tellWhereTheyStand(sites: readonly Site[]): Promise<void> {
    for (const { name, start } of sites) {
      const status = await start!.process.ask("status", undefined);
      const { state, connected, vectorHash, lastRepair, flow, counts, hosts } = status;
      const behind = hosts.filter(({ live }) => live).map(({ node, aheadEvents }) => [node, aheadEvents]);
      const { replaysRequested, snapshotsInstalled } = counts;
      const where = {
        state,
        connected,
        vectorHash,
        behind,
        lastRepair,
        flow,
        replaysRequested,
        snapshotsInstalled,
      };
      this.#say(`  slow: ${name} ${JSON.stringify(where)}`);
    }
  }

  /** Starts all that are dead, and waits for all that start. */
  async #everybodyBack(): Promise<void> {
    const limit = AbortSignal.timeout(CONVERGE_LIMIT_MS);
    const late = new Promise<never>((_, reject) => {
      limit.addEventListener("abort", () =>
        reject(new ChaosFailure(`hosts were not ready within ${CONVERGE_LIMIT_MS} ms of good weather`)),
      );
    });
    late.catch(() => undefined); // told to whoever waits
    const back = async (site: Site): Promise<void> => {
      await site.starting;
      if (site.start?.process.alive !== true) await this.#fleet.start(site);
    };
    await Promise.race([Promise.all(this.#fleet.sites.map(back)), late]);
    await this.#converged(Promise.resolve());
  }

  #lookForCrashes(): void {
    for (const { name, start } of this.#fleet.sites) {
      const reason = start?.process.crashed;
      if (reason !== undefined) throw new ChaosFailure(`${name} ended by itself: ${reason}`);
    }
  }

  #say(line: string): void {
    this.#options.say?.(line);
  }
}

function isLevel(mark: Mark, other: Mark): boolean {
  return mark.state === "ready" && mark.vectorHash === other.vectorHash && mark.digest === other.digest;
}

/** Short logs make hosts that were away take over images; long ones let them replay. */
function drawOptions(random: Random, shortLogs: number): OpenOptions {
  return {
    logBytes: random.chance(shortLogs) ? Math.round(random.magnitude(2_048, 256 * 1024)) : "8mb",
    maxUnconfirmedBytes: random.chance(0.3) ? Math.round(random.magnitude(65_536, 4 * 1024 * 1024)) : "8mb",
  };
}

function checkMemory({ mostLiveBytes, mostResidentBytes }: RoundResult): void {
  if (mostLiveBytes > MOST_LIVE_BYTES) throw new ChaosFailure(`a host keeps ${mostLiveBytes} bytes`);
  if (mostResidentBytes > MOST_RESIDENT_BYTES)
    throw new ChaosFailure(`a host took ${mostResidentBytes} bytes`);
}

function describe({ weights, everyMs, longestMs }: Weather): string {
  const names = [...weights.keys()].join(", ");
  return `one of ${names} every ${Math.round(everyMs)} ms, for ${Math.round(longestMs)} ms at most`;
}
