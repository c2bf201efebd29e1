/** The laws on which everything rests: what a host holds is a function of the set of events it applied. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestsFromScratch, dump, Site } from "../unit/support/site.ts";
import { check } from "./support/check.ts";
import {
  allSteps,
  counterSteps,
  expirySteps,
  type History,
  interleaved,
  plainSteps,
  play,
  type Step,
  told,
} from "./support/history.ts";

const sites = fc.integer({ min: 2, max: 4 });
const choices = fc.array(fc.nat({ max: 11 }), { minLength: 1, maxLength: 40 });

function applied(history: History, choices: readonly number[], name: string, repeat: boolean): Site {
  const site = new Site(name, { clock: history.clock });
  const order = interleaved(history, choices);
  order.forEach(({ event, made }, at) => {
    site.apply(event, made.origins);
    // What came before may come again at any time, and is known by its number.
    const again = repeat ? order[choices[at % choices.length]! % (at + 1)]! : undefined;
    if (again !== undefined) expect(site.apply(again.event, again.made.origins)).toBe(false);
  });
  return site;
}

describe("applying events", () => {
  it("gives the same state in every order that keeps each origin's own, however often they come", () => {
    check(
      fc.property(sites, plainSteps, choices, choices, (count, steps, left, right) => {
        const history = play(count, steps);
        const one = dump(applied(history, left, "reader-1", true));
        const other = dump(applied(history, right, "a-reader", false));
        expect(other, told(steps)).toEqual(one);
        history.settle();
        for (const site of history.sites) expect(dump(site), told(steps)).toEqual(one);
      }),
    );
  });

  it("keeps digests that are those of what is stored, computed from scratch", () => {
    check(
      fc.property(sites, allSteps, (count, steps) => {
        play(count, steps, ({ sites }, step) => {
          for (const { store } of sites) {
            const fresh = digestsFromScratch(store);
            if (fresh.root() !== store.digests.root()) expect.fail(`${step.name}\n\n${told(steps)}`);
            expect(
              Buffer.from(fresh.entriesLow.buffer).equals(Buffer.from(store.digests.entriesLow.buffer)),
            ).toBe(true);
          }
        });
      }),
      0.2,
    );
  });

  it("leaves nothing waiting once everything has come", () => {
    check(
      fc.property(sites, plainSteps, choices, (count, steps, order) => {
        const site = applied(play(count, steps), order, "reader", false);
        expect(site.store.pending.size, told(steps)).toBe(0);
      }),
      0.3,
    );
  });
});

describe("a counter", () => {
  it("is the sum of all increments that no reset had seen, in whatever order they come", () => {
    check(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.tuple(fc.nat({ max: 3 }), fc.bigInt(-(2n ** 40n), 2n ** 40n)), { maxLength: 30 }),
        choices,
        (count, increments, order) => {
          const history = play(count, []);
          for (const [place, delta] of increments) history.site(place).writes.increment("n", delta);
          const reader = applied(history, order, "reader", true);
          const sum = increments.reduce((sum, [, delta]) => sum + delta, 0n);
          expect(reader.reads.get("n")).toBe(increments.length === 0 ? undefined : String(sum));
          // A reset takes away what its writer had seen, and nothing that came after.
          history.settle();
          const [first, last] = [history.sites[0]!, history.sites.at(-1)!];
          first.writes.delete(["n"]);
          last.writes.increment("n", 7);
          history.settle();
          for (const site of history.sites) expect(site.reads.get("n")).toBe("7");
        },
      ),
      0.3,
    );
  });
});

describe("an image", () => {
  it.each([
    ["everything", allSteps],
    ["counters", counterSteps],
    ["expiry", expirySteps],
  ])(
    "makes of a site exactly what the union of both sets of events makes, whatever happens meanwhile: %s",
    (_, arbitrary) => {
      check(
        fc.property(sites, arbitrary, (count, steps) => {
          const history = play(count, steps, (history, step) => {
            if (step.name.includes("installed")) expectExact(history, steps);
          });
          for (const { transfer } of history.transfers.splice(0)) transfer.finish();
          expectExact(history, steps);
          history.settle();
          const [first, ...others] = history.sites.map(dump);
          for (const other of others) expect(other, told(steps)).toEqual(first);
          expectExact(history, steps);
        }),
      );
    },
  );
});

/** Every site holds exactly what replaying the events that its vector stands for makes. */
function expectExact(history: History, steps: readonly Step[]): void {
  for (const site of history.sites) {
    expect(dump(site), told(steps)).toEqual(dump(history.replayed(history.rowsOf(site))));
  }
}
