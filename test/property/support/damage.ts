/** Messages as hosts send them, and what may happen to them: for whatever reads what arrives. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { FrameBuilder } from "../../../src/replication/frame.ts";
import { encodeChunk } from "../../../src/replication/image-codec.ts";
import { NAMESPACE, type Site } from "../../unit/support/site.ts";
import type { History } from "./history.ts";

/** All events of a history as frames. */
export function framesOf(history: History, perFrame: number): Uint8Array[] {
  return history.made.flatMap(({ origins, events }) => {
    const builder = new FrameBuilder(NAMESPACE, origins);
    const frames: Uint8Array[] = [];
    for (const event of events) {
      builder.add(event);
      if (builder.count === perFrame) frames.push(builder.finish(0, 0).bytes);
    }
    if (builder.count > 0) frames.push(builder.finish(1, 0).bytes);
    return frames;
  });
}

/** What a site holds, as the one chunk of an image for somebody who has seen nothing of it. */
export function imageOf(site: Site): Uint8Array {
  const session = site.replica.openImage(site.store.vector.copy(), undefined);
  const { vector, pending, evicted } = session;
  const chunk = { session: "s", index: 0, last: true, vector, buckets: session.take(1e9), pending, evicted };
  return encodeChunk(chunk, NAMESPACE, site.origins);
}

/** With a right checksum at its end. */
export function sealed(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + 5);
  whole.set(bytes);
  whole[bytes.length] = 0x1a;
  new DataView(whole.buffer).setUint32(bytes.length + 1, crc32(bytes));
  return whole;
}

/** What may happen to bytes on their way. */
export const damages = fc.array(
  fc.record({
    kind: fc.constantFrom("set", "flip", "cut", "insert", "remove"),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    byte: fc.oneof(
      fc.nat({ max: 255 }),
      fc.constantFrom(0x1b, 0x3b, 0x5b, 0x7b, 0x9b, 0xc2, 0xf6, 0xfb, 0xff),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

export function damaged(
  bytes: Uint8Array,
  changes: readonly { kind: string; at: number; byte: number }[],
): Uint8Array {
  let list = [...bytes];
  for (const { kind, at, byte } of changes) {
    const index = Math.floor(at * list.length);
    if (kind === "set") list[index] = byte;
    else if (kind === "flip") list[index] = (list[index] ?? 0) ^ (1 << (byte & 7));
    else if (kind === "cut") list = list.slice(0, index);
    else if (kind === "insert") list.splice(index, 0, byte);
    else list.splice(index, 1);
  }
  return Uint8Array.from(list);
}
