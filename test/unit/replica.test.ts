import { describe, expect, it } from "vitest";
import { VersionVector } from "../../src/causality/version-vector.ts";
import { encodeChunk, readChunkHeader } from "../../src/replication/image-codec.ts";
import type { ImageSession } from "../../src/store/image.ts";
import { dump, NAMESPACE, Site } from "./support/site.ts";

const malformed = expect.objectContaining({ code: "MALFORMED_MESSAGE" });

/** The first half of an image of what a site holds now, and the second half of one of what it holds later. */
function mixed(giver: Site) {
  const taken = () => giver.replica.openImage(new VersionVector(), undefined) as ImageSession;
  const earlier = taken();
  giver.writes.set("later", "x", {});
  const later = taken();
  const halves = [earlier, later].map((session) => {
    const image = {
      session: "s",
      vector: session.vector,
      pending: session.pending,
      evicted: session.evicted,
    };
    return { image, buckets: session.take(Number.POSITIVE_INFINITY) };
  });
  return halves.map(({ image, buckets }, index) => {
    const half = buckets.filter(({ bucket }) => bucket % 2 === index);
    const chunk = { ...image, index, last: index === 1, buckets: half };
    return readChunkHeader(encodeChunk(chunk, NAMESPACE, giver.origins), NAMESPACE);
  });
}

function giver(): Site {
  const site = new Site("giver");
  for (let i = 0; i < 10; i++) site.writes.set(`key ${i}`, "x", {});
  return site;
}

describe("the chunks of an image", () => {
  it("are of one instant: of two, nothing is installed", () => {
    const taker = new Site("taker");
    taker.writes.set("own", "x", {});
    const before = dump(taker);
    expect(() => taker.replica.installImage(mixed(giver()), new VersionVector())).toThrow(malformed);
    expect(dump(taker)).toEqual(before);
  });

  it("are of one instant also where they are put in place as they come", () => {
    const taker = new Site("taker");
    const build = taker.replica.build()!;
    const [first, second] = mixed(giver());
    build.add(first!);
    expect(() => build.add(second!)).toThrow(malformed);
  });
});
