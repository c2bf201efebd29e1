/** What is loaded is what was written, and a file that was cut or damaged anywhere leaves nothing behind. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RefusedFile, readImage } from "../../src/checkpoint/image-file.ts";
import { fileHolding, imageFileOf } from "../unit/support/image-file.ts";
import { dump, NAMESPACE, Site } from "../unit/support/site.ts";
import { parameters } from "./support/check.ts";
import { allSteps, play, told } from "./support/history.ts";

async function load(site: Site, bytes: Uint8Array): Promise<void> {
  const build = site.replica.build()!;
  try {
    for await (const chunk of readImage(fileHolding(bytes), NAMESPACE)) {
      build.add(chunk);
      while (build.step());
    }
    build.finish();
  } catch (error) {
    build.discard();
    while (build.step());
    throw error;
  }
}

const sites = fc.integer({ min: 1, max: 4 });
const chunkBytes = fc.integer({ min: 1, max: 400 });

describe("a checkpoint", () => {
  it("is loaded as the state it was written of, and goes on from there as every other host", async () => {
    const law = fc.asyncProperty(sites, allSteps, chunkBytes, async (count, steps, bytes) => {
      const history = play(count, steps);
      const writer = history.site(0);
      const loaded = new Site("loaded", { clock: history.clock, sliceEntries: 3 });
      await load(loaded, await imageFileOf(writer, { chunkBytes: bytes }));
      expect(dump(loaded), told(steps)).toEqual(dump(writer));
      history.sites.push(loaded);
      history.settle();
      for (const site of history.sites) expect(dump(site), told(steps)).toEqual(dump(loaded));
    });
    await fc.assert(law, parameters(0.3));
  });

  it("is refused whole wherever it is cut or damaged", async () => {
    const law = fc.asyncProperty(
      sites,
      allSteps,
      chunkBytes,
      fc.nat(),
      fc.option(fc.integer({ min: 1, max: 255 })),
      async (count, steps, bytes, where, flipped) => {
        const history = play(count, steps);
        const file = await imageFileOf(history.site(0), { chunkBytes: bytes });
        const at = where % file.length;
        if (flipped !== null) file[at]! ^= flipped;
        const loaded = new Site("loaded", { clock: history.clock });
        const empty = dump(loaded);
        const loading = load(loaded, flipped === null ? file.subarray(0, at) : file);
        await expect(loading, told(steps)).rejects.toThrow(RefusedFile);
        expect(dump(loaded), told(steps)).toEqual(empty);
      },
    );
    await fc.assert(law, parameters(0.3));
  });
});
