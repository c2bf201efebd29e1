/**
 * Puts another host's whole image in place of what is here, for a host whose own data is not to be trusted.
 * Unlike an installation (`install.ts`) it takes nothing of ours for evidence: afterwards this store holds
 * what the giver held at the instant of the image, and nothing else. Keys that are the same are not touched.
 */
import { type CounterCell, isLive } from "../crdt/counter-cell.ts";
import { hashContent } from "../crdt/digest.ts";
import type { Entry } from "../crdt/entry.ts";
import type { KeyState } from "../crdt/key-state.ts";
import { applyPending, type Image, valuesFirst } from "./install.ts";
import { rebuildDigests } from "./scrub.ts";
import type { Store } from "./store.ts";

/** Names of keys that are told; of more only the number. */
const TOLD_KEYS = 16;
const SELF = 0;

/** What was found to differ. */
export interface Takeover {
  readonly differing: number;
  /** Some of the keys that differed. */
  readonly keys: readonly string[];
}

interface KeyImage {
  readonly entries: Entry[];
  readonly cells: CounterCell[];
}

/**
 * Takes over a whole image in one turn. `undefined`: its giver had not applied all of our own events, so that
 * they would be lost; nothing was changed.
 */
export function takeOver(store: Store, image: Image): Takeover | undefined {
  if (image.vector.get(SELF) < store.vector.get(SELF) || image.evicted !== null) return undefined;
  const there = keysOf(image);
  const differing = new Set<string>();
  for (const shard of store.shards.all()) {
    for (let slot = 0; slot < shard.slots; slot++) {
      const key = shard.keyAt(slot);
      if (key === undefined) continue;
      const isPlain = !shard.isState(slot);
      const state = store.state(key)!;
      // A plain value keeps the hash of its content beside it, which may be what is wrong.
      const isHashRight = !isPlain || shard.contentHashAt(slot) === hashContent(state.only!);
      if (!isHashRight || !isSame(state, there.get(key))) differing.add(key);
    }
  }
  for (const key of there.keys()) if (store.isAbsent(key)) differing.add(key);
  store.pending.clear();
  for (const [origin] of [...store.vector.entries()]) store.vector.set(origin, image.vector.get(origin));
  store.vector.merge(image.vector);
  for (const key of differing) replace(store, key, there.get(key));
  for (const item of image.pending) applyPending(store, item, store.vector);
  rebuildDigests(store);
  store.scrub.forget();
  return { differing: differing.size, keys: [...differing].slice(0, TOLD_KEYS) };
}

function keysOf(image: Image): Map<string, KeyImage> {
  const keys = new Map<string, KeyImage>();
  const of = (key: string): KeyImage => {
    let known = keys.get(key);
    if (known === undefined) {
      known = { entries: [], cells: [] };
      keys.set(key, known);
    }
    return known;
  };
  for (const bucket of image.buckets) {
    for (const { key, entry } of bucket.entries) of(key).entries.push(entry);
    // A segment of our own that is fully reset is closed at once wherever we meet it.
    for (const { key, cell } of bucket.cells)
      if (cell.origin !== SELF || isLive(cell)) of(key).cells.push(cell);
  }
  return keys;
}

function isSame(state: KeyState, there: KeyImage | undefined): boolean {
  if (there === undefined || state.masked) return false;
  const entries = [...state.entries()];
  if (entries.length !== there.entries.length || state.cells.length !== there.cells.length) return false;
  const contents = new Map(entries.map((entry) => [dotOf(entry), hashContent(entry)]));
  if (!there.entries.every((entry) => contents.get(dotOf(entry)) === hashContent(entry))) return false;
  return there.cells.every((cell) => {
    const own = state.cell(cell.origin, cell.segment);
    if (own === undefined || own.high !== cell.high || own.resetUpTo !== cell.resetUpTo) return false;
    return BigInt(own.total) === BigInt(cell.total) && BigInt(own.resetTotal) === BigInt(cell.resetTotal);
  });
}

function dotOf(entry: Entry): string {
  return `${entry.origin}:${entry.seq}`;
}

function replace(store: Store, key: string, there: KeyImage | undefined): void {
  store.change(key, (target) => {
    for (const { origin, seq } of [...target.state.entries()]) {
      const entry = target.state.remove(origin, seq);
      if (entry !== undefined) store.removed(target, entry);
    }
    target.state.masked = false;
    for (const entry of valuesFirst(there?.entries ?? [])) store.insert(target, entry);
    store.counters.replace(target, there?.cells ?? []);
  });
}
