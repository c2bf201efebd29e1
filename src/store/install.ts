/**
 * Takes over another host's image: afterwards this store holds exactly what the union of both hosts'
 * events makes. An entry that only one side holds is kept unless the other side had applied its event,
 * for then it was removed there; no tombstone is needed to know that.
 */
import type { VersionVector } from "../causality/version-vector.ts";
import type { CounterCell } from "../crdt/counter-cell.ts";
import { BUCKETS } from "../crdt/digest.ts";
import type { Entry } from "../crdt/entry.ts";
import type { PendingItem } from "../crdt/pending-removals.ts";
import type { BucketImage } from "./image.ts";
import { removeCleared, removeSwept } from "./removal.ts";
import type { Store, Target } from "./store.ts";

export interface Image {
  /** The giver's vector at the instant of the image. */
  readonly vector: VersionVector;
  /** Our vector when we asked. */
  readonly seen: VersionVector;
  readonly buckets: Iterable<BucketImage>;
  readonly pending: readonly PendingItem[];
}

/** Installs a whole image in one turn. Returns how many events our vector gained. */
export function installImage(store: Store, image: Image): number {
  const before = store.vector.total();
  const merged = store.vector.copy();
  merged.merge(image.vector);
  const own = keysByBucket(store);
  for (const bucket of image.buckets) {
    installBucket(store, image, merged, bucket, own[bucket.bucket] ?? []);
    own[bucket.bucket] = undefined;
  }
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const keys = own[bucket];
    if (keys !== undefined)
      installBucket(store, image, merged, { bucket, entries: [], seen: null, cells: [] }, keys);
  }
  for (const item of image.pending) applyPending(store, item, merged);
  for (const [origin, seq] of merged.entries()) {
    if (seq === store.vector.get(origin)) continue;
    store.vector.set(origin, seq);
    store.advancePending(origin, seq);
  }
  return store.vector.total() - before;
}

function installBucket(
  store: Store,
  image: Image,
  merged: VersionVector,
  bucket: BucketImage,
  ownKeys: readonly string[],
): void {
  const live = bucket.seen === null ? undefined : dotSet(bucket.seen);
  const brought = dotSet(bucket.entries.flatMap(({ entry }) => [entry.origin, entry.seq]));
  const entriesOf = groupByKey(bucket.entries);
  const cellsOf = groupByKey(bucket.cells);
  const isGone = (entry: Entry): boolean => {
    const { origin, seq } = entry;
    if (!image.vector.covers(origin, seq) || brought.has(dotId(origin, seq))) return false;
    return live === undefined ? !image.seen.covers(origin, seq) : !live.has(dotId(origin, seq));
  };
  for (const key of new Set([...ownKeys, ...entriesOf.keys(), ...cellsOf.keys()])) {
    const entries = entriesOf.get(key)?.map(({ entry }) => entry) ?? [];
    const cells = cellsOf.get(key)?.map(({ cell }) => cell) ?? [];
    installKey(store, image, merged, key, isGone, entries, cells);
  }
}

function installKey(
  store: Store,
  image: Image,
  merged: VersionVector,
  key: string,
  isGone: (entry: Entry) => boolean,
  entries: readonly Entry[],
  cells: readonly CounterCell[],
): void {
  const state = store.state(key);
  const gone = state === undefined ? [] : [...state.entries()].filter(isGone);
  const hasCells = cells.length > 0 || (state !== undefined && state.cells.length > 0);
  if (gone.length === 0 && entries.length === 0 && !hasCells) return;
  store.change(key, (target) => {
    for (const { origin, seq } of gone) {
      const entry = target.state.remove(origin, seq);
      if (entry !== undefined) store.removed(target, entry);
    }
    for (const entry of valuesFirst(entries)) bring(store, merged, target, entry);
    if (hasCells) store.counters.join(target, cells, image.vector);
  });
}

function bring(store: Store, merged: VersionVector, target: Target, entry: Entry): void {
  // Covered by our vector: either it is here, or it was removed here.
  if (store.vector.covers(entry.origin, entry.seq)) return;
  if (
    entry.kind === "deadline" &&
    entry.targetSeq > 0 &&
    merged.covers(entry.targetOrigin, entry.targetSeq)
  ) {
    if (target.state.find(entry.targetOrigin, entry.targetSeq)?.kind !== "value") return;
  }
  store.insert(target, entry);
}

/** Marks come after the values they are for. */
function valuesFirst(entries: readonly Entry[]): Entry[] {
  const isMark = (entry: Entry): boolean => entry.kind === "deadline";
  return [...entries.filter((entry) => !isMark(entry)), ...entries.filter(isMark)];
}

/** Applies a removal that waited at the giver; what lies beyond the merged vector waits here too. */
function applyPending(store: Store, item: PendingItem, merged: VersionVector): void {
  switch (item.kind) {
    case "upTo":
      store.change(item.key, (target) => store.removeUpTo(target, item.origin, item.until));
      return;
    case "dot":
      store.change(item.key, (target) => store.removeDot(target, item.origin, item.until));
      return;
    case "sweep":
      removeSwept(store, item.sweep);
      if (item.until > merged.get(item.origin)) store.pending.add(item);
      return;
    case "clear":
      removeCleared(store, item.clear);
      store.pending.addClear(item.clear, merged);
      return;
    case "mark":
      return;
    default:
      item satisfies never;
  }
}

function keysByBucket(store: Store): (string[] | undefined)[] {
  const keys: (string[] | undefined)[] = new Array(BUCKETS);
  for (const shard of store.shards.all()) {
    for (let slot = 0; slot < shard.slots; slot++) {
      const key = shard.keyAt(slot);
      if (key === undefined) continue;
      const bucket = shard.bucketAt(slot);
      const ofBucket = keys[bucket];
      if (ofBucket === undefined) keys[bucket] = [key];
      else ofBucket.push(key);
    }
  }
  return keys;
}

function groupByKey<T extends { readonly key: string }>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.key);
    if (group === undefined) groups.set(item.key, [item]);
    else group.push(item);
  }
  return groups;
}

function dotId(origin: number, seq: number): string {
  return `${origin}:${seq}`;
}

function dotSet(flat: readonly number[]): Set<string> {
  const dots = new Set<string>();
  for (let i = 0; i < flat.length; i += 2) dots.add(dotId(flat[i]!, flat[i + 1]!));
  return dots;
}
