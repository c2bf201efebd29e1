/**
 * What a host had loaded just before it died goes as well. While it lives it removes what others overtake
 * (`overtaken-loads.ts`); with a loader H and a writer X:
 *
 *   1. H enters row r1 by event d, which leaves it.
 *   2. X, which has not seen d, removes the key by event x, which does not name d.
 *   3. H dies before x reaches it. All others have x before d: nobody who is left can tell that d was overtaken.
 *
 * So each host says in its heartbeats up to which of its events that can no longer happen, since every host had seen
 * them before it wrote what may still come (`settledSeq` in `replication/settlement.ts`): usually all but those of the
 * last seconds. What H had loaded after that is removed when H is gone, by the first of the others in an order that
 * all agree on, or the next if it does not. It costs a load where nothing was wrong.
 */
import { type DoomedLoads, eachLoaded } from "./loaded-values.ts";
import type { Shard } from "./store/shard.ts";
import type { Store } from "./store/store.ts";

/** A host that is gone and has loaded values, for as long as it is remembered. */
export interface Orphaned {
  readonly origin: number;
  /** What it loaded up to here is sound. */
  readonly settled: number;
  /** Whether it is this host's turn to remove the rest. */
  readonly due: boolean;
}

export interface OrphanPorts {
  readonly store: Store;
  readonly doomed: DoomedLoads;
  /** Hosts that are gone; none while this host is not to write. */
  orphaned(): readonly Orphaned[];
}

interface Scan {
  readonly orphans: readonly Orphaned[];
  readonly visited: WeakSet<Shard>;
}

/** How often to look for hosts that are gone, milliseconds. */
const LOOK_MS = 1_000;

export class OrphanLoads {
  readonly #ports: OrphanPorts;
  /** By origin of those gone, up to which of its events this was done: more may come of them later. */
  #done = new Map<number, number>();
  #lookAt = 0;
  #scan: Scan | undefined;

  constructor(ports: OrphanPorts) {
    this.#ports = ports;
  }

  /** To be called every tick: looks who is gone, or through a part of the data. */
  tick(now: number): void {
    if (this.#scan !== undefined) this.#step(this.#scan);
    else if (now >= this.#lookAt) {
      this.#lookAt = now + LOOK_MS;
      this.#look();
    }
  }

  #look(): void {
    const { vector } = this.#ports.store;
    const gone = this.#ports.orphaned();
    const done = new Map<number, number>();
    const orphans: Orphaned[] = [];
    for (const orphan of gone) {
      const { origin, settled, due } = orphan;
      const before = this.#done.get(origin) ?? 0;
      const applied = vector.get(origin);
      const news = applied > Math.max(before, settled);
      if (news && due) orphans.push(orphan);
      done.set(origin, news && due ? applied : before);
    }
    this.#done = done;
    if (orphans.length > 0) this.#scan = { orphans, visited: new WeakSet() };
  }

  /** One shard at a time; one that is halved meanwhile leaves a half that was not visited. */
  #step({ orphans, visited }: Scan): void {
    const { store, doomed } = this.#ports;
    for (const shard of store.shards.all()) {
      if (visited.has(shard)) continue;
      visited.add(shard);
      eachLoaded(shard, (key, entry) => {
        const { origin, seq } = entry;
        if (orphans.some((each) => each.origin === origin && seq > each.settled)) doomed.add(key, entry);
      });
      return;
    }
    this.#scan = undefined;
  }
}
