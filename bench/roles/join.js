/** What takes part in a join, each in a process of its own: who gives, who takes over, who only reads chunks. */
import { PerformanceObserver } from "node:perf_hooks";
import { connect, StorageType } from "nats";
import { HybridLogicalClock } from "../../dist/causality/hybrid-logical-clock.js";
import { Origins } from "../../dist/causality/origins.js";
import { VersionVector } from "../../dist/causality/version-vector.js";
import { createHost } from "../../dist/host.js";
import { DEFAULTS, resolveSettings } from "../../dist/options.js";
import { replicaOf } from "../../dist/replica.js";
import { encodeChunk, readChunkHeader } from "../../dist/replication/image-codec.js";
import { Store } from "../../dist/store/store.js";
import { connectNats } from "../../dist/transport/nats.js";
import { systemWorld } from "../../dist/world.js";
import { cpuMicros, serveRole } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";

const NAMESPACE = "join";
const PUTS_IN_FLIGHT = 256;
/** A server that was just given a million messages may take its time. */
const PATIENT = { timeout: 60_000 };

let host;
let timer;
let blocks = [];
let collections;
let pauses = [];
let bucket;
let connection;

async function openHost(nats) {
  const settings = resolveSettings({ nats, namespace: NAMESPACE, joinWait: 300 });
  const transport = await connectNats(nats, settings);
  const startedAt = performance.now();
  host = createHost(settings, systemWorld(), transport);
  await host.ready({ timeout: 120_000 });
  return (performance.now() - startedAt) / 1_000;
}

/** Notes how long every turn of the event loop takes: no longer than the processor time in it, for the rest others took. */
function watchTurns() {
  blocks = [];
  pauses = [];
  collections = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.push(duration);
  });
  collections.observe({ entryTypes: ["gc"] });
  let last = performance.now();
  let cpuBefore = cpuMicros();
  timer = setInterval(() => {
    const now = performance.now();
    const cpu = cpuMicros();
    blocks.push(Math.min(now - last, (cpu - cpuBefore) / 1_000));
    last = now;
    cpuBefore = cpu;
  }, 1);
}

function longestTurn() {
  clearInterval(timer);
  for (const { duration } of collections.takeRecords()) pauses.push(duration);
  collections.disconnect();
  return { longest: Math.max(0, ...blocks), longestPause: Math.max(0, ...pauses) };
}

function emptyReplica() {
  const origins = new Origins("reader");
  const listener = { watching: () => false, countingOut: () => false, changed: () => undefined };
  const store = new Store({ origins, now: Date.now, listener });
  const heard = { heard: () => undefined, heardOfAll: () => undefined };
  return { store, replica: replicaOf(store, new HybridLogicalClock(Date.now), DEFAULTS, heard) };
}

serveRole({
  /** A host that holds so many keys. */
  async fill({ nats, entries }) {
    await openHost(nats);
    for (let at = 0; at < entries; ) {
      const end = Math.min(at + 500, entries);
      try {
        for (; at < end; at++) host.set(keyFor(at), valueFor(at));
      } catch (error) {
        if (error.code !== "BACKPRESSURE") throw error;
        await host.flush();
      }
      await new Promise(setImmediate);
    }
    await host.flush();
    globalThis.gc();
    return host.size;
  },

  watchTurns: () => {
    globalThis.gc();
    watchTurns();
  },

  longestTurn: () => longestTurn(),

  /** A fresh host that takes over what is there. */
  async join({ nats }) {
    globalThis.gc();
    watchTurns();
    const seconds = await openHost(nats);
    const turns = longestTurn();
    const { snapshotsInstalled } = host.status().counts;
    return { seconds, turns, size: host.size, snapshotsInstalled };
  },

  /** The chunks of a join, read and put in place with no network and no pauses. */
  decode({ entries }) {
    const source = emptyReplica();
    source.store.origins.intern("writer");
    const settings = { session: "s", pending: [], evicted: null };
    for (let i = 0; i < entries; i++) {
      const event = {
        key: keyFor(i),
        origin: 1,
        seq: i + 1,
        stamp: i + 1,
        removesUpTo: null,
        removes: null,
        resets: null,
        add: {
          kind: "value",
          origin: 1,
          seq: i + 1,
          stamp: i + 1,
          value: valueFor(i),
          deadline: Infinity,
          loaded: false,
        },
        increment: null,
        sweep: null,
        clear: null,
        evicted: null,
      };
      source.store.apply(event);
    }
    const image = source.replica.openImage(new VersionVector(), undefined);
    const chunks = [];
    while (!image.done) {
      const buckets = image.take(DEFAULTS.chunkBytes);
      const chunk = { ...settings, index: chunks.length, last: image.done, vector: image.vector, buckets };
      chunks.push(encodeChunk(chunk, NAMESPACE, source.store.origins));
    }
    globalThis.gc();
    const target = emptyReplica();
    const startedAt = performance.now();
    const build = target.replica.build();
    for (const bytes of chunks) {
      build.add(readChunkHeader(bytes, NAMESPACE));
      while (build.step());
    }
    build.finish();
    const seconds = (performance.now() - startedAt) / 1_000;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    return { seconds, bytes, chunks: chunks.length, size: target.store.size };
  },

  /** A bucket of NATS KV that holds so many keys. */
  async fillBucket({ nats, entries }) {
    connection = await connect({ servers: nats });
    bucket = await connection
      .jetstream(PATIENT)
      .views.kv(NAMESPACE, { history: 1, storage: StorageType.Memory });
    let next = 0;
    const putter = async () => {
      while (next < entries) {
        const at = next++;
        // A key of NATS KV may not hold a colon.
        await bucket.put(keyFor(at).replace(":", "/"), Buffer.from(valueFor(at)));
      }
    };
    await Promise.all(Array.from({ length: PUTS_IN_FLIGHT }, putter));
  },

  /** A fresh client that watches the bucket until it has all there is. */
  async watchBucket({ nats, entries }) {
    connection = await connect({ servers: nats });
    bucket = await connection.jetstream(PATIENT).views.kv(NAMESPACE);
    globalThis.gc();
    const startedAt = performance.now();
    const data = new Map();
    for await (const entry of await bucket.watch()) {
      data.set(entry.key, entry.string());
      if (data.size === entries) break;
    }
    return { seconds: (performance.now() - startedAt) / 1_000, size: data.size };
  },

  async close() {
    await host?.close();
    await connection?.close();
  },
});
