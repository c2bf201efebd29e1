/**
 * The run of one seed: the production code of several hosts in one process and in virtual time. First
 * clients write while everything goes wrong that may; what every host holds and shows is compared with
 * the oracle at random moments. Then the network heals, and all hosts must come to hold the same.
 */
import type { Host, HostObserver } from "../../src/host.ts";
import type { Settings } from "../../src/options.ts";
import { Random } from "../../src/testing/random.ts";
import { VirtualCluster } from "../../src/testing/virtual-cluster.ts";
import type { Delivery } from "../../src/transport/memory.ts";
import { checkGrown, checkHost, checkQuiet, SimulationFailure } from "./checks.ts";
import { Client } from "./client.ts";
import { Database } from "./database.ts";
import { crashAndRestart, disturb, type Stage } from "./disturbances.ts";
import { checkUpkeep } from "./intent.ts";
import { drawMix, type Mix } from "./mix.ts";
import { type RecordedEvent, recordEvent } from "./recorded.ts";
import { Staleness } from "./staleness.ts";
import { type DiskFaults, drawCheckpoint, drawDiskFaults, VirtualDisk } from "./virtual-disk.ts";
import { drawFaults } from "./weather.ts";

/** What a run went through. */
export interface RunResult {
  readonly seed: number;
  /** Simulated milliseconds, of each host that lived. */
  readonly hostMs: number;
  readonly operations: number;
  readonly events: number;
  readonly disturbances: number;
  /** Changes that watchers heard. */
  readonly changes: number;
  readonly messages: number;
  readonly lostMessages: number;
  readonly checks: number;
  readonly snapshots: number;
  readonly replays: number;
  /** Of the hosts that lived at the end, how many had begun from a checkpoint, and how many had refused one. */
  readonly loads: number;
  readonly refusedLoads: number;
  /** Keys let go for room, by the hosts that lived at the end. */
  readonly evictions: number;
  /** Of those hosts, how many held less than they had applied. */
  readonly partialHosts: number;
  /** From the end of the faults until all hosts were equal. */
  readonly convergedInMs: number;
  /** Changes with any message of the run: two runs of one seed have one. */
  readonly fingerprint: number;
}

export interface RunOptions {
  /** Hears what happens, in words. */
  tell?(atMs: number, what: string): void;
  /** Compares with the oracle every 20 ms, to find the first moment at which something is wrong. */
  often?: boolean;
}

/** Healed hosts must be equal within this time, from when they may talk to each other. */
const CONVERGE_MS = 60_000;
/** Then they are left alone: what expired is swept, what is reset is closed. */
const QUIET_MS = 15_000;
/** Nothing may be left over so long after the last event: several heartbeats. */
const SILENCE_MS = 8_000;
/** After this the tails of the dead are given up too. Tried on one seed of so many. */
const FORGET_MS = 12 * 60_000;
const FORGET_EVERY = 40;
const LOOK_MS = 20;
/** What hosts write by themselves is looked at once in so many events. */
const UPKEEP_EVERY = 3;
/** Hosts tell watchers of what expired at least this often. */
const EXPIRY_TOLD_MS = 5_000;
/** Turns of the promise queue that readers get between two steps of time. */
const TURNS = 4;

/** Runs a seed. Throws what went wrong: `SimulationFailure`, or whatever the product threw. */
export async function simulate(seed: number, options: RunOptions = {}): Promise<RunResult> {
  return new Simulation(seed, options).run();
}

/** The run behind `simulate`; what it holds afterwards tells the story of a failure. */
export class Simulation {
  readonly mix: Mix;
  readonly cluster: VirtualCluster;
  /** All events, by the incarnation that made them. */
  readonly written = new Map<string, RecordedEvent[]>();
  /** Short names of incarnations: host and how manieth start. */
  readonly names = new Map<string, string>();
  readonly #starts: number[] = [];
  readonly #seed: number;
  readonly #options: RunOptions;
  readonly #random: Random;
  readonly #stage: Stage;
  readonly #client: Client;
  /** How much of an image is put in place at a time. */
  readonly #slices: Partial<Settings>;
  readonly #disks: VirtualDisk[] = [];
  readonly #faultsOfDisks: DiskFaults;
  readonly #randomOfDisks: Random;
  /** Per incarnation the vector that it was last seen with. */
  readonly #vectors = new Map<string, ReadonlyMap<string, number>>();
  /** Per vector hash the digest that was first seen with it. */
  readonly #digests = new Map<string, string>();
  #disturbing = true;
  #disturbances = 0;
  #checks = 0;
  #database: Database | undefined;
  readonly #staleness = new Staleness();
  #upkeep = 0;
  #messages = 0;
  #fingerprint = 0;
  #hostMs = 0;

