/**
 * Tells listeners which keys expired or were let go for room, and what replication met with, in batches at
 * the end of a turn: thousands of keys that expire together are a few calls. A listener that throws is
 * reported and harms nobody.
 */
import type { ReplicationEvent } from "./replication/replication-event.ts";
import type { KeyChange } from "./watch.ts";

/** What can be listened to, and what a batch of it is made of. */
export interface Heard {
  expire: KeyChange;
  evict: KeyChange;
  replication: ReplicationEvent;
}
export type HeardKind = keyof Heard;
export type Listener<K extends HeardKind> = (batch: readonly Heard[K][]) => void;

/** A batch holds at most this many; more are further batches, of replication none. */
const BATCH = 1_000;
const KINDS: readonly HeardKind[] = ["expire", "evict", "replication"];

export interface ListenerPorts {
  /** Runs a task after the current turn. */
  defer(task: () => void): void;
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Reports what a listener threw. */
  report(error: unknown): void;
}

type Waiting = { [K in HeardKind]: Heard[K][] };

export class Listeners {
  readonly #ports: ListenerPorts;
  readonly #listeners: { [K in HeardKind]: Set<Listener<K>> } = {
    expire: new Set(),
    evict: new Set(),
    replication: new Set(),
  };
  #waiting: Waiting = { expire: [], evict: [], replication: [] };
  #missed = 0;
  #scheduled = false;

  constructor(ports: ListenerPorts) {
    this.#ports = ports;
  }

  /** Whether anybody listens for keys that go: only then are changes worth computing. */
  get countingOut(): boolean {
    return this.#listeners.expire.size > 0 || this.#listeners.evict.size > 0;
  }

  /** Calls `listener` with batches until the returned function is called. */
  listen<K extends HeardKind>(kind: K, listener: Listener<K>): () => void {
    this.#listeners[kind].add(listener);
    return () => this.#listeners[kind].delete(listener);
  }

  changed(change: KeyChange): void {
    const { type } = change;
    if ((type !== "expire" && type !== "evict") || this.#listeners[type].size === 0) return;
    this.#waiting[type].push(change);
    this.#schedule();
  }

  /** What replication tells; beyond one batch in a turn it is only counted. */
  told(event: ReplicationEvent): void {
    if (this.#listeners.replication.size === 0) return;
    if (this.#waiting.replication.length < BATCH - 1) this.#waiting.replication.push(event);
    else this.#missed++;
    this.#schedule();
  }

  close(): void {
    for (const kind of KINDS) this.#listeners[kind].clear();
    this.#waiting = { expire: [], evict: [], replication: [] };
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ports.defer(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = { expire: [], evict: [], replication: [] };
    if (this.#missed > 0) {
      waiting.replication.push({ type: "missed", at: this.#ports.now(), count: this.#missed });
      this.#missed = 0;
    }
    this.#call("expire", waiting.expire);
    this.#call("evict", waiting.evict);
    this.#call("replication", waiting.replication);
  }

  #call<K extends HeardKind>(kind: K, items: readonly Heard[K][]): void {
    for (let i = 0; i < items.length; i += BATCH) {
      const batch = items.slice(i, i + BATCH);
      for (const listener of this.#listeners[kind]) {
        try {
          listener(batch);
        } catch (error) {
          this.#ports.report(error);
        }
      }
    }
  }
}
