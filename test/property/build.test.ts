/** A store built from an image as it comes is the store that the image is of, and one that broke off is nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestsFromScratch, dump, Site, Transfer } from "../unit/support/site.ts";
import { check } from "./support/check.ts";
import { allSteps, play, told } from "./support/history.ts";

const sites = fc.integer({ min: 2, max: 4 });
const slice = fc.integer({ min: 1, max: 5 });
const chunkBytes = fc.integer({ min: 1, max: 400 });

describe("a store built from an image", () => {
  it("holds what the giver holds, and goes on as every other host does", () => {
    check(
      fc.property(
        sites,
        allSteps,
        slice,
        chunkBytes,
        fc.boolean(),
        (count, steps, sliceEntries, bytes, watched) => {
          const history = play(count, steps);
          const giver = history.site(0);
          const built = new Site("built", { clock: history.clock, sliceEntries, watched });
          const events = new Transfer(giver, built).build(bytes);
          expect(dump(built), told(steps)).toEqual(dump(giver));
          expect(events).toBe(giver.store.vector.total());
          expect(built.store.digests.root()).toBe(digestsFromScratch(built.store).root());
          history.sites.push(built);
          history.settle();
          for (const site of history.sites) expect(dump(site), told(steps)).toEqual(dump(built));
        },
      ),
      0.5,
    );
  });

  it("is empty again when the image breaks off, wherever it does", () => {
    check(
      fc.property(
        sites,
        allSteps,
        slice,
        chunkBytes,
        fc.nat({ max: 20 }),
        (count, steps, sliceEntries, bytes, slices) => {
          const history = play(count, steps);
          const giver = history.site(0);
          const built = new Site("built", { clock: history.clock, sliceEntries });
          const empty = dump(built);
          new Transfer(giver, built).breakOff(bytes, slices);
          expect(dump(built), told(steps)).toEqual(empty);
          expect([built.store.shards.size, built.store.counters.zeroCells]).toEqual([0, 0]);
          // And takes over a whole one afterwards.
          new Transfer(giver, built).build(bytes);
          expect(dump(built), told(steps)).toEqual(dump(giver));
        },
      ),
      0.3,
    );
  });
});
