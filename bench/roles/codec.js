/**
 * Encodes and decodes the same events with our codec and with `cbor-x`, to and from flat arrays of the same
 * items; a process of its own, so that memory can be told.
 */
import { Encoder } from "cbor-x";
import { Origins } from "../../dist/causality/origins.js";
import { FrameBuilder, readFrameEvents, readFrameHeader } from "../../dist/replication/frame.js";
import { cpuMicros, serveRole } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";

const NAMESPACE = "bench";
const INCARNATION = "01HZZZZZZZZZZZZZZZZZZZZZZZ";
const STAMP = 700_000_000_000_000;
const LIMITS = { maxKeyBytes: 64 * 1024, maxValueBytes: 8 * 1024 * 1024 };
const VALUE = 1;
const UPDATE = 9;
const PASS_MS = 250;
/** Flat arrays of both kinds: an update names the event it replaces. */
const MIXES = { unique: (_index) => false, updates: (_index) => true };

const origins = new Origins(INCARNATION);
const builder = new FrameBuilder(NAMESPACE, origins);
const cbor = new Encoder({ useRecords: false });

const CODECS = {
  ours: {
    encode(events) {
      for (const event of events) builder.add(event);
      return builder.finish(0, 1).bytes;
    },
    decode: (bytes) => readFrameEvents(readFrameHeader(bytes, NAMESPACE), origins, LIMITS),
  },
  "cbor-x": {
    encode: (events) => cbor.encode(flatten(events)),
    decode: (bytes) => events(cbor.decode(bytes)),
  },
};

serveRole({
  /** Events per second of processor time, which other load disturbs less; collecting the garbage included. */
  speed({ codec, direction, mix, perFrame }) {
    const { encode, decode } = CODECS[codec];
    const frames = Array.from({ length: 64 }, (_, frame) =>
      makeEvents(frame * perFrame, perFrame, MIXES[mix]),
    );
    const inputs = direction === "encode" ? frames : frames.map((frame) => Uint8Array.from(encode(frame)));
    const work = direction === "encode" ? encode : decode;
    globalThis.gc();
    const cpuBefore = cpuMicros();
    const startedAt = performance.now();
    let count = 0;
    let sink = 0;
    while (performance.now() - startedAt < PASS_MS) {
      for (const input of inputs) sink += work(input).length;
      count += inputs.length * perFrame;
    }
    if (sink === 0) throw new Error("nothing was made");
    return (count * 1e6) / (cpuMicros() - cpuBefore);
  },

  /** Bytes of memory per key and value kept, when one event of each frame is. */
  retained({ codec, perFrame, frames }) {
    const { encode, decode } = CODECS[codec];
    const encoded = Array.from({ length: frames }, (_, frame) =>
      Uint8Array.from(encode(makeEvents(frame * perFrame, perFrame, MIXES.unique))),
    );
    const kept = new Map();
    const before = memory();
    for (const [index, bytes] of encoded.entries()) {
      const { key, add } = decode(bytes)[index % perFrame];
      kept.set(key, add.value);
    }
    const bytes = (memory() - before) / frames;
    if (kept.size !== frames) throw new Error("not every event was kept");
    return bytes;
  },

  /** Bytes of one frame, per event. */
  size: ({ codec, perFrame, mix }) =>
    CODECS[codec].encode(makeEvents(0, perFrame, MIXES[mix])).length / perFrame,
});

function memory() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function makeEvents(first, count, replaces) {
  return Array.from({ length: count }, (_, i) => {
    const seq = 1_000_000 + first + i;
    const stamp = STAMP + first + i;
    const value = valueFor(first + i);
    return event(seq, stamp, keyFor(first + i), replaces(i) ? [0, seq - 100_000] : null, value);
  });
}

function event(seq, stamp, key, removesUpTo, value) {
  return {
    origin: 0,
    seq,
    stamp,
    key,
    removesUpTo,
    removes: null,
    resets: null,
    add: { kind: "value", origin: 0, seq, stamp, value, deadline: Number.POSITIVE_INFINITY, loaded: false },
    increment: null,
    evicted: null,
    sweep: null,
    clear: null,
  };
}

/** The items of PROTOCOL.md, all in one array, as `cbor-x` takes them. */
function flatten(frame) {
  const [{ seq: first, stamp: base }] = frame;
  const items = [1, NAMESPACE, 1, 0, first, frame.length, base, 1, INCARNATION];
  let previous = base;
  for (const { seq, stamp, key, removesUpTo, add } of frame) {
    items.push(removesUpTo === null ? VALUE : UPDATE, stamp - previous, key);
    if (removesUpTo !== null) items.push(1, removesUpTo[0], seq - removesUpTo[1]);
    items.push(add.value);
    previous = stamp;
  }
  return items;
}

/** The events again. Nothing is checked, which ours does: the comparison favours `cbor-x`. */
function events(items) {
  const [, , , , first, count, base] = items;
  const read = [];
  let at = 9;
  let stamp = base;
  for (let seq = first; seq < first + count; seq++) {
    const kind = items[at++];
    stamp += items[at++];
    const key = items[at++];
    let removesUpTo = null;
    if (kind === UPDATE) {
      removesUpTo = [items[at + 1], seq - items[at + 2]];
      at += 3;
    }
    read.push(event(seq, stamp, key, removesUpTo, items[at++]));
  }
  return read;
}
