/**
 * Removals of entries that have not arrived yet. An event may name a dot above our version vector: the
 * entry must then be dropped when it comes. An item lives until the vector has passed all it names;
 * in a quiet fleet there are none. This is all that would be a tombstone elsewhere.
 */
import type { VersionVector } from "../causality/version-vector.ts";
import type { Entry } from "./entry.ts";
import type { Clear, Sweep } from "./event.ts";

/** One removal that waits, or one mark that waits for its target (`Store.insert`). */
export type PendingItem =
  | { readonly kind: "upTo"; readonly key: string; readonly origin: number; readonly until: number }
  | { readonly kind: "dot"; readonly key: string; readonly origin: number; readonly until: number }
  | { readonly kind: "sweep"; readonly sweep: Sweep; readonly origin: number; readonly until: number }
  | { readonly kind: "clear"; readonly clear: Clear; readonly origin: number; readonly until: number }
  | { readonly kind: "mark"; readonly key: string; readonly origin: number; readonly until: number };

interface PendingOfKey {
  /** Per origin the highest "up to". */
  readonly upTo: Map<number, number>;
  /** Per origin exact seqs. */
  readonly dots: Map<number, Set<number>>;
}

export class PendingRemovals {
  readonly #byKey = new Map<string, PendingOfKey>();
  readonly #byOrigin = new Map<number, PendingItem[]>();
  /** By what they say: the same one may come by its event and with several images. */
  readonly #sweeps = new Map<string, Sweep>();
  readonly #clears = new Map<string, { readonly clear: Clear; readonly origins: Map<number, number> }>();
  #size = 0;

  /** Number of items, waiting marks included. */
  get size(): number {
    return this.#size;
  }

