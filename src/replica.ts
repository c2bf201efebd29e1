/** The store as replication needs it. */
import type { HybridLogicalClock } from "./causality/hybrid-logical-clock.ts";
import { VersionVector } from "./causality/version-vector.ts";
import type { ReplicatedEvent } from "./crdt/event.ts";
import type { FleetClock } from "./fleet-clock.ts";
import { malformed } from "./replication/cbor.ts";
import type { ValueLimits } from "./replication/event-codec.ts";
import { type ChunkHeader, type ImageChunk, readChunk } from "./replication/image-codec.ts";
import type { ImageBuild, Replica, Surroundings } from "./replication/node.ts";
import { Build, isUntouched } from "./store/build.ts";
import { ImageSession } from "./store/image.ts";
import { type Image, installImage } from "./store/install.ts";
import type { Store } from "./store/store.ts";
import { takeOver } from "./store/takeover.ts";
import type { World } from "./world.ts";

/** Who hears of what came from other hosts, once it is applied. */
export interface ReplicaListener {
  heard(event: ReplicatedEvent): void;
  /** An image of this vector is about to be put in place, which may change any key; what is returned is called then. */
  imageComes(vector: VersionVector): () => void;
}

/** What is read of a message, and how much of an image is put in place at a time. */
export interface ReplicaLimits extends ValueLimits {
  readonly sliceEntries: number;
}

export function replicaOf(
  store: Store,
  clock: HybridLogicalClock,
  limits: ReplicaLimits,
  listener: ReplicaListener,
): Replica {
  // All of it is read before any of it is installed: a chunk that cannot be read must not leave half.
  const imageOf = (headers: readonly ChunkHeader[], seen: VersionVector): Image | undefined => {
    const chunks = headers.map((header): ImageChunk => readChunk(header, store.origins, limits));
    const [first] = chunks;
    if (first === undefined) return undefined;
    for (const chunk of chunks) ofOneImage(chunk, first);
    const buckets = chunks.flatMap((chunk) => chunk.buckets);
    const pending = chunks.flatMap((chunk) => chunk.pending);
    return { vector: first.vector, seen, buckets, pending, evicted: chunks.at(-1)!.evicted };
  };
  return {
    vector: store.vector,
    apply: (event) => {
      store.apply(event);
      clock.observe(event.stamp);
      store.bounds?.enforce();
      listener.heard(event);
    },
    summary: () => ({
      digest: store.digests.root(),
      keys: store.size,
      partial: store.evicted?.partial === true,
    }),
    // Hollow keys count: what they hold is in the digests, and absent digests stand for nothing at all.
    bucketDigests: () => (store.shards.size === 0 ? undefined : store.digests.entriesLow.slice()),
    openImage: (seen, digests) => new ImageSession(store, seen, digests),
    installImage: (headers, seen) => {
      const image = imageOf(headers, seen);
      if (image === undefined) return 0;
      const arrived = listener.imageComes(image.vector);
      const events = installImage(store, image);
      store.bounds?.enforce();
      arrived();
      return events;
    },
    takeOver: (headers) => {
      const image = imageOf(headers, new VersionVector());
      if (image === undefined) return undefined;
      const arrived = listener.imageComes(image.vector);
      const found = takeOver(store, image);
      if (found === undefined) return undefined;
      store.bounds?.enforce();
      arrived();
      return found;
    },
    build: () => (isUntouched(store) ? buildOf(store, limits, listener) : undefined),
    closeCounters: (owner, reported) => {
      if (store.counters.awaits(owner)) store.counters.close(owner, reported);
    },
  };
}

function buildOf(store: Store, limits: ReplicaLimits, listener: ReplicaListener): ImageBuild {
  const build = new Build(store, limits.sliceEntries);
  let newest: ImageChunk | undefined;
  return {
    add: (header) => {
      const chunk = readChunk(header, store.origins, limits);
      ofOneImage(chunk, newest ?? chunk);
      newest = chunk;
      build.add(newest.buckets, newest.vector);
    },
    step: () => build.step(),
    finish: () => {
      if (newest === undefined) return 0;
      const arrived = listener.imageComes(newest.vector);
      const events = build.finish(newest);
      arrived();
      return events;
    },
    discard: () => build.discard(),
  };
}

/** Throws `MALFORMED_MESSAGE` for a chunk of another instant: a mixture of two images is a state that never was. */
function ofOneImage(chunk: ImageChunk, other: ImageChunk): void {
  if (chunk.vector.includes(other.vector) && other.vector.includes(chunk.vector)) return;
  throw malformed(`chunk ${chunk.index} of a snapshot is of another instant than chunk ${other.index}`);
}

/** The world as replication needs it: what is compared between hosts does not jump. */
export function surroundingsOf(world: World, fleet: FleetClock): Surroundings {
  return {
    now: () => world.now(),
    localTime: () => fleet.local(),
    monotonic: () => world.monotonic(),
    random: () => world.random(),
    defer: (task) => world.defer(task),
  };
}
