/** What comes from the network: read back as written, or refused with `MALFORMED_MESSAGE`, and never more than that. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Origins } from "../../src/causality/origins.ts";
import type { ReplicatedEvent } from "../../src/crdt/event.ts";
import { TidemarkError } from "../../src/errors.ts";
import { DEFAULTS } from "../../src/options.ts";
import { Assemblies, cut } from "../../src/replication/fragments.ts";
import { readFrameEvents, readFrameHeader } from "../../src/replication/frame.ts";
import {
  encodeChunk,
  type ImageChunk,
  readChunk,
  readChunkHeader,
} from "../../src/replication/image-codec.ts";
import { bulkType, decodeMessage, encodeMessage } from "../../src/replication/message-codec.ts";
import type { Message } from "../../src/replication/messages.ts";
import { carry, carryVector, NAMESPACE } from "../unit/support/site.ts";
import { check, parameters } from "./support/check.ts";
import { damaged, damages, framesOf, imageOf, sealed } from "./support/damage.ts";
import { allSteps, play } from "./support/history.ts";

const limits = DEFAULTS;

/** Everything a host does with bytes that arrive, up to applying what they say. */
function decode(bytes: Uint8Array): string {
  const bulk = bulkType(bytes);
  if (bulk === "frame") {
    readFrameEvents(readFrameHeader(bytes, NAMESPACE), new Origins("self"), limits);
    return bulk;
  }
  if (bulk === "chunk") {
    readChunk(readChunkHeader(bytes, NAMESPACE), new Origins("self"), limits);
    return bulk;
  }
  return decodeMessage(bytes, NAMESPACE).type;
}

/** Whether bytes were refused; anything but reading or refusing them at once is thrown. */
function refused(bytes: Uint8Array): boolean {
  const begun = performance.now();
  const wasRefused = tried(bytes);
  if (performance.now() - begun > 2_000) throw new Error("a message took seconds to read");
  return wasRefused;
}

function tried(bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return false;
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== "MALFORMED_MESSAGE") throw error;
    return true;
  }
}

