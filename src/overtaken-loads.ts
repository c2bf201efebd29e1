/**
 * What was loaded goes when another host removes or writes the key without having seen it. A removal names only
 * what its writer saw, so with a loader H and a writer X:
 *
 *   1. H reads row r1 from the upstream and enters it by event d.
 *   2. X, which has not seen d, deletes or invalidates the key (or writes it): event x, which does not name d.
 *   3. Both reach every host, in whatever order. r1 would stand everywhere, and be older than what X knew (or be
 *      hidden by what X wrote, and come to light when that expires).
 *
 * H, which has d before x, can tell that nobody needs d: it removes its own entry, by an event that names it. Where
 * H is not live, or dies before it has told that it has x, whoever else has d before x does so. The other order, x at H before 1 has ended, is the loader's:
 * it enters nothing (`loader.ts`). That H dies between d and x, and all others have x before d, is `orphan-loads.ts`.
 *
 * An image hides which events it stands for. What we loaded goes if it brings events of a host that is not known to
 * have seen it by then; what others loaded, if its giver or we had not seen it, and not all that the other one had.
 */
import type { VersionVector } from "./causality/version-vector.ts";
import type { ValueEntry } from "./crdt/entry.ts";
import type { ReplicatedEvent } from "./crdt/event.ts";
import { type DoomedLoads, eachLoaded, loadedOn } from "./loaded-values.ts";
import type { Store } from "./store/store.ts";

const SELF = 0;

export interface OvertakenPorts {
  readonly store: Store;
  readonly doomed: DoomedLoads;
  /** What the host of an origin has told that it has applied; `undefined`: it is not there to remove what it has loaded. */
  reportedBy(origin: number): VersionVector | undefined;
  /** By origin, how far its host had seen our events before it wrote what may still come from it. */
  seenOfOurs(): ReadonlyMap<number, number>;
}

/** A value that its loader is to remove once it has what overtook it. */
interface LeftToLoader {
  readonly key: string;
  readonly entry: ValueEntry;
  /** Whether a host that has told to have applied so much has it. */
  isIn(reported: VersionVector): boolean;
}

/** Values left to their loaders that are watched; of further ones nobody waits for their loader. */
const MOST_WATCHED = 100_000;
const WATCH_MS = 1_000;

export class OvertakenLoads {
  readonly #ports: OvertakenPorts;
  #watched: LeftToLoader[] = [];
  #watchAt = 0;

  constructor(ports: OvertakenPorts) {
    this.#ports = ports;
  }

  /** Looks at an event that was just applied. */
  heard(event: ReplicatedEvent): void {
    if (event.origin === SELF || event.sweep !== null || isTidying(event)) return;
    const { store } = this.#ports;
    if (event.clear === null) {
      for (const entry of loadedOn(store, event.key)) this.#look(event.key, entry, event);
      return;
    }
    const { prefix, vector } = event.clear;
    const seen = (origin: number, seq: number): boolean => seq <= seenOf(vector, origin);
    for (const shard of store.shards.all()) {
      eachLoaded(shard, (key, entry) => {
        if (key.startsWith(prefix) && !seen(entry.origin, entry.seq)) this.#look(key, entry, event);
      });
    }
  }

  /** An image of this vector is about to be put in place; what is returned is to be called once it is. */
  imageComes(image: VersionVector): () => void {
    const { store, doomed, seenOfOurs } = this.#ports;
    const before = store.vector.copy();
    // Afterwards the hosts would seem to have seen what they had not when they wrote what the image stands for.
    const seen = seenOfOurs();
    return () => {
      // There was nothing that could have overtaken, or be overtaken.
      if (before.total() === 0) return;
      const after = store.vector.copy();
      const givesNews = !before.includes(image);
      const lacksOurs = !image.includes(before);
      const seenByAll = leastSeen(seen, before, after);
      for (const shard of store.shards.all()) {
        eachLoaded(shard, (key, entry) => {
          const { origin, seq } = entry;
          if (origin === SELF) {
            if (seq > seenByAll) doomed.add(key, entry);
          } else if (before.covers(origin, seq) ? givesNews && !image.covers(origin, seq) : lacksOurs) {
            this.#leave({ key, entry, isIn: (reported) => reported.includes(after) });
          }
        });
      }
    };
  }

  /** To be called every tick: looks whether the loaders have done what was left to them. */
  tick(now: number): void {
    if (this.#watched.length === 0 || now < this.#watchAt) return;
    this.#watchAt = now + WATCH_MS;
    const watched = this.#watched;
    this.#watched = [];
    for (const left of watched) this.#leave(left);
  }

  /** Its loader removes it, if it is there. */
  #leave(left: LeftToLoader): void {
    const reported = this.#ports.reportedBy(left.entry.origin);
    if (reported !== undefined && left.isIn(reported)) return;
    if (reported === undefined || this.#watched.length === MOST_WATCHED)
      this.#ports.doomed.add(left.key, left.entry);
    else this.#watched.push(left);
  }

  #look(key: string, entry: ValueEntry, event: ReplicatedEvent): void {
    const { store, doomed } = this.#ports;
    const { origin, seq } = entry;
    if (origin === event.origin) return;
    // Of two loaded ones the greater is shown, and the other one is what goes.
    const loaded = event.add?.kind === "value" && event.add.loaded;
    if (loaded) {
      const shown = store.state(key)?.winner(store.now());
      if (shown?.origin === origin && shown.seq === seq) return;
    }
    if (origin === SELF) doomed.add(key, entry);
    else this.#leave({ key, entry, isIn: (reported) => reported.covers(event.origin, event.seq) });
  }
}

/**
 * Whether the key as such goes on: single entries are taken away, such as what another loader had entered, or what is
 * there is given a deadline or added to. What that stands on was seen, or its own event is what makes ours go.
 */
function isTidying({ removes, removesUpTo, add, increment }: ReplicatedEvent): boolean {
  if (removesUpTo !== null) return false;
  if (increment !== null) return increment.onValue === true;
  return add === null ? removes !== null : add.kind === "deadline";
}

/** Up to which of our events all those hosts had seen them whose rows have grown. */
function leastSeen(seen: ReadonlyMap<number, number>, before: VersionVector, after: VersionVector): number {
  let least = Number.POSITIVE_INFINITY;
  for (const [origin, seq] of after.entries()) {
    if (origin !== SELF && seq > before.get(origin)) least = Math.min(least, seen.get(origin) ?? 0);
  }
  return least;
}

/** How far a vector, flat, has seen an origin's events. */
function seenOf(vector: readonly number[], origin: number): number {
  for (let i = 0; i < vector.length; i += 2) if (vector[i] === origin) return vector[i + 1]!;
  return 0;
}
