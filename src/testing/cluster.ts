/**
 * A whole cluster in one process, in virtual time, on a network that fails as told: for tests of what is
 * built on Tidemark, and for our own. One seed is one run, message by message. The hosts are the real
 * ones; only the clocks, the random numbers and the network are not.
 */

import type { Duration } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import type { OpenOptions } from "../options.ts";
import type { Tidemark } from "../tidemark.ts";
import type { LinkFaults } from "../transport/memory-links.ts";
import { VirtualCluster } from "./virtual-cluster.ts";

/** A host of a cluster: its place in `hosts`, or its node name (`"host-1"` is the first). */
export type HostName = number | string;

export interface ClusterOptions {
  /** How many hosts. Default 3. */
  hosts?: number;
  /** One seed is one run. Default 1. */
  seed?: number;
  /** What every host is opened with. */
  options?: Omit<OpenOptions, "nats" | "node">;
  /** Faults of the network from the beginning. */
  faults?: Partial<LinkFaults>;
}

/**
 * Hosts that share one namespace, and the handles to disturb them. Time passes only in `run`, `settle`
 * and `until`. All faults may be set at any time and last until `heal`.
 */
export interface Cluster extends AsyncDisposable {
  /** By place; a crashed host stays until `restart` puts a new incarnation in its place. */
  readonly hosts: readonly Tidemark[];
  /** Milliseconds since the cluster started. */
  readonly now: number;
  /** Lets time pass. Code that waits for a promise does not go on meanwhile: see `until`. */
  run(duration: Duration): void;
  /**
   * Lets time pass until every host that has not crashed is ready and all hold the same. Throws `TIMEOUT`
   * (default 60 s of virtual time) and names who differs.
   */
  settle(options?: { timeout?: Duration }): void;
  /** Lets time pass until a promise settles, and answers as it does. Rejects `TIMEOUT` (default 60 s). */
  until<T>(promise: PromiseLike<T>, options?: { timeout?: Duration }): Promise<T>;
  /** Probability that a message between two hosts is lost. */
  loss(probability: number): void;
  /** Probability that a message comes twice. */
  duplicate(probability: number): void;
  /** Milliseconds that a message takes; and the probability that it is overtaken by later ones. */
  delay(range: { min: number; max: number; reorder?: number }): void;
  /** Splits the hosts into groups that do not reach each other; those not named are one more group. */
  partition(groups: readonly (readonly HostName[])[]): void;
  /** Cuts one host off from the others, its connection to the server staying up. */
  isolate(host: HostName): void;
  /** Loses what one host sends to another, and nothing else. */
  oneWay(from: HostName, to: HostName): void;
  /** Breaks the connection of a host to the server. */
  disconnect(host: HostName): void;
  reconnect(host: HostName): void;
  /** Ends every fault of the network. Crashed hosts stay so, and paused ones. */
  heal(): void;
  /** Kills a host: no flush, no goodbye, its memory gone. */
  crash(host: HostName): void;
  /** Starts a crashed (or closed) host again, empty, as a new incarnation. It is ready after some time. */
  restart(host: HostName): Tidemark;
  /** Starts one more host. */
  add(): Tidemark;
  /** Lets the wall clock of a host jump to so many milliseconds ahead of the true time. */
  skewClock(host: HostName, ms: number): void;
  /** Stops a host's process for a while, as SIGSTOP does. */
  pause(host: HostName): void;
  resume(host: HostName): void;
}

/**
 * Starts a cluster and lets time pass until its hosts are ready.
 *
 * ```ts
 * await using cluster = startCluster({ hosts: 3, seed: 7 });
 * cluster.partition([[0], [1, 2]]);
 * cluster.hosts[0].set("greeting", "hello");
 * cluster.heal();
 * cluster.settle();
 * cluster.hosts[2].get("greeting"); // "hello"
 * ```
 */
export function startCluster(options: ClusterOptions = {}): Cluster {
  const cluster = new VirtualCluster(options);
  const count = options.hosts ?? 3;
  if (!Number.isInteger(count) || count < 1) {
    throw new TidemarkError("INVALID_ARGUMENT", `hosts takes a whole number of 1 or more, not ${count}`);
  }
  for (let index = 0; index < count; index++) cluster.add();
  cluster.settle();
  return cluster;
}
