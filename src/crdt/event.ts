/**
 * The one coin of the system: what a write makes, the log keeps, the wire carries and the store applies.
 * An event adds at most one entry or one counter increment, and names what it removes. The state is
 * everything added by the applied events minus everything they name, so neither order nor repetition
 * nor clocks can make two hosts differ (`docs/ARCHITECTURE.md`, "Replication").
 *
 * Lists of dots are flat arrays, `[origin, seq, origin, seq, …]`, because events are the hot path.
 */
import type { VersionVector } from "../causality/version-vector.ts";
import type { Entry, Value } from "./entry.ts";

/** Resets one segment of one origin's counter up to an increment that the resetting host had seen. */
export interface CounterReset {
  /** The origin whose segment it is. */
  readonly origin: number;
  /** Sequence number of the event that opened the segment. */
  readonly segment: number;
  /** Sequence number of the last increment seen. */
  readonly upTo: number;
  /** The segment's running total at that increment. */
  readonly total: number | bigint;
}

/** Adds to a counter: extends the event's own origin's segment from `before` to `total`. */
export interface Increment {
  /** Sequence number of the event that opened the segment; the event's own if it opens one. */
  readonly segment: number;
  readonly before: number | bigint;
  readonly total: number | bigint;
  /** Whether it adds to a value that was set: what a reader sees is then more than the counter. */
  readonly onValue?: boolean;
}

/**
 * Removes, on every key, the value entries of one origin that expired: seq up to `upTo`, own deadline
 * within `[from, to]`, but not those in `except` (they carry a deadline of their own by a mark).
 */
export interface Sweep {
  readonly origin: number;
  readonly upTo: number;
  readonly from: number;
  readonly to: number;
  /** Sequence numbers of that origin. */
  readonly except: readonly number[];
}

/** Removes every entry, under every key that starts with `prefix`, that the writer's vector covers. */
export interface Clear {
  readonly prefix: string;
  /** The writer's version vector, flat. */
  readonly vector: readonly number[];
}

/** An event of one origin. Keyless events (sweep, clear) have an empty `key` and nothing else. */
export interface ReplicatedEvent {
  readonly origin: number;
  readonly seq: number;
  /** Hybrid logical clock. */
  readonly stamp: number;
  readonly key: string;
  /** Flat pairs (origin, m): removes every entry of the key by that origin with seq up to m. */
  readonly removesUpTo: readonly number[] | null;
  /** Flat dots: removes exactly these entries of the key. */
  readonly removes: readonly number[] | null;
  readonly resets: readonly CounterReset[] | null;
  /** Its origin and seq are the event's. */
  readonly add: Entry | null;
  readonly increment: Increment | null;
  /**
   * What its writer may have let go of this key for room: every entry of the key that the vector covers is
   * removed, for the writer had seen it and would have named it. `null`: it held all there was.
   */
  readonly evicted: VersionVector | null;
  readonly sweep: Sweep | null;
  readonly clear: Clear | null;
}

/** What an operation wants done, before it has a place in a sequence. */
export interface EventBody {
  readonly key: string;
  readonly removesUpTo?: readonly number[] | null;
  readonly removes?: readonly number[] | null;
  readonly resets?: readonly CounterReset[] | null;
  readonly add?: NewEntry | null;
  readonly increment?: NewIncrement | null;
  readonly evicted?: VersionVector | null;
  readonly sweep?: Sweep;
  readonly clear?: Clear;
}

/** An entry still without a dot. */
export type NewEntry = Entry extends infer E
  ? E extends Entry
    ? Omit<E, "origin" | "seq" | "stamp">
    : never
  : never;

/** An increment; `segment` 0 means that it opens a segment. */
export type NewIncrement = Increment;

/** Gives what an operation wants its place in the sequence of its origin. */
export function eventFrom(body: EventBody, origin: number, seq: number, stamp: number): ReplicatedEvent {
  const { add, increment } = body;
  return {
    origin,
    seq,
    stamp,
    key: body.key,
    removesUpTo: nonEmpty(body.removesUpTo),
    removes: nonEmpty(body.removes),
    resets: nonEmpty(body.resets),
    add: add === undefined || add === null ? null : entryFrom(add, origin, seq, stamp),
    increment:
      increment === undefined || increment === null
        ? null
        : {
            segment: increment.segment || seq,
            before: increment.before,
            total: increment.total,
            ...(increment.onValue === true && { onValue: true }),
          },
    evicted: body.evicted ?? null,
    sweep: body.sweep ?? null,
    clear: body.clear ?? null,
  };
}

/** As `eventFrom` for the commonest write. Objects are spelt out: a spread costs more than all the rest. */
export function valueEvent(
  key: string,
  value: Value,
  deadline: number,
  removesUpTo: readonly number[] | null,
  evicted: VersionVector | null,
  origin: number,
  seq: number,
  stamp: number,
): ReplicatedEvent {
  return {
    origin,
    seq,
    stamp,
    key,
    removesUpTo,
    removes: null,
    resets: null,
    add: { kind: "value", origin, seq, stamp, value, deadline, loaded: false },
    increment: null,
    evicted,
    sweep: null,
    clear: null,
  };
}

function entryFrom(add: NewEntry, origin: number, seq: number, stamp: number): Entry {
  switch (add.kind) {
    case "value":
      return {
        kind: "value",
        origin,
        seq,
        stamp,
        value: add.value,
        deadline: add.deadline,
        loaded: add.loaded,
      };
    case "member":
      return { kind: "member", origin, seq, value: add.value };
    case "element":
      return {
        kind: "element",
        origin,
        seq,
        position: add.position,
        fraction: add.fraction,
        value: add.value,
      };
    case "deadline":
      return {
        kind: "deadline",
        origin,
        seq,
        at: add.at,
        targetOrigin: add.targetOrigin,
        targetSeq: add.targetSeq,
      };
    case "commit":
      return {
        kind: "commit",
        origin,
        seq,
        stamp,
        by: add.by,
        value: add.value,
        expiresAt: add.expiresAt,
      };
    default:
      return add satisfies never;
  }
}

function nonEmpty<T>(items: readonly T[] | null | undefined): readonly T[] | null {
  return items === null || items === undefined || items.length === 0 ? null : items;
}
