/**
 * One host: composes store, replication and transport, and holds the walks. A read looks into the store.
 * A write becomes events, each applied by `Store.apply` and handed to the replicator. What arrives is
 * applied by the same `Store.apply`. One timer drives all that time drives.
 */
import { ulid } from "ulid";
import { Assurance, checkToken, hostsOf } from "./assurance.ts";
import { HybridLogicalClock, stampToMs } from "./causality/hybrid-logical-clock.ts";
import { Origins } from "./causality/origins.ts";
import type { VersionVector } from "./causality/version-vector.ts";
import type { Disk } from "./checkpoint/disk.ts";
import { Commands } from "./commands.ts";
import type { Value } from "./crdt/entry.ts";
import { type EventBody, eventFrom, type ReplicatedEvent, valueEvent } from "./crdt/event.ts";
import { TidemarkError } from "./errors.ts";
import { FleetClock } from "./fleet-clock.ts";
import { type Handles, type Inspection, inspect, type Standing, standingOf } from "./inspection.ts";

export type { InspectedCell, InspectedEntry, Inspection } from "./inspection.ts";

import { checkOptions } from "./arguments.ts";
import { Keeping } from "./keeping.ts";
import { type HeardKind, type Listener, Listeners } from "./listeners.ts";
import { type Loading, openLoading } from "./loading.ts";
import { Moves } from "./moves.ts";
import type { Settings } from "./options.ts";
import { presentKeys } from "./present-keys.ts";
import { Reads } from "./reads.ts";
import { replicaOf, surroundingsOf } from "./replica.ts";
import { medianOffset } from "./replication/membership.ts";
import type { Replica } from "./replication/node.ts";
import { Replicator } from "./replication/replicator.ts";
import { hasSeen } from "./replication/settlement.ts";
import { type HostState, type Status, statusOf } from "./status.ts";
import { boundsOf } from "./store/bounds.ts";
import type { StoreChange } from "./store/changes.ts";
import { Expiry } from "./store/expiry.ts";
import { Store } from "./store/store.ts";
import type { ReplicatedOptions, Tidemark, Token, WaitOptions } from "./tidemark.ts";
import type { Transport } from "./transport/transport.ts";
import { damageOf, Upkeep } from "./upkeep.ts";
import { type Change, createWatchHub, type KeyChange, type WatchOptions } from "./watch.ts";
import type { World } from "./world.ts";
import { checkReplicated, movedDeadlines, type WritePorts } from "./write-ports.ts";
import { Writes } from "./writes.ts";

/** Hears of every event this host makes, in order; for tests and recorders. */
export interface HostObserver {
  wrote?(event: ReplicatedEvent, origins: Origins): void;
}

/** A `Tidemark` with the handles that simulations need. */
export interface Host extends Tidemark, Handles {}

const TICK_MS = 20;
const SELF = 0;
/** The index of an origin nothing was ever heard of. */
const NOBODY = Number.MAX_SAFE_INTEGER;

export function createHost(
  settings: Settings,
  world: World,
  transport: Transport | undefined,
  observer: HostObserver = {},
  disk?: Disk,
): Host {
  return new TidemarkHost(settings, world, transport, observer, disk);
}

class TidemarkHost extends Commands implements Host {
  readonly namespace: string;
  readonly node: string;
  readonly incarnation: string;
  readonly #settings: Settings;
  readonly #world: World;
  readonly #transport: Transport | undefined;
  readonly #observer: HostObserver;
  readonly #origins: Origins;
  readonly #clock: HybridLogicalClock;
  readonly #fleet: FleetClock;
  readonly #store: Store;
  readonly #expiry: Expiry;
  readonly #replica: Replica;
  readonly #replicator: Replicator | undefined;
  readonly #hub = createWatchHub();
  readonly #assurance: Assurance | undefined;
  readonly #listeners: Listeners;
  readonly #reads: Reads;
  readonly #loading: Loading | undefined;
  readonly #upkeep: Upkeep;
  readonly #keeping: Keeping | undefined;
  readonly #stopTimer: () => void;
  #closed: "no" | "closing" | "closed" = "no";
  #closing: Promise<void> | undefined;