  /** Removals proper, for a snapshot. */
  *removals(): Generator<PendingItem> {
    const clears = new Set<string>();
    for (const heap of this.#byOrigin.values()) {
      for (const item of heap) {
        if (item.kind === "mark") continue;
        if (item.kind === "clear") {
          const name = clearName(item.clear);
          if (clears.has(name)) continue;
          clears.add(name);
        }
        yield item;
      }
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#byKey.clear();
    this.#byOrigin.clear();
    this.#sweeps.clear();
    this.#clears.clear();
    this.#size = 0;
  }

  add(item: PendingItem): void {
    if (item.kind === "upTo" || item.kind === "dot") {
      if (!this.#addToKey(item.kind, item.key, item.origin, item.until)) return;
    } else if (item.kind === "sweep") {
      const name = sweepName(item.sweep);
      if (this.#sweeps.has(name)) return;
      this.#sweeps.set(name, item.sweep);
    } else if (item.kind === "clear" && !this.#addClear(item.clear, item.origin, item.until)) return;
    let heap = this.#byOrigin.get(item.origin);
    if (heap === undefined) {
      heap = [];
      this.#byOrigin.set(item.origin, heap);
    }
    heapPush(heap, item);
    this.#size++;
  }

  /** Remembers the part of a clear that lies beyond the vector. */
  addClear(clear: Clear, vector: VersionVector): void {
    for (let i = 0; i < clear.vector.length; i += 2) {
      const origin = clear.vector[i]!;
      const until = clear.vector[i + 1]!;
      if (until > vector.get(origin)) this.add({ kind: "clear", clear, origin, until });
    }
  }

  /** Whether an entry that arrives now was removed before. */
  covers(key: string, entry: Entry): boolean {
    const { origin, seq } = entry;
    const ofKey = this.#byKey.get(key);
    if (ofKey !== undefined) {
      if (ofKey.dots.get(origin)?.has(seq)) return true;
      if (entry.kind !== "commit" && (ofKey.upTo.get(origin) ?? 0) >= seq) return true;
    }
    if (entry.kind === "commit") return false;
    for (const sweep of this.#sweeps.values()) if (sweepNames(sweep, entry)) return true;
    for (const { clear } of this.#clears.values()) if (clearNames(clear, key, origin, seq)) return true;
    return false;
  }

  /** Forgets what the vector's new row covers; returns the marks whose target has now been applied. */
  advance(origin: number, seq: number): readonly PendingItem[] {
    const heap = this.#byOrigin.get(origin);
    if (heap === undefined) return NONE;
    let marks: PendingItem[] | undefined;
    while (heap.length > 0 && heap[0]!.until <= seq) {
      const item = heapPop(heap);
      this.#size--;
      if (item.kind === "mark") {
        marks ??= [];
        marks.push(item);
      } else this.#forget(item);
    }
    if (heap.length === 0) this.#byOrigin.delete(origin);
    return marks ?? NONE;
  }

  #addClear(clear: Clear, origin: number, until: number): boolean {
    const name = clearName(clear);
    let waiting = this.#clears.get(name);
    if (waiting === undefined) {
      waiting = { clear, origins: new Map() };
      this.#clears.set(name, waiting);
    }
    if (waiting.origins.has(origin)) return false;
    waiting.origins.set(origin, until);
    return true;
  }

  #addToKey(kind: "upTo" | "dot", key: string, origin: number, seq: number): boolean {
    let ofKey = this.#byKey.get(key);
    if (ofKey === undefined) {
      ofKey = { upTo: new Map(), dots: new Map() };
      this.#byKey.set(key, ofKey);
    }
    if (kind === "upTo") {
      if ((ofKey.upTo.get(origin) ?? 0) >= seq) return false;
      ofKey.upTo.set(origin, seq);
      return true;
    }
    let seqs = ofKey.dots.get(origin);
    if (seqs === undefined) {
      seqs = new Set();
      ofKey.dots.set(origin, seqs);
    }
    if (seqs.has(seq)) return false;
    seqs.add(seq);
    return true;
  }

  #forget(item: PendingItem): void {
    if (item.kind === "sweep") this.#sweeps.delete(sweepName(item.sweep));
    else if (item.kind === "clear") {
      const waiting = this.#clears.get(clearName(item.clear));
      waiting?.origins.delete(item.origin);
      if (waiting?.origins.size === 0) this.#clears.delete(clearName(item.clear));
    } else if (item.kind !== "mark") this.#forgetOfKey(item.kind, item.key, item.origin, item.until);
  }

  #forgetOfKey(kind: "upTo" | "dot", key: string, origin: number, seq: number): void {
    const ofKey = this.#byKey.get(key);
    if (ofKey === undefined) return;
    if (kind === "upTo") {
      if (ofKey.upTo.get(origin) === seq) ofKey.upTo.delete(origin);
    } else {
      const seqs = ofKey.dots.get(origin);
      seqs?.delete(seq);
      if (seqs?.size === 0) ofKey.dots.delete(origin);
    }
    if (ofKey.upTo.size === 0 && ofKey.dots.size === 0) this.#byKey.delete(key);
  }
}

/** Whether a sweep removes an entry. */
export function sweepNames(sweep: Sweep, entry: Entry): boolean {
  return (
    entry.kind === "value" &&
    entry.origin === sweep.origin &&
    entry.seq <= sweep.upTo &&
    entry.deadline >= sweep.from &&
    entry.deadline <= sweep.to &&
    !sweep.except.includes(entry.seq)
  );
}

/** Whether a clear removes an entry of a key. */
export function clearNames(clear: Clear, key: string, origin: number, seq: number): boolean {
  if (!key.startsWith(clear.prefix)) return false;
  for (let i = 0; i < clear.vector.length; i += 2) {
    if (clear.vector[i] === origin) return seq <= clear.vector[i + 1]!;
  }
  return false;
}

function sweepName({ origin, upTo, from, to, except }: Sweep): string {
  return `${origin}:${upTo}:${from}:${to}:${except.join()}`;
}

function clearName({ prefix, vector }: Clear): string {
  // Rows in one order: an image may bring them in another.
  const rows: string[] = [];
  for (let i = 0; i < vector.length; i += 2) rows.push(`${vector[i]}:${vector[i + 1]}`);
  return `${rows.sort().join()} ${prefix}`;
}

const NONE: readonly PendingItem[] = [];

function heapPush(heap: PendingItem[], item: PendingItem): void {
  let child = heap.length;
  heap.push(item);
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (heap[parent]!.until <= item.until) break;
    heap[child] = heap[parent]!;
    child = parent;
  }
  heap[child] = item;
}

function heapPop(heap: PendingItem[]): PendingItem {
  const top = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return top;
  let parent = 0;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]!.until < heap[child]!.until) child++;
    if (heap[child]!.until >= last.until) break;
    heap[parent] = heap[child]!;
    parent = child;
  }
  heap[parent] = last;
  return top;
}
