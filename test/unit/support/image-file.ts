/** A file of an image, in memory. */
import { VersionVector } from "../../../src/causality/version-vector.ts";
import { writeImage } from "../../../src/checkpoint/image-file.ts";
import { NAMESPACE, type Site } from "./site.ts";

interface Written {
  readonly namespace?: string;
  readonly session?: string;
  readonly chunkBytes: number;
}

/** What is written of a site's store. */
export async function imageFileOf(
  site: Site,
  { namespace = NAMESPACE, session = "image-1", chunkBytes }: Written,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await writeImage(site.replica.openImage(new VersionVector(), undefined), {
    file: {
      write: async (bytes) => void parts.push(bytes.slice()),
      sync: async () => undefined,
      close: async () => undefined,
    },
    session,
    namespace,
    origins: site.origins,
    chunkBytes,
    nextTurn: async () => undefined,
  });
  return Buffer.concat(parts);
}

/** What `readImage` reads from. */
export function fileHolding(bytes: Uint8Array) {
  let position = 0;
  return {
    size: bytes.length,
    read: async (length: number) => {
      position += length;
      return bytes.slice(position - length, position);
    },
    close: async () => undefined,
  };
}
