/** Composition of store, log, replication and transport into one host, and the walks through it. */
import type { Origins } from "./causality/origins.ts";
import type { Value } from "./crdt/entry.ts";
import type { ReplicatedEvent } from "./crdt/event.ts";
import type { Tidemark } from "./tidemark.ts";

/** Hears of every event this host makes, in order; for tests and recorders. */
export interface HostObserver {
  wrote?(event: ReplicatedEvent, origins: Origins): void;
}

/** An entry with its origin by name. Fields that its kind does not have are absent. */
export interface InspectedEntry {
  readonly kind: "value" | "member" | "element" | "deadline";
  readonly origin: string;
  readonly seq: number;
  readonly stamp?: number;
  readonly value?: Value;
  readonly deadline?: number;
  readonly loaded?: boolean;
  readonly position?: number;
  readonly fraction?: string;
  readonly at?: number;
  /** Absent: no target. */
  readonly target?: { readonly origin: string; readonly seq: number };
}

/** A counter segment. Live if `resetUpTo < high`. */
export interface InspectedCell {
  readonly origin: string;
  readonly segment: number;
  readonly high: number;
  readonly total: bigint;
  readonly resetUpTo: number;
  readonly resetTotal: bigint;
}

/** What a host physically holds, expired and hidden entries included. */
export interface Inspection {
  readonly vector: ReadonlyMap<string, number>;
  readonly keys: ReadonlyMap<string, { readonly entries: readonly InspectedEntry[]; readonly cells: readonly InspectedCell[] }>;
  readonly digest: string;
  /** Removals of entries not yet seen; frames ahead of a gap; origins with known missing events. */
  readonly pendingRemovals: number;
  readonly inboxFrames: number;
  readonly needs: number;
}

/** A `Tidemark` with the handles that simulations need. */
export interface Host extends Tidemark {
  /** Stops at once: no flush, no goodbye, timers gone. What a kill -9 does. */
  crash(): void;
  inspect(): Inspection;
  /** Fleet time, milliseconds since 1970: what hides expired keys. */
  fleetNow(): number;
}
