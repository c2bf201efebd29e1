/**
 * A counter with exact observed reset, for origins whose events arrive in order (after Weidner and
 * Almeida, "An Oblivious Observed-Reset Embeddable Replicated Counter", 2022). Each origin counts in
 * segments of its own; a segment is a running total (max by seq) and how much of it was reset (max by
 * seq). A reset takes away exactly the increments its writer had seen; later ones survive.
 *
 * A fully reset segment is kept at zero until its owner is known to have seen the reset: the owner may
 * still have extended it, and a host that had forgotten it could not tell a closed segment from an
 * unseen one. The owner itself closes at once and opens a new segment with its next increment.
 */
import type { Dot } from "../causality/dot.ts";
import type { CounterReset, Increment } from "./event.ts";
import { addIntegers } from "./values.ts";

export interface CounterCell {
  readonly origin: number;
  /** Seq of the event that opened it. */
  readonly segment: number;
  /** Seq of the last increment applied, and the running total at it. */
  high: number;
  total: number | bigint;
  /** Seq up to which it was reset, and the running total there. */
  resetUpTo: number;
  resetTotal: number | bigint;
  /** The event that reset it last. */
  resetBy: Dot | null;
}

export function isLive(cell: CounterCell): boolean {
  return cell.resetUpTo < cell.high;
}

/** What a segment contributes to its counter. */
export function cellValue(cell: CounterCell): number | bigint {
  return addIntegers(cell.total, negate(cell.resetTotal));
}

/** A segment as its first increment finds it. */
export function openCell(origin: number, seq: number, increment: Increment): CounterCell {
  return {
    origin,
    segment: increment.segment,
    high: seq,
    total: increment.total,
    resetUpTo: seq - 1,
    resetTotal: increment.before,
    resetBy: null,
  };
}

export function extendCell(cell: CounterCell, seq: number, increment: Increment): void {
  if (seq <= cell.high) return;
  cell.high = seq;
  cell.total = increment.total;
}

/** A segment known only from its reset: the increments are still on their way. */
export function cellFromReset(reset: CounterReset, by: Dot): CounterCell {
  return {
    origin: reset.origin,
    segment: reset.segment,
    high: reset.upTo,
    total: reset.total,
    resetUpTo: reset.upTo,
    resetTotal: reset.total,
    resetBy: by,
  };
}

export function resetCell(cell: CounterCell, reset: CounterReset, by: Dot): void {
  if (reset.upTo > cell.resetUpTo) {
    cell.resetUpTo = reset.upTo;
    cell.resetTotal = reset.total;
    cell.resetBy = by;
  }
  if (reset.upTo > cell.high) {
    cell.high = reset.upTo;
    cell.total = reset.total;
  }
}

/** Joins another host's knowledge of the same segment: two max-registers. */
export function joinCell(cell: CounterCell, other: CounterCell): void {
  if (other.high > cell.high) {
    cell.high = other.high;
    cell.total = other.total;
  }
  if (other.resetUpTo > cell.resetUpTo) {
    cell.resetUpTo = other.resetUpTo;
    cell.resetTotal = other.resetTotal;
    cell.resetBy = other.resetBy;
  }
}

/** What a writer that removes the counter has to name. */
export function resetOf(cell: CounterCell): CounterReset {
  return { origin: cell.origin, segment: cell.segment, upTo: cell.high, total: cell.total };
}

function negate(value: number | bigint): number | bigint {
  return typeof value === "bigint" ? -value : 0 - value;
}
