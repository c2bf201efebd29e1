/**
 * Takes over another host's image: afterwards this store holds exactly what the union of both hosts'
 * events makes. An entry that only one side holds is kept unless the other side had applied its event,
 * for then it was removed there; no tombstone is needed to know that.
 */
import type { VersionVector } from "../causality/version-vector.ts";
import { type CounterCell, isLive } from "../crdt/counter-cell.ts";
import { BUCKETS, hashKey } from "../crdt/digest.ts";
import type { Entry } from "../crdt/entry.ts";
import type { KeyState } from "../crdt/key-state.ts";
import type { PendingItem } from "../crdt/pending-removals.ts";
import { isExact, mayBeAmong } from "./evicted.ts";
import type { BucketImage, EvictedThere } from "./image.ts";
import { removeCleared, removeDot, removeSwept, removeUpTo } from "./removal.ts";
import type { Store, Target } from "./store.ts";

export interface Image {
  /** The giver's vector at the instant of the image. */
  readonly vector: VersionVector;
  /** Our vector when we asked. */
  readonly seen: VersionVector;
  readonly buckets: Iterable<BucketImage>;
  readonly pending: readonly PendingItem[];
  /** What the giver had let go for room, if anything. */
  readonly evicted: EvictedThere | null;
}

/** What is the same for all keys of an installation. */
interface Installation {
  readonly store: Store;
  readonly image: Image;
  /** Both vectors, ours and the giver's. */
  readonly merged: VersionVector;
  /** Whether the giver had let go of something that we have never had. */
  readonly hidesNews: boolean;
  /** Whether the giver had applied all that was let go here. */
  readonly knowsOurs: boolean;
}

/** What the image says of one key. */
interface KeyImage {
  readonly key: string;
  readonly entries: readonly Entry[];
  readonly cells: readonly CounterCell[];
  /** Whether the giver holds an entry of ours. */
  readonly holds: (entry: Entry) => boolean;
  readonly masked: boolean;
  readonly mixed: boolean;
}

/** Installs a whole image in one turn. Returns how many events our vector gained. */
export function installImage(store: Store, image: Image): number {
  const before = store.vector.total();
  const merged = store.vector.copy();
  merged.merge(image.vector);
  const installation: Installation = {
    store,
    image,
    merged,
    hidesNews: image.evicted !== null && !store.vector.includes(image.evicted.vector),
    knowsOurs: store.evicted === undefined || image.vector.includes(store.evicted.vector),
  };
  const own = keysByBucket(store);
  for (const bucket of image.buckets) {
    installBucket(installation, bucket, own[bucket.bucket] ?? []);
    own[bucket.bucket] = undefined;
  }
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const keys = own[bucket];
    if (keys !== undefined) installBucket(installation, { bucket, ...NOTHING_NEW }, keys);
  }
  if (installation.hidesNews) adoptEvicted(store, image.evicted!);
  for (const item of image.pending) applyPending(store, item, merged);
  for (const [origin, seq] of merged.entries()) {
    if (seq === store.vector.get(origin)) continue;
    store.vector.set(origin, seq);
    store.advancePending(origin, seq);
  }
  return store.vector.total() - before;
}

/** A bucket of which the giver holds exactly what we had when we asked. */
const NOTHING_NEW = { entries: [], seen: null, cells: [], masked: [], mixed: [] };

function installBucket(installation: Installation, bucket: BucketImage, ownKeys: readonly string[]): void {
  const { image } = installation;
  const live = bucket.seen === null ? undefined : dotSet(bucket.seen);
  const brought = dotSet(bucket.entries.flatMap(({ entry }) => [entry.origin, entry.seq]));
  const entriesOf = groupByKey(bucket.entries);
  const cellsOf = groupByKey(bucket.cells);
  const masked = new Set(bucket.masked);
  const mixed = new Set(bucket.mixed);
  const holds = ({ origin, seq }: Entry): boolean => {
    const id = dotId(origin, seq);
    return brought.has(id) || (live === undefined ? image.seen.covers(origin, seq) : live.has(id));
  };
  for (const key of new Set([...ownKeys, ...entriesOf.keys(), ...cellsOf.keys()])) {
    installKey(installation, {
      key,
      entries: entriesOf.get(key)?.map(({ entry }) => entry) ?? [],
      cells: cellsOf.get(key)?.map(({ cell }) => cell) ?? [],
      holds,
      masked: masked.has(key),
      mixed: mixed.has(key),
    });
  }
}