const name = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 26 });
const uint = fc.oneof(fc.nat({ max: 30 }), fc.nat(), fc.constantFrom(2 ** 32, Number.MAX_SAFE_INTEGER));
const bytes = fc.uint8Array({ maxLength: 80 });
const rows = fc.array(fc.tuple(name, uint), { maxLength: 8 });
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant("heartbeat" as const),
    incarnation: name,
    node: name,
    counter: uint,
    seq: uint,
    wallMs: fc.double({ noNaN: true, noDefaultInfinity: true }).map((ms) => ms + 0),
    state: fc.constantFrom("joining" as const, "ready" as const, "leaving" as const),
    vectorHash: name,
    digest: name,
    keys: uint,
    serves: fc.constantFrom("none", "loads", "commits"),
    settled: uint,
    partial: fc.boolean(),
    complete: fc.boolean(),
    rows,
  }),
  fc.record({
    type: fc.constant("replay-request" as const),
    incarnation: name,
    node: name,
    origin: name,
    first: uint,
    last: uint,
  }),
  fc.record({
    type: fc.constant("replay" as const),
    incarnation: name,
    origin: name,
    frames: fc.array(bytes, { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant("replay-refusal" as const),
    incarnation: name,
    origin: name,
    reason: fc.constantFrom("trimmed" as const, "unknown" as const),
  }),
  fc.record({
    type: fc.constant("sync-request" as const),
    incarnation: name,
    node: name,
    session: name,
    seen: rows,
    digests: bytes,
  }),
  fc.record({
    type: fc.constant("chunk-request" as const),
    incarnation: name,
    node: name,
    session: name,
    index: uint,
  }),
  fc.record({ type: fc.constant("sync-refusal" as const), incarnation: name, session: name }),
  fc.record({ type: fc.constant("rows-request" as const), incarnation: name, node: name }),
  fc.record({ type: fc.constant("acknowledgement" as const), incarnation: name, seq: uint }),
  fc.record({
    type: fc.constant("load-request" as const),
    incarnation: name,
    node: name,
    id: uint,
    key: fc.string({ maxLength: 300 }),
  }),
  fc.record({
    type: fc.constant("load-answer" as const),
    incarnation: name,
    id: uint,
    answer: fc.oneof(
      fc.record({ outcome: fc.constantFrom("loading" as const, "refused" as const) }),
      fc.record({ outcome: fc.constant("held" as const), value: fc.oneof(fc.string(), bytes) }),
      fc.record({ outcome: fc.constant("entered" as const), seq: uint }),
      fc.record({ outcome: fc.constant("absent" as const), forMs: uint }),
      fc.record({ outcome: fc.constant("failed" as const), code: name, message: fc.string() }),
    ),
  }),
  fc.record({
    type: fc.constant("fragment" as const),
    incarnation: name,
    id: uint,
    index: uint,
    count: uint,
    bytes,
  }),
);

/** The same message with its byte strings in one type, for a comparison by content. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part) => (ArrayBuffer.isView(part) ? [...(part as Uint8Array)] : part)),
    (_, part) => (part?.type === "Buffer" ? part.data : part),
  );
}

describe("what was written is read", () => {
  it("as the same message", () => {
    check(
      fc.property(message, (each) => {
        const read = decodeMessage(encodeMessage(each, NAMESPACE), NAMESPACE);
        expect(plain(read)).toEqual(plain(each));
        expect(bulkType(encodeMessage(each, NAMESPACE))).toBeUndefined();
      }),
    );
  });

  it("as the same events, on a host that numbers origins otherwise", () => {
    check(
      fc.property(
        fc.integer({ min: 2, max: 4 }),
        allSteps,
        fc.integer({ min: 1, max: 9 }),
        (count, steps, perFrame) => {
          const history = play(count, steps);
          const origins = new Origins("reader");
          const read: ReplicatedEvent[] = [];
          for (const frame of framesOf(history, perFrame)) {
            expect(bulkType(frame)).toBe("frame");
            const header = readFrameHeader(frame, NAMESPACE);
            read.push(...readFrameEvents(header, origins, limits));
          }
          const written = history.made.flatMap((made) =>
            made.events.map((event) => carry(event, made.origins, origins)),
          );
          expect(read).toEqual(written);
        },
      ),
      0.3,
    );
  });

  it("as the same image", () => {
    check(
      fc.property(fc.integer({ min: 2, max: 4 }), allSteps, (count, steps) => {
        const history = play(count, steps);
        for (const site of history.sites) {
          const session = site.replica.openImage(
            carryVector(site.store.vector, site.origins, site.origins),
            undefined,
          );
          const written: ImageChunk = {
            session: "some-session",
            index: 3,
            last: true,
            vector: session.vector,
            buckets: session.take(1e9),
            pending: session.pending,
            evicted: session.evicted,
          };
          const bytes = encodeChunk(written, NAMESPACE, site.origins);
          expect(bulkType(bytes)).toBe("chunk");
          expect(readChunk(readChunkHeader(bytes, NAMESPACE), site.origins, limits)).toEqual(written);
        }
      }),
      0.2,
    );
  });

  it("from pieces in any order, some of them twice", () => {
    check(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
        fc.integer({ min: 257, max: 700 }),
        fc.infiniteStream(fc.nat()),
        (whole, limit, chance) => {
          const assemblies = new Assemblies(1_000_000);
          const pieces = cut(whole, "someone", 7, limit);
          for (const piece of pieces)
            expect(encodeMessage(piece, NAMESPACE).length).toBeLessThanOrEqual(limit);
          const left = [...pieces];
          let got: Uint8Array | undefined;
          while (left.length > 0) {
            const [piece] = left.splice(chance.next().value % left.length, 1);
            got = assemblies.add(piece!);
            if (left.length > 0 && chance.next().value % 3 === 0)
              expect(assemblies.add(piece!)).toBeUndefined();
          }
          expect(got).toEqual(whole);
        },
      ),
    );
  });
});

const MANY = parameters(20);

describe("what is no message is refused and nothing else", () => {
  it("when it is noise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        refused(noise);
      }),
      MANY,
    );
  });

  it("when it begins as a message does", () => {
    const head = encodeMessage({ type: "rows-request", incarnation: "", node: "" }, NAMESPACE).subarray(1, 7);
    fc.assert(
      fc.property(
        fc.integer({ min: 0x80, max: 0x9b }),
        fc.nat({ max: 13 }),
        fc.uint8Array({ maxLength: 120 }),
        (array, type, noise) => {
          const bytes = Uint8Array.from([array, ...head, type, ...noise]);
          refused(bytes);
          refused(sealed(bytes));
        },
      ),
      MANY,
    );
  });

  it("when a message was damaged", () => {
    fc.assert(
      fc.property(message, damages, (each, changes) => {
        refused(damaged(encodeMessage(each, NAMESPACE), changes));
      }),
      MANY,
    );
  });

  it("when a frame or an image was damaged, noticed by its checksum or, that being right, by its contents", () => {
    const samples = fc
      .sample(fc.tuple(fc.constant(3), allSteps), { numRuns: 60, seed: 4 })
      .flatMap(([count, steps]) => {
        const history = play(count, steps);
        return [...framesOf(history, 5), imageOf(history.sites[0]!)];
      });
    fc.assert(
      fc.property(fc.constantFrom(...samples), damages, (sample, changes) => {
        const broken = damaged(sample, changes);
        if (!Buffer.from(broken).equals(Buffer.from(sample))) expect(refused(broken)).toBe(true);
        refused(sealed(damaged(sample.subarray(0, sample.length - 5), changes)));
      }),
      MANY,
    );
  });
});
