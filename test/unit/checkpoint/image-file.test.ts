/** The file is taken as it was written, or not at all. */
import { describe, expect, it } from "vitest";
import { RefusedFile, readImage } from "../../../src/checkpoint/image-file.ts";
import { fileHolding, imageFileOf } from "../support/image-file.ts";
import { NAMESPACE, Site } from "../support/site.ts";

const written = (site: Site, namespace = NAMESPACE, session = "image-1"): Promise<Buffer> =>
  imageFileOf(site, { namespace, session, chunkBytes: 40 });

/** How many pieces could be read, or why none of it is to be taken. */
async function read(bytes: Uint8Array, namespace = NAMESPACE): Promise<number | RefusedFile> {
  let pieces = 0;
  try {
    for await (const _ of readImage(fileHolding(bytes), namespace)) pieces++;
    return pieces;
  } catch (error) {
    if (error instanceof RefusedFile) return error;
    throw error;
  }
}

function filled(name = "writer"): Site {
  const site = new Site(name);
  for (let i = 0; i < 4; i++) site.writes.set(`key-${i}`, `value-${i}`, undefined);
  site.writes.increment("counter", 5);
  return site;
}

describe("an image file", () => {
  it("comes to its end", async () => {
    expect(await read(await written(filled()))).toBeGreaterThan(2);
    expect(await read(await written(new Site("empty")))).toBe(1);
  });

  it("is refused at whatever byte it breaks off", async () => {
    const whole = await written(filled());
    for (let length = 0; length < whole.length; length++) {
      const refused = await read(whole.subarray(0, length));
      expect(refused, `${length} bytes`).toBeInstanceOf(RefusedFile);
      expect((refused as RefusedFile).damaged).toBe(true);
    }
  });

  it("is refused whichever of its bits is flipped", async () => {
    const whole = await written(filled());
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1 << (at % 8);
      expect(await read(damaged), `byte ${at}`).toBeInstanceOf(RefusedFile);
    }
  });

  it("is refused with zeros for its beginning, its end twice, or bytes after it", async () => {
    const whole = await written(filled());
    const zeros = Buffer.concat([Buffer.alloc(64), whole.subarray(64)]);
    const twice = Buffer.concat([whole, whole.subarray(whole.length - 100)]);
    for (const bytes of [zeros, twice, Buffer.concat([whole, Buffer.of(0)]), Buffer.alloc(0)]) {
      expect(await read(bytes)).toMatchObject({ damaged: true });
    }
  });

  it("is refused when its pieces are of two images", async () => {
    const [one, other] = [await written(filled()), await written(filled(), NAMESPACE, "image-2")];
    expect(one.length).toBe(other.length);
    const refusals: unknown[] = [];
    for (let at = 1; at < one.length; at++) {
      const mixed = Buffer.concat([one.subarray(0, at), other.subarray(at)]);
      if (mixed.equals(one) || mixed.equals(other)) continue;
      refusals.push(await read(mixed));
    }
    expect(refusals.length).toBeGreaterThan(10);
    for (const refused of refusals) expect(refused).toMatchObject({ damaged: true });
  });

  it("of another namespace or version is whole, and not for this host", async () => {
    const foreign = await read(await written(filled(), "other"));
    expect(foreign).toMatchObject({ damaged: false, message: "it is of the namespace other" });
    const newer = await written(filled());
    newer[15]! += 1;
    expect(await read(newer)).toMatchObject({ damaged: false });
  });
});
