/** What follows from a confirmation, and what does not. */
import { describe, expect, it } from "vitest";
import { BrokenPromise, Ledger } from "../../chaos/ledger.ts";

const WRITTEN_AT = 100;
const written = (): number => WRITTEN_AT;
const row = (seq: number): ReadonlyMap<string, number> => new Map([["A", seq]]);

function ledgerWith(hosts: number, deaths: readonly number[]): Ledger {
  const ledger = new Ledger();
  ledger.confirmed({ incarnation: "A", seq: 7, hosts });
  for (const at of deaths) ledger.died(at);
  return ledger;
}

describe("a confirmed write", () => {
  it("must be there while fewer have died since than have it", () => {
    expect(ledgerWith(2, [101, 150]).judge(row(7), written)).toEqual({ promised: 1, spared: 0, lost: 0 });
    expect(() => ledgerWith(2, [101, 150]).judge(row(6), written)).toThrow(BrokenPromise);
  });

  it("may be gone when all that had it may have died", () => {
    expect(ledgerWith(2, [101, 150, 160]).judge(row(6), written)).toEqual({
      promised: 0,
      spared: 0,
      lost: 1,
    });
    expect(ledgerWith(2, [101, 150, 160]).judge(row(9), written)).toEqual({
      promised: 0,
      spared: 1,
      lost: 0,
    });
  });

  it("does not mind who had died before it was made", () => {
    expect(() => ledgerWith(1, [98, 99, 120]).judge(row(6), written)).toThrow(BrokenPromise);
  });

  it("that nobody confirmed promises nothing", () => {
    expect(ledgerWith(0, []).judge(row(0), written)).toEqual({ promised: 0, spared: 0, lost: 0 });
  });
});

describe("a sum", () => {
  const sum = { key: "sum", delta: 5 };

  it("counts what was accepted and is covered, and allows for what was never answered", () => {
    const ledger = new Ledger();
    ledger.ordered("A", sum).seq = 3;
    ledger.ordered("A", sum).seq = 8;
    ledger.ordered("B", sum);
    expect(ledger.boundsOf("sum", row(7))).toEqual({ least: 5, most: 10 });
    expect(ledger.boundsOf("other", row(7))).toEqual({ least: 0, most: 0 });
  });

  it("does not count what was refused, and goes on from what it had come to", () => {
    const ledger = new Ledger();
    ledger.settle(new Map([["sum", 40]]));
    const refused = ledger.ordered("A", sum);
    refused.seq = 2;
    refused.refused = true;
    ledger.ordered("A", sum).seq = 3;
    expect(ledger.boundsOf("sum", row(7))).toEqual({ least: 45, most: 45 });
  });
});
