/**
 * What a slow watcher has not read yet: a queue that folds changes of one key into one when it gets long,
 * so that it is bounded and still ends with the truth.
 */
import type { Value } from "./crdt/entry.ts";
import { memberKey } from "./crdt/values.ts";
import type { KeyChange } from "./watch.ts";

/** Delivered slots at the front of a queue are dropped in runs of at least this many. */
const TRIM_AT = 1_024;

/** Undelivered changes in order of arrival; past the limit one per key, in order of the first. */
export class ChangeQueue {
  readonly #limit: number;
  #changes: (PendingChange | undefined)[] = [];
  #head = 0;
  /** Only while folding: from overflow until half of the limit is left, so that switching costs little. */
  #byKey: Map<string, PendingChange> | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(change: KeyChange): void {
    const same = this.#byKey?.get(change.key);
    if (same !== undefined) {
      same.fold(change);
      return;
    }
    const pending = new PendingChange(change);
    this.#changes.push(pending);
    if (this.#byKey !== undefined) this.#byKey.set(change.key, pending);
    else if (this.#changes.length - this.#head > this.#limit) this.#foldAll();
  }

  shift(): KeyChange | undefined {
    const pending = this.#changes[this.#head];
    if (pending === undefined) return undefined;
    this.#changes[this.#head++] = undefined;
    if (this.#head >= TRIM_AT && this.#head * 2 >= this.#changes.length) {
      this.#changes = this.#changes.slice(this.#head);
      this.#head = 0;
    }
    const change = pending.take();
    this.#byKey?.delete(change.key);
    if (this.#changes.length - this.#head <= this.#limit / 2) this.#byKey = undefined;
    return change;
  }

  clear(): void {
    this.#changes = [];
    this.#head = 0;
    this.#byKey = undefined;
  }

  #foldAll(): void {
    const byKey = new Map<string, PendingChange>();
    for (const pending of this.#changes.slice(this.#head)) {
      const change = pending!.take();
      const same = byKey.get(change.key);
      if (same === undefined) byKey.set(change.key, pending!);
      else same.fold(change);
    }
    this.#changes = [...byKey.values()];
    this.#head = 0;
    this.#byKey = byKey;
  }
}

/** A change that is not delivered yet, with what was folded into it. */
export class PendingChange {
  readonly #first: KeyChange;
  #last: KeyChange;
  #folded = 0;
  /** What the reader knew and what went with a kind that the key no longer is. */
  readonly #gone: Value[] = [];
  /** How often each member came minus how often it went; only what is not 0. */
  #net: Map<string, { readonly value: Value; readonly count: number }> | undefined;

  constructor(change: KeyChange) {
    this.#first = change;
    this.#last = change;
  }

  fold(next: KeyChange): void {
    if (this.#net === undefined) {
      this.#net = new Map();
      this.#start(this.#first);
    }
    if (next.kind === this.#last.kind) this.#count(next);
    else {
      for (const value of next.removed) this.#countMember(value, -1);
      this.#leaveKind();
      for (const value of next.added) this.#countMember(value, 1);
    }
    this.#last = next;
    this.#folded++;
  }

  /** What went with another kind is gone for good; a value that comes later is not the same one back. */
  #start(first: KeyChange): void {
    if (first.was === undefined) {
      this.#count(first);
      return;
    }
    for (const value of first.removed) this.#gone.push(value);
    for (const value of first.added) this.#countMember(value, 1);
  }

  /** The change as the reader gets it: from before the first to after the last. */
  take(): KeyChange {
    if (this.#net === undefined) return this.#first;
    const added: Value[] = [];
    const removed: Value[] = [...this.#gone];
    for (const { value, count } of this.#net.values()) {
      for (let copies = count; copies > 0; copies--) added.push(value);
      for (let copies = count; copies < 0; copies++) removed.push(value);
    }
    return { ...this.#last, previous: this.#first.previous, added, removed, folded: this.#folded };
  }

  #count(change: KeyChange): void {
    for (const value of change.added) this.#countMember(value, 1);
    for (const value of change.removed) this.#countMember(value, -1);
    if (change.type === "set" && change.kind !== "string") return;
    // No collection any more: whatever the change lists, nothing that came is still there.
    for (const [key, { count }] of this.#net!) if (count > 0) this.#net!.delete(key);
  }

  /** The key is of another kind now: what went with the old one never comes back, though a value be the same. */
  #leaveKind(): void {
    for (const { value, count } of this.#net!.values()) {
      for (let copies = count; copies < 0; copies++) this.#gone.push(value);
    }
    this.#net!.clear();
  }

  #countMember(value: Value, by: number): void {
    const key = memberKey(value);
    const count = (this.#net!.get(key)?.count ?? 0) + by;
    if (count === 0) this.#net!.delete(key);
    else this.#net!.set(key, { value, count });
  }
}
