/** The physical state of a host with origins by name: for simulations, and to compare two hosts. */
import type { Entry, Value } from "./crdt/entry.ts";
import type { Replicator } from "./replication/replicator.ts";
import type { Status } from "./status.ts";
import type { Store } from "./store/store.ts";

/** What simulations do with a host besides. */
export interface Handles {
  /** Resolves when its checkpoint, if it has one, is loaded. */
  opened(): Promise<void>;
  /** Stops at once: no flush, no goodbye, timers gone. What a kill -9 does. */
  crash(): void;
  inspect(): Inspection;
  /** Fleet time, milliseconds since 1970: what hides expired keys. */
  fleetNow(): number;
  /** Whether it has crashed or has left. */
  readonly closed: boolean;
  /** What is looked at all the time: `status()` answers the same, and what it knows of every other host. */
  standing(): Standing;
}

/** Where a host stands. */
export type Standing = Pick<Status, "state" | "vectorHash" | "digest" | "partial">;

/** An entry with its origin by name. Fields that its kind does not have are absent. */
export interface InspectedEntry {
  readonly kind: "value" | "member" | "element" | "deadline" | "commit";
  readonly origin: string;
  readonly seq: number;
  readonly stamp?: number;
  readonly value?: Value | null;
  readonly deadline?: number;
  readonly loaded?: boolean;
  readonly position?: number;
  readonly fraction?: string;
  readonly at?: number;
  readonly by?: number;
  readonly expiresAt?: number;
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
  readonly keys: ReadonlyMap<
    string,
    {
      readonly entries: readonly InspectedEntry[];
      readonly cells: readonly InspectedCell[];
      /** Shown to nobody: something of the key may be missing here. */
      readonly masked: boolean;
    }
  >;
  /** Per origin the highest event of which an entry was let go here for room. Whatever is missing, it covers. */
  readonly evicted: ReadonlyMap<string, number>;
  readonly digest: string;
  /** Removals of entries not yet seen; frames ahead of a gap; origins with known missing events. */
  readonly pendingRemovals: number;
  readonly inboxFrames: number;
  readonly needs: number;
  /** Fully reset counter segments of other hosts that are kept until their owner has seen the reset. */
  readonly zeroCells: number;
  /** It holds what it does not stand for: parts of an image that is still coming, or of a checkpoint. */
  readonly building: boolean;
}

export function standingOf(store: Store, state: Standing["state"]): Standing {
  const vectorHash = store.vector.hash(store.origins);
  return { state, vectorHash, digest: store.digests.root(), partial: store.evicted?.partial === true };
}

export function inspect(store: Store, replicator: Replicator | undefined, loading = false): Inspection {
  const { origins } = store;
  const keys = new Map<string, { entries: InspectedEntry[]; cells: InspectedCell[]; masked: boolean }>();
  for (const shard of store.shards.all()) {
    for (const key of shard.keys()) {
      const state = store.state(key)!;
      keys.set(key, {
        entries: Array.from(state.entries(), (entry) => named(entry, store)),
        cells: state.cells.map((cell) => ({
          origin: origins.name(cell.origin),
          segment: cell.segment,
          high: cell.high,
          total: BigInt(cell.total),
          resetUpTo: cell.resetUpTo,
          resetTotal: BigInt(cell.resetTotal),
        })),
        masked: state.masked,
      });
    }
  }
  return {
    vector: new Map(Array.from(store.vector.entries(), ([origin, seq]) => [origins.name(origin), seq])),
    keys,
    evicted: new Map(
      Array.from(store.evicted?.vector.entries() ?? [], ([origin, seq]) => [origins.name(origin), seq]),
    ),
    digest: store.digests.root(),
    pendingRemovals: store.pending.size,
    inboxFrames: replicator?.node.inbox.count ?? 0,
    needs: replicator?.node.needs.size ?? 0,
    zeroCells: store.counters.zeroCells,
    building: loading || replicator?.building === true,
  };
}

function named(entry: Entry, store: Store): InspectedEntry {
  const origin = store.origins.name(entry.origin);
  if (entry.kind !== "deadline") return { ...entry, origin };
  const { kind, seq, at, targetOrigin, targetSeq } = entry;
  if (targetSeq === 0) return { kind, origin, seq, at };
  return { kind, origin, seq, at, target: { origin: store.origins.name(targetOrigin), seq: targetSeq } };
}