  constructor(seed: number, options: RunOptions = {}) {
    this.#seed = seed;
    this.#options = options;
    const root = new Random(seed);
    this.mix = drawMix(root.fork());
    this.#random = root.fork();
    this.cluster = new VirtualCluster({
      seed: root.integer(0, 2 ** 31),
      settings: (index) => ({
        ...this.mix.settings,
        ...this.mix.bounds[index],
        ...this.#slices,
        ...this.#database?.settings(),
      }),
      network: this.mix.network,
      lagMs: this.mix.lagMs,
      observe: (index) => this.#observer(index),
      disk: (index) => this.#disk(index).boot(),
      onDelivery: (delivery) => this.#delivered(delivery),
    });
    this.#stage = {
      cluster: this.cluster,
      random: root.fork(),
      weather: this.mix.weather,
      mostHosts: this.mix.mostHosts,
      lastsMs: this.mix.disturbanceMs,
      disturbing: () => this.#disturbing,
      tell: (what) => {
        this.#disturbances++;
        this.#tell(what);
      },
    };
    const { cluster, mix, written } = this;
    const started = (): number => this.#starts.reduce((sum, count) => sum + count, 0);
    this.#client = new Client({ cluster, random: root.fork(), mix, written, started }, (what) => {
      // Every operation is told, and most runs tell nobody.
      if (options.tell !== undefined) this.#tell(what());
    });
    const last = root.fork();
    this.#slices = { sliceEntries: last.chance(0.7) ? last.integer(1, 4) : 1_000, ...drawCheckpoint(last) };
    this.#faultsOfDisks = drawDiskFaults(last);
    this.#randomOfDisks = last;
    if (last.chance(0.5)) this.#database = new Database(last.fork());
  }

  async run(): Promise<RunResult> {
    try {
      await this.#safety();
      const convergedInMs = await this.#liveness();
      return this.#result(convergedInMs);
    } finally {
      this.#disturbing = false;
      await this.cluster[Symbol.asyncDispose]();
    }
  }

  /** Where every host stands, for the story of a failure. */
  describe(): string[] {
    return this.cluster.hosts.map((host) => {
      const { state, reason, counts, logBytes, inboxBytes, unconfirmedBytes } = host.status();
      const { vector, pendingRemovals, inboxFrames, needs } = host.inspect();
      const rows = [...vector].map(([origin, seq]) => {
        return `${this.names.get(origin) ?? origin} ${seq}/${this.written.get(origin)?.length ?? 0}`;
      });
      const numbers = {
        logBytes,
        inboxBytes,
        unconfirmedBytes,
        pendingRemovals,
        inboxFrames,
        needs,
        ...counts,
      };
      const why = reason === undefined ? "" : ` (${reason})`;
      return `${host.node} is ${state}${why}, has ${rows.join(", ")}\n  ${JSON.stringify(numbers)}`;
    });
  }

  /** Writes and faults. */
  async #safety(): Promise<void> {
    const { mix, cluster } = this;
    cluster.network.links.change(drawFaults(this.#random, mix.weather));
    for (let index = 0; index < mix.hosts; index++) cluster.add();
    if (this.#random.chance(0.7)) await this.#pass(mix.settings.joinWaitMs! + 500);
    this.#repeat(mix.operationEveryMs, () => this.#client.act());
    if (this.#database !== undefined) this.#repeat(2 * mix.operationEveryMs, () => this.#useDatabase());
    this.#repeat(mix.checkEveryMs, () => {
      for (const index of this.#alive()) if (this.#random.chance(0.7)) this.#check(index);
    });
    for (const [name, everyMs] of mix.disturbances) this.#repeat(everyMs, () => disturb(name, this.#stage));
    await this.#pass(mix.safetyMs);
    this.#disturbing = false;
  }

  #useDatabase(): void {
    const index = this.#random.integer(0, this.cluster.hosts.length - 1);
    if (!this.cluster.alive(index) || this.cluster.paused(index)) return;
    this.#database!.use(this.cluster.hosts[index]!, this.mix.vocabulary.keys);
  }

  /** Everything is well again: all hosts must become equal, and nothing may be left over. */
  async #liveness(): Promise<number> {
    this.#tell("everything heals");
    const { cluster } = this;
    if (this.#database !== undefined) this.#database.wellAgain = true;
    cluster.heal();
    for (const index of this.#alive()) cluster.resume(index);
    const healedAt = cluster.now;
    await this.#converge();
    const convergedInMs = cluster.now - healedAt;
    this.#tell(`all hosts are equal after ${Math.round(convergedInMs)} ms`);
    for (const index of this.#alive()) this.#check(index);
    const forget = this.#seed % FORGET_EVERY === 0;
    await this.#pass(forget ? FORGET_MS : QUIET_MS);
    await this.#settle();
    await this.#watchersAgree();
    await this.#settle(); // Time has passed, in which something may have expired and been removed.
    for (const index of this.#alive()) this.#check(index, true);
    const hosts = this.#alive().map((index) => cluster.hosts[index]!);
    this.#database?.checkNothingDue(hosts);
    this.#staleness.check(hosts, this.written);
    this.#client.checkClaims(this.#vectors);
    checkQuiet(hosts, this.written, forget);
    return convergedInMs;
  }

  /** Lets time pass until what expires is removed, and that has got around. */
  async #settle(): Promise<void> {
    const end = this.cluster.now + CONVERGE_MS;
    const lastWrite = (): number => {
      return Math.max(0, ...[...this.written.values()].map((made) => made.at(-1)!.writtenAt));
    };
    while (this.cluster.now < end && this.cluster.now - lastWrite() < SILENCE_MS) await this.#pass(1_000);
    await this.#converge();
  }

  /** What watchers heard is what is there, once they have heard of what expired in the last second. */
  async #watchersAgree(): Promise<void> {
    const end = this.cluster.now + EXPIRY_TOLD_MS;
    for (;;) {
      await this.#pass(LOOK_MS);
      const difference = this.#client.watchersDiffer();
      if (difference === undefined) return;
      if (this.cluster.now >= end) throw new SimulationFailure("watch", difference);
    }
  }

  async #converge(): Promise<void> {
    const end = this.cluster.now + CONVERGE_MS;
    while (!this.cluster.settled()) {
      if (this.cluster.now >= end) {
        // Says who differs; were they equal by now, it would not throw.
        this.cluster.settle({ timeout: 0 });
        return;
      }
      await this.#pass(LOOK_MS);
    }
  }

  /** Lets time pass, and the promises that the hosts settled meanwhile be heard. */
  async #pass(durationMs: number): Promise<void> {
    const end = this.cluster.now + durationMs;
    while (this.cluster.now < end) {
      const step = Math.min(LOOK_MS, end - this.cluster.now);
      this.cluster.time.run(step);
      this.#hostMs += step * this.#alive().length;
      if (this.#options.often === true) for (const index of this.#alive()) this.#check(index);
      for (let turn = 0; turn < TURNS; turn++) await null;
      this.#client.throwFailure();
    }
  }

  /** Lets something happen at random moments, as long as the run disturbs. */
  #repeat(meanMs: number, task: () => void): void {
    const next = (): void => {
      this.cluster.time.after(meanMs * -Math.log(1 - this.#random.next()), () => {
        if (!this.#disturbing) return;
        task();
        next();
      });
    };
    next();
  }

  /** `equal`: all hosts have applied the same. */
  #check(index: number, equal = false): void {
    const host = this.cluster.hosts[index]!;
    this.#checks++;
    const { vector, building } = checkHost(host, this.written, this.mix.vocabulary.keys, equal);
    checkGrown(host.node, this.#vectors.get(host.incarnation) ?? new Map(), vector);
    this.#vectors.set(host.incarnation, vector);
    if (!building) this.#checkStatus(host);
  }

  #checkStatus(host: Host): void {
    const { state, reason, vectorHash, digest, partial, counts } = host.status();
    const fail = (invariant: string, message: string): never => {
      throw new SimulationFailure(invariant, `${host.node} ${message}`);
    };
    if (state === "fenced") fail("state", `is fenced: ${reason}`);
    if (counts.divergences > 0) fail("I8", `counted ${counts.divergences} divergences`);
    if (counts.rejected > 0) fail("I14", `rejected ${counts.rejected} messages`);
    if (partial) return;
    const known = this.#digests.get(vectorHash);
    if (known !== undefined && known !== digest) {
      fail("I8", `has the digest ${digest} at the vector ${vectorHash}, where ${known} was seen before`);
    }
    this.#digests.set(vectorHash, digest);
  }

  #observer(index: number): HostObserver {
    const start = (this.#starts[index] ?? 0) + 1;
    this.#starts[index] = start;
    return {
      wrote: (event, origins) => {
        const recorded = recordEvent(event, origins, this.cluster.now);
        this.names.set(recorded.origin, `host-${index + 1}.${start}`);
        const made = this.written.get(recorded.origin) ?? [];
        this.written.set(recorded.origin, made);
        if (event.origin !== 0 || recorded.seq !== made.length + 1) {
          const message = `event ${recorded.origin}/${recorded.seq} comes after ${made.length}`;
          throw new SimulationFailure("I9", message);
        }
        made.push(recorded);
        this.#staleness.wrote(this.cluster.hosts[index]!, recorded);
        // What a database is behind comes and goes with that.
        const byItself = !this.#client.operating && (recorded.sweep !== null || this.#database === undefined);
        if (!byItself || ++this.#upkeep % UPKEEP_EVERY !== 0) return;
        checkUpkeep(this.cluster.hosts[index]!, recorded, this.written);
      },
    };
  }

  /** The disk of a host, which outlives its starts. */
  #disk(index: number): VirtualDisk {
    const after = (delayMs: number, task: () => void): void => {
      this.cluster.time.after(delayMs, task);
    };
    this.#disks[index] ??= new VirtualDisk(after, this.#randomOfDisks.fork(), this.#faultsOfDisks);
    return this.#disks[index];
  }

  #delivered({ from, to, channel, bytes }: Delivery): void {
    this.#messages++;
    let hash = this.#fingerprint;
    for (const part of [from, to, channel]) {
      for (let index = 0; index < part.length; index++)
        hash = Math.imul(hash ^ part.charCodeAt(index), 0x01000193);
    }
    hash = Math.imul(hash ^ bytes.byteLength, 0x01000193);
    this.#fingerprint = Math.imul(hash ^ (bytes[bytes.byteLength >> 1] ?? 0), 0x01000193);
    if (channel !== "rp" || !this.#disturbing || !this.#stage.random.chance(this.mix.donorDeath)) return;
    const index = this.cluster.hosts.findIndex(({ node }) => node === from);
    if (this.#alive().length > 1) this.cluster.time.defer(() => crashAndRestart(this.#stage, index));
  }

  #alive(): number[] {
    return [...this.cluster.hosts.keys()].filter((index) => this.cluster.alive(index));
  }

  #tell(what: string): void {
    this.#options.tell?.(this.cluster.now, what);
  }

  #result(convergedInMs: number): RunResult {
    const statuses = this.#alive().map((index) => this.cluster.hosts[index]!.status());
    const counts = statuses.map((status) => status.counts);
    const { lost, blocked, disconnected, overflowed } = this.cluster.network.counts;
    return {
      seed: this.#seed,
      hostMs: this.#hostMs,
      operations: this.#client.operations,
      events: [...this.written.values()].reduce((sum, made) => sum + made.length, 0),
      disturbances: this.#disturbances,
      changes: this.#client.changes,
      messages: this.#messages,
      lostMessages: lost + blocked + disconnected + overflowed,
      checks: this.#checks,
      snapshots: counts.reduce((sum, { snapshotsInstalled }) => sum + snapshotsInstalled, 0),
      loads: statuses.filter(({ checkpoint }) => checkpoint?.loadedEvents !== undefined).length,
      refusedLoads: statuses.filter(({ checkpoint }) => checkpoint?.refused !== undefined).length,
      replays: counts.reduce((sum, { replaysRequested }) => sum + replaysRequested, 0),
      evictions: statuses.reduce((sum, { bounds }) => sum + (bounds?.evicted ?? 0), 0),
      partialHosts: statuses.filter(({ partial }) => partial).length,
      convergedInMs,
      fingerprint: this.#fingerprint >>> 0,
    };
  }
}
