/**
 * A host's upstream: `getOrLoad`, `update` and `invalidate` as callers see them, with typed values, and the
 * loader's memory, which is the store. Loaded values enter by the same events as written ones, marked.
 */

import { type Aftercare, aftercareOf } from "./aftercare.ts";
import { checkOptions, invalid } from "./arguments.ts";
import type { HybridLogicalClock } from "./causality/hybrid-logical-clock.ts";
import type { VersionVector } from "./causality/version-vector.ts";
import { type CommitWithin, commitWithin, rowTtl } from "./commit-within.ts";
import { CommitsDue } from "./commits-due.ts";
import type { EventBody, ReplicatedEvent } from "./crdt/event.ts";
import { deleteKey, setValue } from "./crdt/operations.ts";
import { toKey, toValue } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import { FleetLoads } from "./fleet-loads.ts";
import { bytesOf } from "./loader/codec.ts";
import { type LoaderCounts, type LoaderStatus, noLoaderCounts } from "./loader/counts.ts";
import { freshnessOf } from "./loader/freshness.ts";
import { Loader } from "./loader/loader.ts";
import type { LoaderWorld, Memory } from "./loader/memory.ts";
import type { LoadingSettings } from "./loader/settings.ts";
import { Timers } from "./loader/timers.ts";
import { Turns } from "./loader/turns.ts";
import type { Mutation, Stored, Upstream } from "./loader/upstream.ts";
import { WriteBehind } from "./loader/write-behind.ts";
import { memoryOf } from "./loader-memory.ts";
import type { Settings } from "./options.ts";
import type { Replicator } from "./replication/replicator.ts";
import { mayStandElsewhere } from "./store/evicted.ts";
import type { UpdateOptions } from "./tidemark.ts";
import type { World } from "./world.ts";
import { makeRoom, newDeadline, see, type WritePorts } from "./write-ports.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** More stamps than a microsecond has: databases that count in those must see every update as later. */
const STAMPS_PER_MICROSECOND = 5;

/** An update whose key is changed by others again and again, and not shown, takes it for absent then. */
const MOST_LOOKS = 3;
/** A commit that its owner does not make is made by the next host so much later, in milliseconds. */
const TAKE_OVER_MS = 2_000;

/** What loading needs of its host besides the ports of all writes. */
export interface LoadingPorts {
  /** Removes all keys under a prefix, here and elsewhere. */
  clear(prefix: string): void;
  readonly world: World;
  readonly clock: HybridLogicalClock;
  /** Our incarnation. */
  readonly origin: string;
  /** Absent on a standalone host; to be called once the host is complete. */
  readonly replicator: (() => Replicator) | undefined;
}

/** The upstream that the settings name; `undefined` if they name none. */
export function openLoading(
  settings: Settings,
  writes: WritePorts,
  ports: LoadingPorts,
): Loading | undefined {
  return settings.upstream === undefined
    ? undefined
    : new Loading(settings.upstream, settings, { ...writes, ...ports });
}

export class Loading {
  readonly #ports: WritePorts & LoadingPorts;
  readonly #limits: Settings;
  readonly #upstream: Upstream<unknown>;
  readonly #settings: LoadingSettings;
  readonly #world: LoaderWorld;
  readonly #memory: Memory;
  /** The other hosts; `undefined` on a standalone one. */
  readonly fleet: FleetLoads | undefined;
  readonly #aftercare: Aftercare;
  /** Absent on a standalone host without a checkpoint, whose dirty keys nobody could take over. */
  readonly #due: CommitsDue | undefined;
  readonly #timers = new Timers();
  readonly #counts: LoaderCounts = noLoaderCounts();
  readonly #loader: Loader;
  readonly #writeBehind: WriteBehind;
  readonly #turns = new Turns();
  /** The other hosts that commit. */
  #committers: readonly string[] | undefined;
  /** The key of the update under way: it is about to wait for its commit. */
  #updating: string | undefined;

