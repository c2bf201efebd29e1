/**
 * Counter segments within the store: increments, resets, and the closing of segments whose reset their
 * owner has seen (`crdt/counter-cell.ts` has the algebra).
 */
import type { VersionVector } from "../causality/version-vector.ts";
import {
  type CounterCell,
  cellFromReset,
  extendCell,
  isLive,
  joinCell,
  openCell,
  resetCell,
} from "../crdt/counter-cell.ts";
import type { CounterReset, Increment, ReplicatedEvent } from "../crdt/event.ts";
import type { Store, Target } from "./store.ts";

/** The host's own origin index. */
const SELF = 0;

export class CounterTable {
  readonly #store: Store;
  /** Fully reset segments by owner: key and segment. They wait for their owner to say it has seen the reset. */
  readonly #zeroCells = new Map<number, Map<string, { key: string; segment: number }>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** How many fully reset segments are kept. */
  get zeroCells(): number {
    let count = 0;
    for (const ofOwner of this.#zeroCells.values()) count += ofOwner.size;
    return count;
  }

  /** Keys under a prefix that hold a live segment. */
  *keysUnder(prefix: string): Generator<string> {
    for (const shard of this.#store.shards.all()) {
      for (let slot = 0; slot < shard.slots; slot++) {
        const key = shard.keyAt(slot);
        if (key === undefined || !shard.isState(slot) || !key.startsWith(prefix)) continue;
        if (shard.stateAt(slot).cells.some(isLive)) yield key;
      }
    }
  }

  increment(target: Target, origin: number, seq: number, increment: Increment): void {
    const cell = target.state.cell(origin, increment.segment);
    this.#changing(target, origin, increment.segment, cell);
    if (cell === undefined) {
      const opened = openCell(origin, seq, increment);
      target.state.cells.push(opened);
      this.#toggle(target, opened);
      return;
    }
    this.#toggle(target, cell);
    extendCell(cell, seq, increment);
    this.#toggle(target, cell);
    this.#settle(target, cell);
  }

  reset(target: Target, reset: CounterReset, by: ReplicatedEvent): void {
    const cell = target.state.cell(reset.origin, reset.segment);
    // An absent segment that we have seen opened was closed: its owner has seen a reset at least this far.
    if (cell === undefined && this.#store.vector.covers(reset.origin, reset.segment)) return;
    this.#changing(target, reset.origin, reset.segment, cell);
    const dot = { origin: by.origin, seq: by.seq };
    if (cell === undefined) {
      const reserved = cellFromReset(reset, dot);
      target.state.cells.push(reserved);
      this.#settle(target, reserved);
      return;
    }
    this.#toggle(target, cell);
    resetCell(cell, reset, dot);
    this.#toggle(target, cell);
    this.#settle(target, cell);
  }

  /**
   * Joins the segments of one key with another host's, whose vector is `theirs`. A segment absent on a
   * side that has seen it opened was closed there.
   */
  join(target: Target, images: readonly CounterCell[], theirs: VersionVector): void {
    const { state } = target;
    for (const cell of [...state.cells]) {
      if (images.some((image) => image.origin === cell.origin && image.segment === cell.segment)) continue;
      if (!theirs.covers(cell.origin, cell.segment)) continue;
      this.#changing(target, cell.origin, cell.segment, cell);
      this.#toggle(target, cell);
      state.dropCell(cell);
      this.#forget(target.key, cell);
    }
    for (const image of images) {
      const cell = state.cell(image.origin, image.segment);
      if (cell === undefined && this.#store.vector.covers(image.origin, image.segment)) continue;
      this.#changing(target, image.origin, image.segment, cell);
      if (cell === undefined) {
        const adopted = { ...image };
        state.cells.push(adopted);
        this.#toggle(target, adopted);
        this.#settle(target, adopted);
        continue;
      }
      this.#toggle(target, cell);
      joinCell(cell, image);
      this.#toggle(target, cell);
      this.#settle(target, cell);
    }
  }

  /** Puts another host's segments of a key in place of all that are here. */
  replace(target: Target, images: readonly CounterCell[]): void {
    const { state } = target;
    for (const cell of [...state.cells]) {
      this.#toggle(target, cell);
      state.dropCell(cell);
      this.#forget(target.key, cell);
    }
    for (const image of images) {
      const adopted = { ...image };
      state.cells.push(adopted);
      this.#toggle(target, adopted);
      this.#settle(target, adopted);
    }
  }

  /** Whether segments of an owner wait to be closed. */
  awaits(owner: number): boolean {
    return this.#zeroCells.has(owner);
  }

  /** Closes the segments of `owner` whose reset is within what the owner reported as applied. */
  close(owner: number, reported: VersionVector): void {
    for (const { key, segment } of [...(this.#zeroCells.get(owner)?.values() ?? [])]) {
      const cell = this.#store.state(key)?.cell(owner, segment);
      if (cell === undefined || isLive(cell)) continue;
      if (cell.resetBy !== null && !reported.covers(cell.resetBy.origin, cell.resetBy.seq)) continue;
      this.#store.change(key, (target) => {
        this.#changing(target, owner, segment, cell);
        target.state.dropCell(cell);
        this.#forget(key, cell);
      });
    }
  }

  /** A fully reset segment of our own is closed at once; another's waits for its owner. */
  #settle(target: Target, cell: CounterCell): void {
    if (isLive(cell)) {
      this.#forget(target.key, cell);
      return;
    }
    if (cell.origin === SELF) {
      target.state.dropCell(cell);
      return;
    }
    let ofOwner = this.#zeroCells.get(cell.origin);
    if (ofOwner === undefined) {
      ofOwner = new Map();
      this.#zeroCells.set(cell.origin, ofOwner);
    }
    ofOwner.set(cellId(target.key, cell), { key: target.key, segment: cell.segment });
  }

  #forget(key: string, cell: CounterCell): void {
    const ofOwner = this.#zeroCells.get(cell.origin);
    if (ofOwner === undefined) return;
    ofOwner.delete(cellId(key, cell));
    if (ofOwner.size === 0) this.#zeroCells.delete(cell.origin);
  }

  #changing(target: Target, origin: number, segment: number, cell: CounterCell | undefined): void {
    for (const session of this.#store.sessions) {
      session.cellChanging(target.key, target.keyHash, origin, segment, cell, target.state.masked);
    }
  }

  #toggle(target: Target, cell: CounterCell): void {
    this.#store.digests.toggleCell(target.keyHash, this.#store.origins.hash(cell.origin), cell);
  }
}

function cellId(key: string, cell: CounterCell): string {
  return `${cell.segment}:${key}`;
}
