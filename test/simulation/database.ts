/**
 * A database behind the hosts of a simulated cluster, and those who use it: loads, updates with commits of
 * every durability, and invalidations, at any moment and on any host. What becomes of the entries they make is
 * held to the oracle like all others; what the database ends with is held to the newest commit here.
 */
import { resolveLoading } from "../../src/loader/settings.ts";
import type { CallOptions, Mutation, Row, Upstream } from "../../src/loader/upstream.ts";
import type { Settings } from "../../src/options.ts";
import type { Random } from "../../src/testing/random.ts";
import type { VirtualCluster } from "../../src/testing/virtual-cluster.ts";
import type { Commit } from "../../src/tidemark.ts";
import { SimulationFailure } from "./checks.ts";

/** Those next in order commit a little later what the owner of a key does not, milliseconds. */
const OVERDUE_MS = 5_000;
/** Of so many uses one is refused by the database. */
const FAILURE = 0.1;

interface Written {
  readonly stamp: number;
  readonly origin: string;
  readonly value: string | Uint8Array | undefined;
}

/** Rows, kept as a driver keeps them: each with its order, and written only over an older one. */
export class Database implements Upstream {
  readonly #random: Random;
  readonly #rows = new Map<string, Written>();
  /** Whether it never fails any more. */
  wellAgain = false;
  commits = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  load(key: string, _: CallOptions): Row | undefined {
    this.#mayFail();
    const row = this.#rows.get(key);
    if (row !== undefined)
      return row.value === undefined ? undefined : { value: row.value, stamp: row.stamp };
    return this.#random.chance(0.3) ? undefined : { value: `row of ${key}` };
  }

  commit(batch: readonly Mutation[]): string[] {
    this.#mayFail();
    const superseded: string[] = [];
    for (const mutation of batch) {
      const { key, stamp, origin } = mutation;
      const there = this.#rows.get(key);
      if (there !== undefined && (there.stamp > stamp || (there.stamp === stamp && there.origin > origin))) {
        superseded.push(key);
        continue;
      }
      this.commits++;
      this.#rows.set(key, { stamp, origin, value: mutation.type === "put" ? mutation.value : undefined });
    }
    return superseded;
  }

  retryable(): boolean {
    return true;
  }

  /** Settings of every host that has it. */
  settings(): Partial<Settings> {
    const loading = resolveLoading({ negativeTtl: 500, softTimeout: 500, hardTimeout: "3s", backoff: 20 });
    return { upstream: this, loading };
  }

  /** Calls on a host what a program with a database calls. What they reject is their callers' affair. */
  use(host: VirtualCluster["hosts"][number], keys: readonly string[]): void {
    const random = this.#random;
    const key = random.pick(keys);
    const ignore = (): undefined => undefined;
    const chance = random.next();
    if (chance < 0.4) host.getOrLoad(key).catch(ignore);
    else if (chance < 0.9) {
      const value = random.chance(0.2) ? undefined : `update ${random.integer(0, 1_000_000)}`;
      const commit: Commit = random.pick([
        "now",
        "never",
        "default",
        { within: random.integer(1, 2_000) },
      ] as const);
      const ttl = random.chance(0.2) ? { ttl: random.integer(1, 2_000) } : {};
      host.update(key, () => value, { commit, ...ttl }).catch(ignore);
    } else {
      try {
        host.invalidate(random.chance(0.8) ? key : { prefix: key.slice(0, 1) });
      } catch {
        // It is not ready, or has too much to send: no invalidation then.
      }
    }
  }

  /** Fails if a host still owes the database something. */
  checkNothingDue(hosts: readonly VirtualCluster["hosts"][number][]): void {
    for (const host of hosts) {
      for (const [key, { entries }] of host.inspect().keys) {
        // A host that was alone with a clock set ahead may have put the time far off.
        const latest = host.fleetNow() - OVERDUE_MS;
        if (!entries.some(({ kind, by }) => kind === "commit" && by! < latest)) continue;
        throw new SimulationFailure(
          "due",
          `${host.node} still holds a commit of ${JSON.stringify(key)} to be due`,
        );
      }
    }
  }

  #mayFail(): void {
    if (!this.wellAgain && this.#random.chance(FAILURE)) throw new Error("the database is not well");
  }
}
