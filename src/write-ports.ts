/** What writing needs of a host, and how it looks at a key before it changes it. */
import type { VersionVector } from "./causality/version-vector.ts";
import type { ElementList } from "./crdt/element-list.ts";
import type { Value } from "./crdt/entry.ts";
import type { EventBody } from "./crdt/event.ts";
import { type Seen, setDeadline } from "./crdt/operations.ts";
import { memberKey } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import type { Replicator } from "./replication/replicator.ts";
import { evictedOf, mayStandElsewhere } from "./store/evicted.ts";
import type { Store } from "./store/store.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** The host's own origin index. */
const SELF = 0;

export interface WritePorts {
  readonly store: Store;
  /** Throws unless the host takes writes now. */
  writable(): void;
  /** Applies the events of one command, in order, and hands them on. */
  write(bodies: readonly EventBody[]): void;
  /** As `write` for one plain value. */
  writeValue(
    key: string,
    value: Value,
    deadline: number,
    removesUpTo: readonly number[] | null,
    evicted: VersionVector | null,
  ): void;
  /** Fleet time, milliseconds since 1970. */
  now(): number;
  /** A fresh hybrid logical clock stamp. */
  stamp(): number;
  readonly limits: {
    readonly maxKeyBytes: number;
    readonly maxValueBytes: number;
    readonly ttlMs: number;
    readonly ttlFrom: "creation" | "write";
  };
}

export function see(ports: WritePorts, key: string): Seen {
  const state = ports.store.state(key);
  const now = ports.now();
  const evicted = evictedOf(ports.store, key);
  return { key, state, view: state?.view(now), now, self: SELF, newDeadline: newDeadline(ports), evicted };
}

/** Throws `EVICTED` where a write depends on what may have been let go here: it would begin anew, everywhere. */
export function refuseEvicted(store: Store, key: string): void {
  if (!mayStandElsewhere(store, key)) return;
  throw new TidemarkError(
    "EVICTED",
    `"${key}" may have been let go here for room and stand on other hosts, and this write depends on what it ` +
      "holds: set it as a whole first, or write it on a host that evicts nothing",
  );
}

/** When a key expires that is created now. */
export function newDeadline(ports: WritePorts): number {
  const { ttlMs } = ports.limits;
  return ttlMs === NEVER ? NEVER : Math.floor(ports.now()) + ttlMs;
}

/**
 * With idle expiry: the events that move the deadlines of the keys that a command has just changed. One that
 * gave a key a deadline, or replaced what it holds, has set it already.
 */
export function movedDeadlines(ports: WritePorts, bodies: readonly EventBody[]): EventBody[] {
  const moved = new Map<string, boolean>();
  for (const { key, add, increment } of bodies) {
    const sets = !increment && (add?.kind === "value" || add?.kind === "deadline");
    moved.set(key, !sets && moved.get(key) !== false);
  }
  return [...moved].flatMap(([key, moves]) => {
    const seen = see(ports, key);
    if (!moves || seen.view === undefined || seen.view.deadline === seen.newDeadline) return [];
    return setDeadline(seen, seen.newDeadline);
  });
}

/** Throws `STORE_FULL` when these keys cannot be added to. What is let go for them is never one of them. */
export function makeRoom({ store }: WritePorts, keys: readonly string[]): void {
  const { bounds } = store;
  if (bounds === undefined) return;
  let newKeys = 0;
  for (const key of keys) if (store.isAbsent(key)) newKeys++;
  bounds.makeRoom(newKeys);
}

/** How far from the middle an element must stand to be the outermost: the clock keeps hosts apart. */
export function beyond(ports: WritePorts, elements: ElementList | null, end: "head" | "tail"): number {
  const outermost = elements?.at(end === "tail" ? elements.length - 1 : 0)?.position ?? 0;
  return Math.max(ports.stamp(), Math.abs(outermost) + 1);
}

/** A moment as a caller gives it. Throws `INVALID_ARGUMENT`. */
export function checkedDeadline(at: number): number {
  if (at === NEVER || Number.isSafeInteger(at)) return at;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `a deadline is a whole number of milliseconds since 1970 or Infinity, not ${at}`,
  );
}

export function distinct(values: readonly Value[]): readonly Value[] {
  return values.length < 2 ? values : [...new Map(values.map((value) => [memberKey(value), value])).values()];
}

/** Throws what a write meets on a replicated host that cannot take it now. */
export function checkReplicated({ node }: Replicator, maxUnconfirmedBytes: number): void {
  const { fence, state, publisher, counts } = node;
  if (fence !== undefined) throw fence;
  if (state !== "ready") {
    throw new TidemarkError("NOT_READY", `this host is ${state}; await ready() before writing`);
  }
  if (publisher.unconfirmedBytes <= maxUnconfirmedBytes) return;
  counts.backpressure++;
  throw new TidemarkError(
    "BACKPRESSURE",
    `more than ${maxUnconfirmedBytes} bytes of writes wait for the NATS server; ` +
      "write slower, or wait until it can be reached again",
  );
}
