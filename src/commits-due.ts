/**
 * Commits that are due, as entries of the store: what makes a fleet's write-behind outlive the host that
 * accepted a write. An update enters one beside its value, in the same frame; every host with an upstream queues
 * it, the owner of the key commits it, and an event that names it clears it everywhere. If the owner is slow, dead
 * or mistaken about who is alive, the next in order commits it a little later; that two do so does no harm, since
 * rows are only written over older ones.
 */
import { stampToMs } from "./causality/hybrid-logical-clock.ts";
import type { CommitEntry, Value } from "./crdt/entry.ts";
import type { EventBody, ReplicatedEvent } from "./crdt/event.ts";
import type { Mutation } from "./loader/upstream.ts";
import type { WriteBehind } from "./loader/write-behind.ts";
import type { Store } from "./store/store.ts";

export interface CommitsDuePorts {
  readonly store: Store;
  write(bodies: readonly EventBody[]): void;
  /** Fleet time, milliseconds since 1970. */
  now(): number;
}

export class CommitsDue {
  readonly #ports: CommitsDuePorts;
  readonly #writeBehind: () => WriteBehind;

  constructor(ports: CommitsDuePorts, writeBehind: () => WriteBehind) {
    this.#ports = ports;
    this.#writeBehind = writeBehind;
  }

  /**
   * The event that makes a commit due, in place of those due before: the newest value, by the earliest time.
   * `undefined` if nothing is due and `withinMs` says that nothing is to be.
   */
  bodyOf(
    key: string,
    value: Value | undefined,
    expiresAt: number,
    withinMs: number | undefined,
  ): EventBody | undefined {
    const due = this.#due(key);
    if (due.length === 0 && withinMs === undefined) return undefined;
    const by = Math.min(
      withinMs === undefined ? Number.POSITIVE_INFINITY : Math.floor(this.#ports.now()) + withinMs,
      ...due.map((entry) => entry.by),
    );
    return { key, removes: dotsOf(due), add: { kind: "commit", by, value: value ?? null, expiresAt } };
  }

  /** Queues or forgets what an event that was just applied made due or cleared. */
  heard(event: ReplicatedEvent): void {
    if (event.add?.kind === "commit") this.#queue(event.key);
    else if (event.removes !== null && this.#writeBehind().isDirty(event.key)) this.#queue(event.key);
  }

  /** An image was installed: looks at all that is due, and at all that was. */
  heardOfAll(): void {
    for (const key of new Set([...this.#ports.store.committing, ...this.#writeBehind().keys()]))
      this.#queue(key);
  }

  /** The upstream has these values, or newer ones: what was due up to them is no longer. */
  committed(mutations: readonly Mutation[]): void {
    const bodies: EventBody[] = [];
    for (const { key, stamp, origin } of mutations) {
      const { origins } = this.#ports.store;
      const done = this.#due(key).filter((entry) => {
        return entry.stamp < stamp || (entry.stamp === stamp && origins.name(entry.origin) <= origin);
      });
      if (done.length > 0) bodies.push({ key, removes: dotsOf(done) });
    }
    if (bodies.length > 0) this.#ports.write(bodies);
  }

  /** The events that made a key's commits due, flat. */
  dotsOf(key: string): readonly number[] {
    return dotsOf(this.#due(key));
  }

  #queue(key: string): void {
    const due = this.#due(key);
    const [first, ...rest] = due;
    if (first === undefined) {
      this.#writeBehind().forget(key);
      return;
    }
    const { origins } = this.#ports.store;
    let newest = first;
    for (const entry of rest) {
      const later = entry.stamp - newest.stamp || origins.compare(entry.origin, newest.origin);
      if (later > 0) newest = entry;
    }
    const by = Math.min(...due.map((entry) => entry.by));
    const order = { key, stamp: newest.stamp, origin: origins.name(newest.origin) };
    const { value, expiresAt } = newest;
    const mutation: Mutation =
      value === null ? { type: "delete", ...order } : { type: "put", ...order, value, expiresAt };
    // A host whose clock is behind, and that is alone, would wait for as long: no longer than the writer meant to.
    const meantMs = by - stampToMs(newest.stamp);
    this.#writeBehind().add(mutation, Math.max(0, Math.min(meantMs, by - this.#ports.now())));
  }

  #due(key: string): readonly CommitEntry[] {
    return this.#ports.store.committing.has(key) ? [...this.#ports.store.state(key)!.commits] : [];
  }
}

function dotsOf(entries: readonly CommitEntry[]): number[] {
  return entries.flatMap((entry) => [entry.origin, entry.seq]);
}
