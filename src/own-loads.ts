/**
 * What this host has loaded goes when another host removes or writes the key without having seen it. A removal
 * names only what its writer saw, so with a loader H and a writer X:
 *
 *   1. H reads row r1 from the upstream and enters it by event d.
 *   2. X, which has not seen d, deletes or invalidates the key (or writes it): event x, which does not name d.
 *   3. Both reach every host, in whatever order. r1 would stand everywhere, and be older than what X knew (or be
 *      hidden by what X wrote, and come to light when that expires).
 *
 * Only H can tell that nobody needs d: it removes its own entry, by an event that names it. The other order,
 * x at H before 1 has ended, is the loader's: it enters nothing (`loader.ts`).
 */
import type { ValueEntry } from "./crdt/entry.ts";
import type { EventBody, ReplicatedEvent } from "./crdt/event.ts";
import { plainEntry } from "./store/plain-entry.ts";
import type { Store } from "./store/store.ts";

const SELF = 0;

export interface OwnLoadsPorts {
  readonly store: Store;
  write(bodies: readonly EventBody[]): void;
  defer(task: () => void): void;
}

export class OwnLoads {
  readonly #ports: OwnLoadsPorts;
  /** Our last event that entered a loaded value. */
  #last = 0;
  #doomed = new Map<string, number>();

  constructor(ports: OwnLoadsPorts) {
    this.#ports = ports;
  }

  /** Looks at an event that was just applied. */
  heard(event: ReplicatedEvent): void {
    if (event.origin === SELF) {
      if (event.add?.kind === "value" && event.add.loaded) this.#last = event.seq;
      return;
    }
    if (this.#last === 0 || event.sweep !== null || isTidying(event)) return;
    if (event.clear === null) this.#look(event.key, event);
    else if (seenOf(event.clear.vector) < this.#last) {
      const { prefix } = event.clear;
      for (const shard of this.#ports.store.shards.all()) {
        for (const key of shard.keys()) if (key.startsWith(prefix)) this.#look(key, event);
      }
    }
  }

  #look(key: string, event: ReplicatedEvent): void {
    const own = this.#own(key);
    if (own === undefined) return;
    // Of two loaded ones the greater is shown, and the other one is what goes.
    const loaded = event.add?.kind === "value" && event.add.loaded;
    if (loaded && this.#ports.store.state(key)?.winner(this.#ports.store.now()) === own) return;
    if (this.#doomed.size === 0) this.#ports.defer(() => this.#remove());
    this.#doomed.set(key, own.seq);
  }

  #remove(): void {
    const bodies: EventBody[] = [];
    for (const [key, seq] of this.#doomed) {
      if (this.#own(key)?.seq === seq) bodies.push({ key, removes: [SELF, seq] });
    }
    this.#doomed = new Map();
    if (bodies.length > 0) this.#ports.write(bodies);
  }

  /** The value of a key that this host has loaded. */
  #own(key: string): ValueEntry | undefined {
    const { store } = this.#ports;
    const shard = store.shards.of(key);
    const slot = shard.find(key);
    if (slot < 0) return undefined;
    if (shard.isState(slot)) {
      return shard.stateAt(slot).values.find((entry) => entry.origin === SELF && entry.loaded);
    }
    return shard.originAt(slot) === SELF && shard.loadedAt(slot) ? plainEntry(shard, slot) : undefined;
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

/** How far a vector, flat, has seen our events. */
function seenOf(vector: readonly number[]): number {
  for (let i = 0; i < vector.length; i += 2) if (vector[i] === SELF) return vector[i + 1]!;
  return 0;
}
