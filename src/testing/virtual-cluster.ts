/**
 * The cluster behind `startCluster`, with what only our own simulation needs: it begins without hosts,
 * overrides settings that are no options, listens to hosts and to the network.
 */

import { type Duration, parseDuration } from "../arguments.ts";
import type { Disk } from "../checkpoint/disk.ts";
import { TidemarkError } from "../errors.ts";
import { createHost, type Host, type HostObserver } from "../host.ts";
import { resolveSettings, type Settings } from "../options.ts";
import type { Tidemark } from "../tidemark.ts";
import { type Delivery, MemoryNetwork } from "../transport/memory.ts";
import type { Cluster, ClusterOptions, HostName } from "./cluster.ts";
import { Random } from "./random.ts";
import { VirtualTime } from "./virtual-time.ts";
import { VirtualWorld } from "./virtual-world.ts";

/** What our own simulation sets besides. */
export interface VirtualClusterOptions extends ClusterOptions {
  /** Settings that are no options; of the host with an index, where they differ. */
  settings?: Partial<Settings> | ((index: number) => Partial<Settings>);
  network?: { maxMessageBytes?: number; echo?: boolean; queue?: { messages: number; bytes: number } };
  /** Listens to a start of a host. */
  observe?(index: number): HostObserver;
  /** What a start of a host finds on its disk. */
  disk?(index: number): Disk;
  /** How late the end of a host's turn may come, milliseconds. Default 0. */
  lagMs?: number;
  onDelivery?(delivery: Delivery): void;
}

interface Member {
  readonly node: string;
  world: VirtualWorld;
  alive: boolean;
}

/** How often `settle` looks, milliseconds. */
const LOOK_MS = 10;
const DEFAULT_TIMEOUT_MS = 60_000;
/** Turns of the promise queue between two steps of time: enough for chains of awaits. */
const MICROTASK_TURNS = 16;

/** A cluster whose hosts are added one by one; none is waited for. */
export class VirtualCluster implements Cluster {
  readonly hosts: Host[] = [];
  readonly time = new VirtualTime();
  readonly network: MemoryNetwork;
  readonly #options: VirtualClusterOptions;
  readonly #random: Random;
  readonly #members: Member[] = [];

  constructor(options: VirtualClusterOptions) {
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
    const networkRandom = this.#random.fork();
    const { onDelivery } = options;
    this.network = new MemoryNetwork({
      ...options.network,
      after: (delayMs, task) => this.time.after(delayMs, task),
      now: () => this.time.now,
      random: () => networkRandom.next(),
      faults: options.faults ?? {},
      ...(onDelivery === undefined ? {} : { observe: (delivery) => onDelivery.call(options, delivery) }),
    });
  }

  get now(): number {
    return this.time.now;
  }

  run(duration: Duration): void {
    this.time.run(parseDuration(duration, "duration"));
  }

  settle(options: { timeout?: Duration } = {}): void {
    const end = this.time.now + timeoutOf(options);
    while (!this.settled()) {
      if (this.time.now >= end) {
        throw new TidemarkError("TIMEOUT", `the hosts do not agree after waiting: ${this.#describe()}`);
      }
      this.time.run(LOOK_MS);
    }
  }