function installKey(installation: Installation, there: KeyImage): void {
  const { store, image, merged, hidesNews } = installation;
  const { key, entries, cells, holds } = there;
  const state = store.state(key);
  const gone = [...(state?.entries() ?? [])].filter(
    (entry) => image.vector.covers(entry.origin, entry.seq) && !holds(entry),
  );
  const hasCells = cells.length > 0 || (state !== undefined && state.cells.length > 0);
  const isWhole = isWholeThere(image, there, state);
  if (gone.length === 0 && entries.length === 0 && !hasCells && (isWhole || !hidesNews)) return;
  store.change(key, (target) => {
    const exact = isExact(store, target);
    // What the giver has let go nothing of, it lacks because it was removed.
    const letGo = image.evicted !== null && mayBeAmong(image.evicted.keys, target.keyHash);
    let unproven = 0;
    for (const { origin, seq } of gone) {
      const entry = target.state.remove(origin, seq);
      if (entry === undefined) continue;
      store.removed(target, entry);
      if (!letGo || !image.evicted!.vector.covers(origin, seq) || !isEvictable(entry)) continue;
      // Removed there, or only let go? Shown nowhere is right in both cases. Where the giver shows the key, who
      // wrote that has removed it or seen it removed, but maybe by events that neither of us has yet.
      store.evicted?.note(target.keyHash, origin, seq);
      if (!isWhole) unproven++;
    }
    for (const entry of valuesFirst(entries)) bring(store, merged, target, entry);
    if (hasCells) store.counters.join(target, cells, image.vector);
    if (exact) target.state.masked = !isWhole && (unproven > 0 || hidesNews);
    else if (target.state.hasContent)
      target.state.masked = !isWhole || !replaces(installation, there, target);
  });
}

/** Whether the giver holds all that its events leave of a key, so that what it lacks was removed there. */
function isWholeThere(image: Image, there: KeyImage, state: KeyState | undefined): boolean {
  if (image.evicted === null) return true;
  if (there.masked) return false;
  if (!mayBeAmong(image.evicted.keys, hashKey(there.key))) return true;
  if (there.entries.some(isContent) || there.cells.some(isLive)) return true;
  for (const entry of state?.entries() ?? []) if (isContent(entry) && there.holds(entry)) return true;
  return false;
}

/** Whether nothing of what was let go here can be among what the giver holds of a key, which is whole. */
function replaces({ store, knowsOurs }: Installation, there: KeyImage, { state }: Target): boolean {
  if (!knowsOurs || there.mixed || there.entries.length + there.cells.length === 0) return false;
  // What came and was let go here since we asked is not brought in again.
  return there.entries.every(
    ({ origin, seq }) => !store.vector.covers(origin, seq) || state.has(origin, seq),
  );
}

/** From now on what the giver had let go, and we have never had, is missing here too. */
export function adoptEvicted(store: Store, { vector, keys }: EvictedThere): void {
  for (const [origin, seq] of vector.entries()) {
    if (seq > store.vector.get(origin)) store.evicted?.adopt(origin, seq, keys);
  }
}

function isContent(entry: Entry): boolean {
  return entry.kind !== "deadline" && entry.kind !== "commit";
}

function isEvictable(entry: Entry): boolean {
  return entry.kind === "value" || (entry.kind === "deadline" && entry.targetSeq > 0);
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
export function valuesFirst(entries: readonly Entry[]): Entry[] {
  const isMark = (entry: Entry): boolean => entry.kind === "deadline";
  return [...entries.filter((entry) => !isMark(entry)), ...entries.filter(isMark)];
}

/** Applies a removal that waited at the giver; what lies beyond the merged vector waits here too. */
export function applyPending(store: Store, item: PendingItem, merged: VersionVector): void {
  switch (item.kind) {
    case "upTo":
      store.change(item.key, (target) => removeUpTo(store, target, item.origin, item.until));
      return;
    case "dot":
      store.change(item.key, (target) => removeDot(store, target, item.origin, item.until));
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