  constructor(upstream: Upstream<unknown>, limits: Settings, ports: WritePorts & LoadingPorts) {
    const { world, store, clock, replicator } = ports;
    this.#ports = ports;
    this.#memory = memoryOf(ports, clock);
    if (replicator !== undefined)
      this.fleet = this.fleet = new FleetLoads(upstream, replicator, () => this.#loader);
    const defer = (task: () => void): void => world.defer(task);
    this.#aftercare = aftercareOf({ store, write: ports.write, defer }, this.fleet);
    this.#limits = limits;
    this.#upstream = upstream;
    this.#settings = limits.loading;
    this.#world = {
      now: () => ports.now(),
      monotonic: () => world.monotonic(),
      random: () => world.random(),
      defer: (task) => world.defer(task),
    };
    const shared = {
      upstream,
      settings: limits.loading,
      world: this.#world,
      timers: this.#timers,
      counts: this.#counts,
    };
    const { fleet } = this;
    // Only what is in the store is on other hosts, or in a checkpoint.
    const outlives = fleet !== undefined || limits.checkpoint !== undefined;
    const due = outlives ? new CommitsDue(ports, () => this.#writeBehind) : undefined;
    this.#due = due;
    this.#writeBehind = new WriteBehind({
      ...shared,
      committed: (mutations) => due?.committed(mutations),
      ...(fleet === undefined ? {} : { delayOf: (key: string) => fleet.rank(key) * TAKE_OVER_MS }),
    });
    this.#loader = new Loader({
      ...shared,
      memory: this.#memory,
      fleet: this.fleet,
      unsaved: (key) => this.#writeBehind.unsaved(key),
    });
  }

  getOrLoad<V>(givenKey: string, signal: AbortSignal | undefined): Promise<V | undefined> {
    const stored = this.#loader.get(this.#key(givenKey), signal);
    if (this.#upstream.codec === undefined) return stored as Promise<V | undefined>;
    return stored.then((value) => this.#decoded<V>(value));
  }

  async getOrLoadMany<V>(keys: Iterable<string>, signal: AbortSignal | undefined): Promise<Map<string, V>> {
    const distinct = [...new Set(Array.from(keys, (key) => this.#key(key)))];
    // No more at a time than the upstream is asked for: one caller is not to fill the queue of all.
    const { maxConcurrentLoads, maxBatch } = this.#settings;
    const atATime = maxConcurrentLoads * (this.#upstream.loadMany === undefined ? 1 : maxBatch);
    const found = new Map<string, V>();
    for (let i = 0; i < distinct.length; i += atATime) {
      const some = distinct.slice(i, i + atATime);
      const values = await Promise.all(some.map((key) => this.#loader.get(key, signal)));
      for (const [index, value] of values.entries()) {
        if (value !== undefined) found.set(some[index]!, this.#decoded<V>(value)!);
      }
    }
    return found;
  }

  async update<V>(
    givenKey: string,
    change: (current: V | undefined) => V | undefined,
    options: UpdateOptions = {},
  ): Promise<V | undefined> {
    const key = this.#key(givenKey);
    checkOptions(options, ["commit", "ttl", "signal"], "update");
    const within = commitWithin(options.commit, this.#settings.commitWithinMs);
    const ttlMs = rowTtl(options.ttl);
    if (typeof change !== "function")
      throw invalid("update", change, "a function from the value to the new one");
    this.#counts.updates++;
    // Nothing to wait for: neither for other updates of the key, nor for a load.
    const held = this.#turns.busy(key) ? undefined : this.#memory.find(key);
    if (held !== undefined && freshnessOf(held, this.#world.now, this.#settings) === "fresh") {
      this.#counts.gets++;
      this.#counts.hits++;
      const { value, committed } = this.#apply(key, held.value, change, within, ttlMs);
      if (committed !== undefined) await committed;
      return value;
    }
    const { value, committed } = await this.#turns.take(key, () =>
      this.#withCurrent(key, options.signal, (current) => this.#apply(key, current, change, within, ttlMs)),
    );
    if (committed !== undefined) await committed;
    return value;
  }

  /**
   * Hands over what a key holds, loaded if need be, in the step in which that is so. Somebody may come between the
   * end of a load and the turn of who waits for it: 1. it was loaded, 2. another caller, or an event of another
   * host, wrote or removed the key, 3. we go on. Then what was loaded is out of date, and memory has the last word.
   */
  async #withCurrent<T>(
    key: string,
    signal: AbortSignal | undefined,
    use: (current: Stored | undefined) => T,
  ): Promise<T> {
    const follower = this.#loader.followers.begin(key);
    try {
      for (let looks = 1; ; looks++) {
        const known = this.#loader.known(key);
        if (known !== undefined) return use(known.value);
        const loaded = await this.#loader.load(key, signal);
        const held = this.#memory.find(key);
        if (held !== undefined) return use(held.value);
        if (!follower.changed) return use(loaded);
        // Where memory cannot tell an absent key from one that was let go for room, other hosts can.
        if (looks > MOST_LOOKS || !mayStandElsewhere(this.#ports.store, key))
          return use(this.#writeBehind.unsaved(key)?.value);
      }
    } finally {
      this.#loader.followers.end(key);
    }
  }

  invalidate(given: string | { prefix: string }): void {
    if (typeof given === "string") {
      const key = this.#key(given);
      this.#ports.writable();
      const seen = see(this.#ports, key);
      // An event even where nothing is held: others may be loading what it invalidates.
      this.#ports.write([deleteKey(seen)]);
      return;
    }
    checkOptions(given, ["prefix"], "invalidate");
    this.#ports.clear(toKey(given?.prefix, this.#limits.maxKeyBytes));
  }

  /** An event was applied, ours or another host's. */
  heard(event: ReplicatedEvent): void {
    if (event.clear !== null) this.#loader.touchedUnder(event.clear.prefix);
    else if (event.sweep === null) this.#loader.touched(event.key);
    this.#aftercare.heard(event);
    this.#due?.heard(event);
  }

  /** An image is about to be put in place; what is returned is to be called then: any key may have changed. */
  imageComes(vector: VersionVector): () => void {
    const lookAtLoads = this.#aftercare.imageComes(vector);
    return () => {
      this.#loader.touchedUnder("");
      this.#due?.heardOfAll();
      lookAtLoads();
    };
  }

  /** Whether the upstream has yet to take what a key holds: until then it must not be let go for room. */
  awaitsCommit(key: string): boolean {
    return key === this.#updating || this.#writeBehind.awaits(key);
  }

  tick(): void {
    this.#timers.run(this.#world.monotonic());
    const committers = this.#writeBehind.dirty > 0 ? this.fleet?.otherCommitters() : this.#committers;
    if (committers !== this.#committers) {
      this.#committers = committers;
      this.#writeBehind.turnsChanged();
    }
    this.#aftercare.tick(this.#world.monotonic());
    this.#writeBehind.tick();
  }

  status(): LoaderStatus {
    return {
      ...this.#counts,
      loading: this.#loader.loading,
      queued: this.#loader.queued,
      dirty: this.#writeBehind.dirty,
      oldestDirtyMs: this.#writeBehind.oldestDirtyMs,
    };
  }

  /** Commits what is dirty, within a limit. */
  async drain(): Promise<void> {
    // With a database that is away nothing else may hold the process, and what waits would be lost without a word.
    const leave = this.#ports.world.stay();
    try {
      await this.#writeBehind.drain(this.#settings.drainTimeoutMs);
    } finally {
      leave();
    }
  }

  /** What to say of the keys that are left, once the other hosts have had time for our last events. */
  uncommitted(): TidemarkError | undefined {
    const { fleet } = this;
    // What another host that commits is known to have is its to commit.
    const keys = this.#writeBehind.keys().filter((key) => !fleet?.areKnownElsewhere(this.#due!.dotsOf(key)));
    if (keys.length === 0) return undefined;
    const shown = keys.slice(0, 10).map((key) => JSON.stringify(key));
    if (keys.length > shown.length) shown.push(`and ${keys.length - shown.length} more`);
    return new TidemarkError(
      "UNCOMMITTED",
      `the host was closed with ${keys.length} keys that the upstream had not taken, and that no other host ` +
        `is known to have: ${shown.join(", ")}; ` +
        "see the error's keys, and loading.drainTimeout",
      { keys },
    );
  }

  /** Settles everybody who waits. */
  stop(): void {
    this.#loader.close();
    this.#writeBehind.close();
  }

  /** Frees the upstream; after `stop`. */
  async closeUpstream(): Promise<void> {
    await this.#upstream.close?.();
  }

  /** Runs the function and applies what it says: one synchronous step. */
  #apply<V>(
    key: string,
    current: Stored | undefined,
    change: (current: V | undefined) => V | undefined,
    within: CommitWithin,
    ttlMs: number,
  ): { value: V | undefined; committed: Promise<void> | undefined } {
    this.#ports.writable();
    if (within !== undefined) this.#writeBehind.checkRoom(key);
    const value = change(this.#decoded<V>(current));
    if (value instanceof Promise) {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        `the function given to update("${key}") returned a promise: it runs in one step, so await before it`,
      );
    }
    const stored = value === undefined ? undefined : this.#encoded(value);
    const now = this.#world.now();
    const expiresAt = ttlMs === NEVER ? NEVER : Math.floor(now) + ttlMs;
    makeRoom(this.#ports, [key]);
    const body = this.#bodyOf(key, stored, expiresAt);
    this.#updating = key;
    try {
      return { value, committed: this.#enter(body, stored, expiresAt, within) };
    } finally {
      this.#updating = undefined;
    }
  }

  /** Writes and sees to the commit; a promise of it if somebody waits. */
  #enter(
    body: EventBody,
    value: Stored | undefined,
    expiresAt: number,
    within: CommitWithin,
  ): Promise<void> | undefined {
    const { key } = body;
    const { write, clock, origin } = this.#ports;
    if (this.#due !== undefined) {
      // Whoever asked for it waits for the commit; should this host die over it, another makes it.
      const withinMs = within === "now" ? this.#settings.hardTimeoutMs : within;
      const due = this.#due.bodyOf(key, value, expiresAt, withinMs);
      write(due === undefined ? [body] : [body, due]);
      clock.leap(STAMPS_PER_MICROSECOND);
      return within === "now" ? this.#writeBehind.hasten(key) : undefined;
    }
    write([body]);
    const order = { key, stamp: clock.last, origin };
    clock.leap(STAMPS_PER_MICROSECOND);
    const mutation: Mutation =
      value === undefined ? { type: "delete", ...order } : { type: "put", ...order, value, expiresAt };
    if (within === "now") return this.#writeBehind.commitNow(mutation);
    if (within === undefined) this.#writeBehind.replace(mutation);
    else this.#writeBehind.add(mutation, within);
    return undefined;
  }

  #bodyOf(key: string, value: Stored | undefined, expiresAt: number): EventBody {
    const { store } = this.#ports;
    const dot = value === undefined ? undefined : store.plainDot(key);
    if (value !== undefined && dot !== undefined && dot !== null) {
      const deadline = expiresAt === NEVER ? newDeadline(this.#ports) : expiresAt;
      return { key, removesUpTo: dot, add: { kind: "value", value, deadline, loaded: false } };
    }
    const seen = see(this.#ports, key);
    if (value === undefined) return deleteKey(seen);
    const deadline = expiresAt === NEVER ? seen.newDeadline : expiresAt;
    return setValue(seen, { kind: "value", value, deadline, loaded: false });
  }

  #decoded<V>(stored: Stored | undefined): V | undefined {
    const { codec } = this.#upstream;
    if (stored === undefined || codec === undefined) return stored as V | undefined;
    return codec.decode(bytesOf(stored)) as V;
  }

  #encoded(value: unknown): Stored {
    const { codec } = this.#upstream;
    const stored = codec === undefined ? (value as Stored) : codec.encode(value);
    return toValue(stored, this.#limits.maxValueBytes);
  }

  #key(key: string): string {
    return toKey(key, this.#limits.maxKeyBytes);
  }
}
