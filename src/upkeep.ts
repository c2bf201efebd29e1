/**
 * What a host does for its store as time passes: finds out what may be let go for room, removes what has
 * expired and is its to remove, and gives memory back. Each step is bounded.
 */
import { MAX_SKEW_MS } from "./causality/hybrid-logical-clock.ts";
import type { EventBody } from "./crdt/event.ts";
import type { FleetClock } from "./fleet-clock.ts";
import type { ReplicationEvent } from "./replication/replication-event.ts";
import type { Replicator } from "./replication/replicator.ts";
import { leavesRemoval } from "./replication/settlement.ts";
import type { HostState } from "./status.ts";
import type { Expiry } from "./store/expiry.ts";
import type { Store } from "./store/store.ts";

/** How often a host that has let go of something finds out what is settled, where no room is needed. */
const SETTLE_MS = 500;
/** The expired keys of one who does not remove them are removed by the others in rank order, this much apart. */
const RANK_STEP_MS = 2_000;
/** Keys held against their digests at a time, and how often: a million are read in eight minutes. */
const SCRUB_KEYS = 500;
const SCRUB_MS = 250;
/** How often a store that is read at one go. */
const SMALL_SCRUB_MS = 1_000;
const SELF = 0;

/** What a standalone host tells of damaged data. */
export function damageOf(store: Store, node: string, at: number): ReplicationEvent {
  const digest = store.digests.root();
  return { type: "divergence", at, node, foundBy: "scrub", digest, theirs: undefined };
}

export interface UpkeepPorts {
  readonly store: Store;
  readonly expiry: Expiry;
  readonly fleet: FleetClock;
  readonly replicator: Replicator | undefined;
  state(): HostState;
  write(bodies: readonly EventBody[]): void;
  /** Data of a standalone host contradict their digests, and nobody else has them. */
  damaged(): void;
}

export class Upkeep {
  readonly #ports: UpkeepPorts;
  #settleAt = 0;
  #scrubAt = 0;
  /** Which piece was done last: what expires is the first. */
  #turn = -1;

  constructor(ports: UpkeepPorts) {
    this.#ports = ports;
  }

  tick(): void {
    const { store, fleet, replicator } = this.#ports;
    if (replicator !== undefined) this.#settle(replicator);
    else if (store.bounds?.exceeded) store.bounds.retry();
    const now = fleet.now();
    // One of them at a time, for each takes some milliseconds of a large store; by turns, so that none waits for ever.
    const pieces = [() => this.#expire(now), () => store.shards.compact(), () => this.#scrub(now)];
    let turn = this.#turn;
    do turn = (turn + 1) % pieces.length;
    while (!pieces[turn]!());
    this.#turn = turn;
  }

  /** Holds a part of the data against its digests, if it is time to. Whether it was. */
  #scrub(now: number): boolean {
    if (now < this.#scrubAt) return false;
    this.#scrubAt = now + (this.#ports.store.size > SCRUB_KEYS ? SCRUB_MS : SMALL_SCRUB_MS);
    const { store, replicator, damaged } = this.#ports;
    const isNews = store.scrub.step(SCRUB_KEYS).length > 0;
    // What nobody could give then, somebody may be able to give now.
    if (replicator !== undefined) replicator.audit.damaged(store.scrub.damaged, isNews);
    else if (isNews) damaged();
    return true;
  }

  /** Tells the store what is settled, if anything has to be let go. */
  #settle(replicator: Replicator): void {
    const { bounds, evicted } = this.#ports.store;
    const pressing = bounds?.evicts === true && bounds.exceeded;
    const now = replicator.node.world.monotonic();
    if (!pressing && (!evicted!.partial || now < this.#settleAt)) return;
    this.#settleAt = now + SETTLE_MS;
    evicted!.floor = replicator.settled();
    bounds?.retry();
  }

  /** Tells of what has expired, and removes what is this host's to remove. There is always something to look at. */
  #expire(now: number): boolean {
    const { expiry, fleet, replicator, state, write } = this.#ports;
    const grace = replicator === undefined ? 0 : MAX_SKEW_MS;
    const open = state() === "ready" || state() === "standalone";
    // A host whose clock is far from the others' would remove what they still show.
    const removes = open && fleet.deviation <= MAX_SKEW_MS;
    const bodies = expiry.step(now - grace, (origin, deadline) => {
      if (!removes) return false;
      if (origin === SELF || replicator === undefined) return true;
      const hasNoRemover =
        replicator.isGone(origin) || leavesRemoval(replicator.node, origin, now - deadline);
      return hasNoRemover && now >= deadline + grace + replicator.rankFor(origin) * RANK_STEP_MS;
    });
    if (bodies.length > 0) write(bodies);
    return true;
  }
}
