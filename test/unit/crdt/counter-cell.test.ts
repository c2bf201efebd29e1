import { describe, expect, it } from "vitest";
import {
  type CounterCell,
  cellFromReset,
  cellValue,
  extendCell,
  isLive,
  joinCell,
  openCell,
  resetCell,
  resetOf,
} from "../../../src/crdt/counter-cell.ts";

const by = { origin: 9, seq: 1 };

/** A segment opened by event 3 and counted up to 10 by event 5. */
function counted(): CounterCell {
  const cell = openCell(1, 3, { segment: 3, before: 0, total: 4 });
  extendCell(cell, 5, { segment: 3, before: 4, total: 10 });
  return cell;
}

describe("a counter segment", () => {
  it("is worth its running total", () => {
    expect(counted()).toMatchObject({ origin: 1, segment: 3, high: 5, total: 10, resetBy: null });
    expect(cellValue(counted())).toBe(10);
    expect(isLive(counted())).toBe(true);
  });

  it("counts an increment once, and an older one not at all", () => {
    const cell = counted();
    extendCell(cell, 5, { segment: 3, before: 4, total: 99 });
    extendCell(cell, 4, { segment: 3, before: 0, total: 99 });
    expect(cellValue(cell)).toBe(10);
  });

  it("loses to a reset what its writer had seen, and nothing else", () => {
    const cell = counted();
    resetCell(cell, { origin: 1, segment: 3, upTo: 3, total: 4 }, by);
    expect([cellValue(cell), isLive(cell), cell.resetBy]).toEqual([6, true, by]);
    resetCell(cell, { origin: 1, segment: 3, upTo: 5, total: 10 }, by);
    expect([cellValue(cell), isLive(cell)]).toEqual([0, false]);
    extendCell(cell, 6, { segment: 3, before: 10, total: 11 });
    expect([cellValue(cell), isLive(cell)]).toEqual([1, true]);
  });

  it("is not brought back by a reset that saw less than one before it", () => {
    const cell = counted();
    resetCell(cell, { origin: 1, segment: 3, upTo: 5, total: 10 }, by);
    resetCell(cell, { origin: 1, segment: 3, upTo: 3, total: 4 }, { origin: 8, seq: 1 });
    expect([cellValue(cell), cell.resetBy]).toEqual([0, by]);
  });

  it("may be known from its reset alone: increments that come late add what the reset had not seen", () => {
    const cell = cellFromReset({ origin: 1, segment: 3, upTo: 5, total: 10 }, by);
    expect([cellValue(cell), isLive(cell)]).toEqual([0, false]);
    extendCell(cell, 3, { segment: 3, before: 0, total: 4 });
    extendCell(cell, 5, { segment: 3, before: 4, total: 10 });
    expect(cellValue(cell)).toBe(0);
    extendCell(cell, 7, { segment: 3, before: 10, total: 12 });
    expect(cellValue(cell)).toBe(2);
  });

  it("is named by a reset as far as it is known", () => {
    expect(resetOf(counted())).toEqual({ origin: 1, segment: 3, upTo: 5, total: 10 });
  });

  it("joins to the same whichever side it is joined from", () => {
    const far = counted();
    extendCell(far, 8, { segment: 3, before: 10, total: 15 });
    const reset = counted();
    resetCell(reset, { origin: 1, segment: 3, upTo: 5, total: 10 }, by);
    const [left, right] = [{ ...far }, { ...reset }];
    joinCell(left, reset);
    joinCell(right, far);
    expect(left).toEqual(right);
    expect(cellValue(left)).toBe(5);
    joinCell(left, far);
    expect(cellValue(left)).toBe(5);
  });

  it("counts exactly beyond what a number holds", () => {
    const cell = openCell(1, 1, { segment: 1, before: 0, total: Number.MAX_SAFE_INTEGER });
    extendCell(cell, 2, { segment: 1, before: 0, total: 2n ** 62n + 1n });
    expect(cellValue(cell)).toBe(2n ** 62n + 1n);
    resetCell(cell, { origin: 1, segment: 1, upTo: 1, total: Number.MAX_SAFE_INTEGER }, by);
    expect(cellValue(cell)).toBe(2n ** 62n + 1n - BigInt(Number.MAX_SAFE_INTEGER));
  });
});
