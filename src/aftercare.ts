/** What becomes of loaded values once they are entered: they go when others overtake them, or with their loader. */
import type { VersionVector } from "./causality/version-vector.ts";
import type { ReplicatedEvent } from "./crdt/event.ts";
import type { FleetLoads } from "./fleet-loads.ts";
import { DoomedLoads, type DoomedPorts } from "./loaded-values.ts";
import { OrphanLoads } from "./orphan-loads.ts";
import { OvertakenLoads } from "./overtaken-loads.ts";

export interface Aftercare {
  /** Looks at an event that was just applied. */
  heard(event: ReplicatedEvent): void;
  /** An image of this vector is about to be put in place; what is returned is to be called once it is. */
  imageComes(vector: VersionVector): () => void;
  /** To be called every tick, with monotonic milliseconds. */
  tick(now: number): void;
}

/** Care for what is in a store; `fleet` is absent on a standalone host. */
export function aftercareOf(ports: DoomedPorts, fleet: FleetLoads | undefined): Aftercare {
  const { store } = ports;
  const doomed = new DoomedLoads(ports);
  const overtaken = new OvertakenLoads({
    store,
    doomed,
    reportedBy: (origin) => fleet?.reportedBy(origin),
    seenOfOurs: () => fleet?.seenOfOurs() ?? new Map(),
  });
  const orphans = new OrphanLoads({ store, doomed, orphaned: () => fleet?.orphaned() ?? [] });
  return {
    heard: (event) => overtaken.heard(event),
    imageComes: (vector) => overtaken.imageComes(vector),
    tick: (now) => {
      overtaken.tick(now);
      orphans.tick(now);
    },
  };
}
