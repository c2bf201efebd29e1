/**
 * Events as the oracle reads them: copied when they are written, origins by name at once, every number of
 * a counter a bigint. Nothing here is shared with the host that wrote them.
 */
import type { Origins } from "../../src/causality/origins.ts";
import type { Entry, Value } from "../../src/crdt/entry.ts";
import type { ReplicatedEvent } from "../../src/crdt/event.ts";

/** The name of an event: who made it, and as its how manieth. */
export interface RecordedDot {
  readonly origin: string;
  readonly seq: number;
}

/** An entry without its dot, which is that of the event that adds it. */
export type RecordedEntry =
  | { readonly kind: "value"; readonly value: Value; readonly deadline: number; readonly loaded: boolean }
  | { readonly kind: "member"; readonly value: Value }
  | { readonly kind: "element"; readonly position: number; readonly fraction: string; readonly value: Value }
  | { readonly kind: "deadline"; readonly at: number; readonly target: RecordedDot | null }
  | {
      readonly kind: "commit";
      readonly by: number;
      readonly value: Value | null;
      readonly expiresAt: number;
    };

/** An event of one origin, as `ReplicatedEvent`, with names in place of indexes. */
export interface RecordedEvent extends RecordedDot {
  /** Virtual milliseconds at which it was written. */
  readonly writtenAt: number;
  readonly stamp: number;
  readonly key: string;
  /** Of each dot: everything of the key by that origin with at most that seq. */
  readonly removesUpTo: readonly RecordedDot[];
  readonly removes: readonly RecordedDot[];
  readonly resets: readonly { origin: string; segment: number; upTo: number; total: bigint }[];
  readonly add: RecordedEntry | null;
  readonly increment: { readonly segment: number; readonly before: bigint; readonly total: bigint } | null;
  readonly sweep: {
    origin: string;
    upTo: number;
    from: number;
    to: number;
    except: ReadonlySet<number>;
  } | null;
  readonly clear: { readonly prefix: string; readonly vector: ReadonlyMap<string, number> } | null;
}

/** A deep copy of an event with origins by name. */
export function recordEvent(event: ReplicatedEvent, origins: Origins, writtenAt: number): RecordedEvent {
  const { sweep, clear, increment } = event;
  return {
    origin: origins.name(event.origin),
    seq: event.seq,
    writtenAt,
    stamp: event.stamp,
    key: event.key,
    // What the writer had let go of the key it removes too, as if it had seen it.
    removesUpTo: [
      ...recordDots(event.removesUpTo, origins),
      ...recordDots([...(event.evicted?.entries() ?? [])].flat(), origins),
    ],
    removes: recordDots(event.removes, origins),
    resets: (event.resets ?? []).map(({ origin, segment, upTo, total }) => {
      return { origin: origins.name(origin), segment, upTo, total: BigInt(total) };
    }),
    add: event.add === null ? null : recordEntry(event, event.add, origins),
    increment: increment && {
      segment: increment.segment,
      before: BigInt(increment.before),
      total: BigInt(increment.total),
    },
    sweep: sweep && {
      origin: origins.name(sweep.origin),
      upTo: sweep.upTo,
      from: sweep.from,
      to: sweep.to,
      except: new Set(sweep.except),
    },
    clear: clear && {
      prefix: clear.prefix,
      vector: new Map(recordDots(clear.vector, origins).map(({ origin, seq }) => [origin, seq])),
    },
  };
}

function recordDots(flat: readonly number[] | null, origins: Origins): RecordedDot[] {
  const dots: RecordedDot[] = [];
  for (let index = 0; index < (flat?.length ?? 0); index += 2) {
    dots.push({ origin: origins.name(flat![index]!), seq: flat![index + 1]! });
  }
  return dots;
}

function recordEntry(event: ReplicatedEvent, entry: Entry, origins: Origins): RecordedEntry {
  if (entry.origin !== event.origin || entry.seq !== event.seq) {
    throw new Error(
      `event ${event.origin}/${event.seq} adds the entry of another: ${entry.origin}/${entry.seq}`,
    );
  }
  switch (entry.kind) {
    case "value": {
      if (entry.stamp !== event.stamp) throw new Error("the stamp of a value is that of its event");
      const { value, deadline, loaded } = entry;
      return { kind: "value", value: copied(value), deadline, loaded };
    }
    case "member":
      return { kind: "member", value: copied(entry.value) };
    case "element": {
      const { position, fraction, value } = entry;
      return { kind: "element", position, fraction, value: copied(value) };
    }
    case "deadline": {
      const { at, targetOrigin, targetSeq } = entry;
      const target = targetSeq === 0 ? null : { origin: origins.name(targetOrigin), seq: targetSeq };
      return { kind: "deadline", at, target };
    }
    case "commit": {
      const { by, value, expiresAt } = entry;
      return { kind: "commit", by, value: value === null ? null : copied(value), expiresAt };
    }
  }
}

function copied(value: Value): Value {
  return typeof value === "string" ? value : value.slice();
}