  async until<T>(promise: PromiseLike<T>, options: { timeout?: Duration } = {}): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    const end = this.time.now + timeoutOf(options);
    for (;;) {
      for (let turn = 0; turn < MICROTASK_TURNS && !settled; turn++) await null;
      if (settled) return promise;
      if (this.time.now >= end) throw new TidemarkError("TIMEOUT", "the promise is still pending");
      this.time.run(1);
    }
  }

  loss(probability: number): void {
    this.network.links.change({ loss: probability });
  }

  duplicate(probability: number): void {
    this.network.links.change({ duplicate: probability });
  }

  delay(range: { min: number; max: number; reorder?: number }): void {
    const { min, max, reorder = 0 } = range;
    this.network.links.change({ delay: { min, max }, reorder, reorderMs: max });
  }

  partition(groups: readonly (readonly HostName[])[]): void {
    this.network.links.partition(groups.map((group) => group.map((host) => this.#member(host).node)));
  }

  isolate(host: HostName): void {
    this.network.links.isolate(this.#member(host).node);
  }

  oneWay(from: HostName, to: HostName): void {
    this.network.links.cut(this.#member(from).node, this.#member(to).node);
  }

  disconnect(host: HostName): void {
    this.network.disconnect(this.#member(host).node);
  }

  reconnect(host: HostName): void {
    this.network.reconnect(this.#member(host).node);
  }

  heal(): void {
    this.network.heal();
  }

  crash(host: HostName): void {
    const member = this.#member(host);
    if (!member.alive) return;
    member.alive = false;
    this.network.sever(member.node);
    this.hosts[this.#members.indexOf(member)]!.crash();
    member.world.kill();
  }

  restart(host: HostName): Tidemark {
    const member = this.#member(host);
    const index = this.#members.indexOf(member);
    if (this.alive(index)) {
      throw new TidemarkError("INVALID_ARGUMENT", `${member.node} is running: crash or close it first`);
    }
    this.network.sever(member.node);
    const { skewMs } = member.world;
    member.world.kill();
    member.world = this.#world();
    member.world.skewMs = skewMs;
    member.alive = true;
    this.hosts[index] = this.#start(index, member);
    return this.hosts[index];
  }

  add(): Tidemark {
    const index = this.hosts.length;
    const world = this.#world();
    const member = { node: `host-${index + 1}`, world, alive: true };
    this.#members.push(member);
    const host = this.#start(index, member);
    this.hosts.push(host);
    return host;
  }

  skewClock(host: HostName, ms: number): void {
    this.#member(host).world.skewMs = ms;
  }

  pause(host: HostName): void {
    const member = this.#member(host);
    member.world.pause();
    this.network.pause(member.node);
  }

  resume(host: HostName): void {
    const member = this.#member(host);
    member.world.resume();
    this.network.resume(member.node);
  }

  /** Whether the host neither crashed nor closed. */
  alive(index: number): boolean {
    return this.#members[index]!.alive && !this.hosts[index]!.closed;
  }

  paused(index: number): boolean {
    return this.#members[index]!.world.paused;
  }

  /** Whether every host that is alive is ready and all hold the same. */
  settled(): boolean {
    let first: string | undefined;
    let digestOfAll: string | undefined;
    for (let index = 0; index < this.hosts.length; index++) {
      if (!this.#members[index]!.alive) continue;
      const { state, vectorHash, digest, partial } = this.hosts[index]!.standing();
      if (state === "closed") continue;
      if (state !== "ready") return false;
      first ??= vectorHash;
      if (first !== vectorHash) return false;
      // Who has let entries go for room holds less than the others.
      if (partial) continue;
      digestOfAll ??= digest;
      if (digestOfAll !== digest) return false;
    }
    return true;
  }

  /** Kills what still runs: nothing of a simulated host outlives its cluster. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let index = 0; index < this.hosts.length; index++) this.crash(index);
  }

  #world(): VirtualWorld {
    return new VirtualWorld(this.time, this.#random.fork(), this.#options.lagMs);
  }

  #start(index: number, member: Member): Host {
    const given = this.#options.settings;
    const settings = {
      ...resolveSettings({ ...this.#options.options, node: member.node }),
      ...(typeof given === "function" ? given(index) : given),
    };
    const transport = this.network.transport(member.node);
    const { observe, disk } = this.#options;
    return createHost(settings, member.world, transport, observe?.(index), disk?.(index));
  }

  #member(host: HostName): Member {
    const member =
      typeof host === "number" ? this.#members[host] : this.#members.find(({ node }) => node === host);
    if (member === undefined) {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        `there is no host ${host}: there are ${this.#members.length}`,
      );
    }
    return member;
  }

  /** Who is not ready, and who has applied how much of what the others have. */
  #describe(): string {
    const alive = this.hosts.filter((_, index) => this.alive(index));
    const most = new Map<string, number>();
    for (const host of alive) {
      for (const [origin, seq] of Object.entries(host.status().highWaterMarks)) {
        most.set(origin, Math.max(seq, most.get(origin) ?? 0));
      }
    }
    const lines = alive.map((host) => {
      const { node, state, reason, highWaterMarks, digest } = host.status();
      let missing = 0;
      for (const [origin, seq] of most) missing += seq - (highWaterMarks[origin] ?? 0);
      const paused = this.paused(this.hosts.indexOf(host)) ? " (paused)" : "";
      const why = reason === undefined ? "" : `: ${reason}`;
      return `${node}${paused} is ${state}${why}, misses ${missing} events, digest ${digest}`;
    });
    return lines.join("; ");
  }
}

function timeoutOf(options: { timeout?: Duration }): number {
  return options.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(options.timeout, "timeout");
}
