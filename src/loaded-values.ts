/** The loaded values of a store, and the removal of single ones: by name, at the end of the turn, so many at a time. */
import type { ValueEntry } from "./crdt/entry.ts";
import type { EventBody } from "./crdt/event.ts";
import { plainEntry } from "./store/plain-entry.ts";
import type { Shard } from "./store/shard.ts";
import type { Store } from "./store/store.ts";

/** Events made in one turn: more would keep reads waiting. */
const MOST_AT_ONCE = 1_000;

/** The loaded values of a key. */
export function loadedOn(store: Store, key: string): readonly ValueEntry[] {
  const shard = store.shards.of(key);
  const slot = shard.find(key);
  return slot < 0 ? [] : loadedAt(shard, slot);
}

/** Calls back with each loaded value of a shard. */
export function eachLoaded(shard: Shard, visit: (key: string, entry: ValueEntry) => void): void {
  for (let slot = 0; slot < shard.slots; slot++) {
    const key = shard.keyAt(slot);
    if (key !== undefined) for (const entry of loadedAt(shard, slot)) visit(key, entry);
  }
}

const NONE: readonly ValueEntry[] = [];

function loadedAt(shard: Shard, slot: number): readonly ValueEntry[] {
  if (shard.isState(slot)) return shard.stateAt(slot).values.filter(({ loaded }) => loaded);
  return shard.loadedAt(slot) ? [plainEntry(shard, slot)] : NONE;
}

export interface DoomedPorts {
  readonly store: Store;
  write(bodies: readonly EventBody[]): void;
  defer(task: () => void): void;
}

/** Loaded values that are about to be removed. */
export class DoomedLoads {
  readonly #ports: DoomedPorts;
  /** Their dots by key, flat. */
  readonly #dots = new Map<string, number[]>();

  constructor(ports: DoomedPorts) {
    this.#ports = ports;
  }

  add(key: string, { origin, seq }: ValueEntry): void {
    if (this.#dots.size === 0) this.#ports.defer(() => this.#remove());
    const dots = this.#dots.get(key);
    if (dots === undefined) this.#dots.set(key, [origin, seq]);
    else dots.push(origin, seq);
  }

  #remove(): void {
    const bodies: EventBody[] = [];
    for (const [key, dots] of this.#dots) {
      if (bodies.length === MOST_AT_ONCE) break;
      this.#dots.delete(key);
      const removes: number[] = [];
      for (const { origin, seq } of loadedOn(this.#ports.store, key)) {
        for (let i = 0; i < dots.length; i += 2) {
          if (dots[i] !== origin || dots[i + 1] !== seq) continue;
          removes.push(origin, seq);
          break;
        }
      }
      if (removes.length > 0) bodies.push({ key, removes });
    }
    if (this.#dots.size > 0) this.#ports.defer(() => this.#remove());
    if (bodies.length > 0) this.#ports.write(bodies);
  }
}