  constructor(
    settings: Settings,
    world: World,
    transport: Transport | undefined,
    observer: HostObserver,
    disk: Disk | undefined,
  ) {
    super();
    this.#settings = settings;
    this.#world = world;
    this.#transport = transport;
    this.#observer = observer;
    this.namespace = settings.namespace;
    this.node = settings.node;
    this.incarnation = ulid(Math.max(0, Math.floor(world.now())), () => world.random());
    this.#origins = new Origins(this.incarnation);
    this.#clock = new HybridLogicalClock(() => world.now());
    this.#fleet = new FleetClock(world);
    this.#listeners = new Listeners({
      defer: (task) => world.defer(task),
      now: () => world.now(),
      report: (error) => world.report(error),
    });
    this.#store = new Store({
      origins: this.#origins,
      now: () => this.#fleet.now(),
      bounds: boundsOf(settings, {
        isNeeded: (key) => this.#loading?.awaitsCommit(key) === true,
        besides: () => this.#replicator?.node.log.bytes ?? 0,
      }),
      fleet: transport && { hasSeen: (origin, vector) => hasSeen(this.#replicator!.node, origin, vector) },
      listener: {
        watching: (key) => this.#hub.active() && this.#hub.wants(key),
        countingOut: () => this.#listeners.countingOut,
        changed: (change) => this.#tell(this.#asKeyChange(change)),
      },
    });
    this.#expiry = new Expiry(this.#store);
    this.#replica = replicaOf(this.#store, this.#clock, settings, {
      heard: (event) => this.#loading?.heard(event),
      imageComes: (vector) => this.#loading?.imageComes(vector) ?? (() => undefined),
    });
    this.#reads = new Reads(this.#store, () => world.random());
    const ports: WritePorts = {
      store: this.#store,
      writable: () => this.#checkWritable(),
      write: (bodies) => {
        this.#write(bodies);
        if (settings.ttlFrom === "write") this.#write(movedDeadlines(ports, bodies));
      },
      writeValue: (key, value, deadline, removesUpTo, evicted) =>
        this.#writeValue(key, value, deadline, removesUpTo, evicted),
      now: () => this.#fleet.now(),
      stamp: () => this.#clock.tick(),
      limits: settings,
    };
    const writes = new Writes(ports);
    const clear = (prefix: string): void => writes.clear(prefix);
    const { incarnation: origin } = this;
    const replicator = transport === undefined ? undefined : () => this.#replicator!;
    this.#loading = openLoading(settings, ports, { clear, world, origin, clock: this.#clock, replicator });
    this.serve(this.#reads, writes, new Moves(ports), this.#loading);
    if (transport !== undefined) {
      this.#replicator = new Replicator({
        self: { node: this.node, incarnation: this.incarnation },
        settings,
        world: surroundingsOf(world, this.#fleet),
        transport,
        origins: this.#origins,
        replica: this.#replica,
        loads: this.#loading?.fleet,
        tell: (event) => this.#listeners.told(event),
      });
      this.#assurance = new Assurance(this.#replicator, this.#store.vector);
    }
    this.#upkeep = new Upkeep({
      store: this.#store,
      expiry: this.#expiry,
      fleet: this.#fleet,
      replicator: this.#replicator,
      state: () => this.#state(),
      write: (bodies) => this.#write(bodies),
      damaged: () => this.#listeners.told(damageOf(this.#store, this.node, world.now())),
    });
    this.#keeping = Keeping.of(settings, {
      store: this.#store,
      replica: this.#replica,
      world,
      disk,
      incarnation: this.incarnation,
      state: () => this.#state(),
      tell: (event) => this.#listeners.told(event),
      loaded: () => this.#replicator?.start(),
    });
    if (this.#keeping === undefined) this.#replicator?.start();
    this.#stopTimer = world.every(TICK_MS, () => this.#tick());
  }

  /** Resolves when its checkpoint, if it has one, is loaded. */
  async opened(): Promise<void> {
    await this.#keeping?.opened();
  }

  async ready(options: WaitOptions = {}): Promise<void> {
    this.#checkOpen();
    await this.#keeping?.opened();
    await this.#assurance?.ready(options);
  }

  async flush(options: WaitOptions = {}): Promise<void> {
    this.#checkOpen();
    await this.#assurance?.flushed(options);
  }

  async replicated(options: ReplicatedOptions = {}): Promise<number> {
    this.#checkOpen();
    const hosts = hostsOf(options);
    return this.#assurance?.replicated(hosts, options) ?? 0;
  }

  token(): Token {
    return { incarnation: this.incarnation, seq: this.#store.vector.get(SELF) };
  }

  async waitFor(token: Token, options: WaitOptions = {}): Promise<void> {
    this.#checkOpen();
    checkToken(token);
    if (this.#store.vector.covers(this.#origins.find(token.incarnation) ?? NOBODY, token.seq)) return;
    if (this.#assurance === undefined) {
      throw new TidemarkError("TIMEOUT", "this host is standalone: it will never see a write of another");
    }
    await this.#assurance.applied(token, options);
  }

  watch(options: WatchOptions = {}): AsyncIterableIterator<Change> {
    this.#checkOpen();
    checkOptions(options, ["prefix", "match", "buffer", "signal"], "watch");
    this.#expiry.tellAll();
    return this.#hub.open(options, (matches) => this.#present(matches));
  }

  /** What is there; what has expired by the time its turn comes is told while nobody has heard of it. */
  *#present(matches: (key: string) => boolean): Generator<KeyChange> {
    yield* presentKeys(this.#reads, matches, (key) => this.#expiry.tell(key), this.#world.now());
    this.#expiry.tellAll();
  }

  on<K extends HeardKind>(kind: K, listener: Listener<K>): () => void {
    this.#checkOpen();
    return this.#listeners.listen(kind, listener);
  }

  status(): Status {
    return statusOf({
      settings: this.#settings,
      incarnation: this.incarnation,
      state: this.#state(),
      store: this.#store,
      replicator: this.#replicator,
      clock: this.#clock,
      loader: this.#loading?.status(),
      checkpoint: this.#keeping?.status(),
    });
  }

  inspect(): Inspection {
    return inspect(this.#store, this.#replicator, this.#keeping?.loading);
  }

  fleetNow(): number {
    return this.#fleet.now();
  }

  get closed(): boolean {
    return this.#closed === "closed";
  }

  standing(): Standing {
    return standingOf(this.#store, this.#state());
  }

  crash(): void {
    this.#stop();
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #leave(): Promise<void> {
    if (this.#closed !== "no") return;
    this.#closed = "closing";
    await this.#keeping?.opened();
    await this.#loading?.drain();
    await this.#assurance?.leave();
    const uncommitted = this.#loading?.uncommitted();
    const unsaved: unknown = await this.#keeping?.saveLast().catch((error: unknown) => error);
    this.#stop();
    await this.#transport?.close();
    const unclosed: unknown = await this.#loading?.closeUpstream().catch((error: unknown) => error);
    const failure = uncommitted ?? unsaved ?? unclosed;
    if (failure !== undefined) throw failure;
  }

  #stop(): void {
    if (this.#closed === "closed") return;
    this.#closed = "closed";
    this.#stopTimer();
    this.#loading?.stop();
    this.#keeping?.stop();
    this.#replicator?.stop();
    this.#hub.close();
    this.#listeners.close();
  }

  #tick(): void {
    if (this.#keeping?.loading) return;
    const replicator = this.#replicator;
    if (replicator !== undefined) {
      const moved = this.#fleet.follow();
      if (moved !== 0) replicator.clockMoved(moved);
      this.#fleet.adjust(medianOffset(replicator.livePeers()));
      replicator.tick();
    } else this.#fleet.follow();
    this.#loading?.tick();
    if (this.#closed === "no") this.#upkeep.tick();
    this.#keeping?.tick();
  }

  #write(bodies: readonly EventBody[]): void {
    for (const body of bodies) {
      this.#commit(eventFrom(body, SELF, this.#store.vector.get(SELF) + 1, this.#clock.tick()));
    }
    this.#store.bounds?.enforce();
    this.#replicator?.endCommand();
  }

  /** The hot path: one plain value. */
  #writeValue(
    key: string,
    value: Value,
    deadline: number,
    removesUpTo: readonly number[] | null,
    evicted: VersionVector | null,
  ): void {
    this.#commit(
      valueEvent(
        key,
        value,
        deadline,
        removesUpTo,
        evicted,
        SELF,
        this.#store.vector.get(SELF) + 1,
        this.#clock.tick(),
      ),
    );
    this.#store.bounds?.enforce();
    this.#replicator?.endCommand();
  }

  #commit(event: ReplicatedEvent): void {
    this.#store.apply(event);
    this.#loading?.heard(event);
    this.#replicator?.wrote(event);
    this.#observer.wrote?.(event, this.#origins);
  }

  #state(): HostState {
    if (this.#closed === "closed") return "closed";
    if (this.#closed === "closing") return "leaving";
    if (this.#keeping?.loading) return "loading";
    return this.#replicator?.node.state ?? "standalone";
  }

  #checkOpen(): void {
    if (this.#closed !== "no") throw new TidemarkError("CLOSED", "this host was closed; open a new one");
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.#keeping?.loading) throw new TidemarkError("NOT_READY", "this host is reading its checkpoint");
    if (this.#replicator !== undefined) checkReplicated(this.#replicator, this.#settings.maxUnconfirmedBytes);
  }

  #tell(change: KeyChange): void {
    if (this.#hub.wants(change.key)) this.#hub.publish(change);
    this.#listeners.changed(change);
  }

  #asKeyChange({ origin, stamp, ...change }: StoreChange): KeyChange {
    const caused = stamp > 0;
    return {
      ...change,
      origin: caused ? this.#origins.name(origin) : this.incarnation,
      at: caused ? stampToMs(stamp) : this.#world.now(),
      folded: 0,
    };
  }
}
