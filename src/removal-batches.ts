/**
 * Tells listeners which keys expired or were let go for room, in batches at the end of a turn: thousands
 * of keys that expire together are a few calls. A listener that throws is reported and harms nobody.
 */
import type { KeyChange } from "./watch.ts";

export type RemovalKind = "expire" | "evict";
export type RemovalListener = (batch: readonly KeyChange[]) => void;

/** A batch holds at most this many changes; more are further batches. */
const BATCH = 1_000;

export interface BatchPorts {
  /** Runs a task after the current turn. */
  defer(task: () => void): void;
  /** Reports what a listener threw. */
  report(error: unknown): void;
}

export class RemovalBatches {
  readonly #ports: BatchPorts;
  readonly #listeners: Record<RemovalKind, Set<RemovalListener>> = { expire: new Set(), evict: new Set() };
  readonly #waiting: Record<RemovalKind, KeyChange[]> = { expire: [], evict: [] };
  #scheduled = false;

  constructor(ports: BatchPorts) {
    this.#ports = ports;
  }

  /** Whether anybody listens: only then are changes worth computing. */
  get active(): boolean {
    return this.#listeners.expire.size > 0 || this.#listeners.evict.size > 0;
  }

  /** Calls `listener` with batches until the returned function is called. */
  listen(kind: RemovalKind, listener: RemovalListener): () => void {
    this.#listeners[kind].add(listener);
    return () => this.#listeners[kind].delete(listener);
  }

  add(change: KeyChange): void {
    const { type } = change;
    if ((type !== "expire" && type !== "evict") || this.#listeners[type].size === 0) return;
    this.#waiting[type].push(change);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ports.defer(() => this.#deliver());
  }

  close(): void {
    for (const listeners of Object.values(this.#listeners)) listeners.clear();
    for (const waiting of Object.values(this.#waiting)) waiting.length = 0;
  }

  #deliver(): void {
    this.#scheduled = false;
    for (const kind of ["expire", "evict"] as const) {
      const changes = this.#waiting[kind].splice(0);
      for (let i = 0; i < changes.length; i += BATCH) this.#call(kind, changes.slice(i, i + BATCH));
    }
  }

  #call(kind: RemovalKind, batch: readonly KeyChange[]): void {
    for (const listener of this.#listeners[kind]) {
      try {
        listener(batch);
      } catch (error) {
        this.#ports.report(error);
      }
    }
  }
}
