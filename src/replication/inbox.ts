/**
 * Frames that came before their predecessors, per origin, bounded in bytes. What does not fit is dropped:
 * the gap is known, so it will be asked for.
 */
import type { FrameHeader } from "./frame.ts";

/** Origins that may have frames waiting at their bound at a time; beyond it all share what is left. */
const FULL_ORIGINS = 4;
/** Frames kept in all, whatever their size. */
const MAX_FRAMES = 262_144;

export interface EarlyFrame {
  readonly header: FrameHeader;
  readonly bytes: Uint8Array;
}

interface Waiting {
  /** By their first event. */
  frames: EarlyFrame[];
  bytes: number;
}

export class Inbox {
  readonly #maxBytes: number;
  readonly #origins = new Map<number, Waiting>();
  #bytes = 0;
  #count = 0;

  /** `maxBytes` per origin. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** False: no room. A frame that is here already is not kept twice. */
  put(origin: number, frame: EarlyFrame): boolean {
    if (this.#bytes + frame.bytes.length > FULL_ORIGINS * this.#maxBytes || this.#count >= MAX_FRAMES)
      return false;
    let waiting = this.#origins.get(origin);
    if (waiting === undefined) {
      waiting = { frames: [], bytes: 0 };
      this.#origins.set(origin, waiting);
    }
    const { frames } = waiting;
    const index = position(frames, frame.header.first);
    if (frames[index]?.header.first === frame.header.first) return true;
    if (waiting.bytes + frame.bytes.length > this.#maxBytes) return false;
    frames.splice(index, 0, frame);
    waiting.bytes += frame.bytes.length;
    this.#bytes += frame.bytes.length;
    this.#count++;
    return true;
  }

  /** Takes out a frame that holds the event after `applied`, dropping those that are wholly behind. */
  next(origin: number, applied: number): EarlyFrame | undefined {
    const waiting = this.#origins.get(origin);
    if (waiting === undefined) return undefined;
    const { frames } = waiting;
    let taken = 0;
    let found: EarlyFrame | undefined;
    while (found === undefined && taken < frames.length && frames[taken]!.header.first <= applied + 1) {
      const frame = frames[taken++]!;
      this.#forget(waiting, frame);
      if (frame.header.last > applied) found = frame;
    }
    if (taken > 0) frames.splice(0, taken);
    if (frames.length === 0) this.#origins.delete(origin);
    return found;
  }

  /** Frames that hold events from `seq` on without a hole, to answer another host's replay. */
  since(origin: number, seq: number, maxBytes: number): EarlyFrame[] {
    const run: EarlyFrame[] = [];
    let next = seq;
    let bytes = 0;
    for (const frame of this.#origins.get(origin)?.frames ?? []) {
      if (frame.header.last < next) continue;
      if (frame.header.first > next || (run.length > 0 && bytes + frame.bytes.length > maxBytes)) break;
      run.push(frame);
      next = frame.header.last + 1;
      bytes += frame.bytes.length;
    }
    return run;
  }

  /** The highest event held of an origin, 0 for none. */
  highest(origin: number): number {
    return this.#origins.get(origin)?.frames.at(-1)?.header.last ?? 0;
  }

  /** Drops everything of an origin. */
  drop(origin: number): void {
    const waiting = this.#origins.get(origin);
    if (waiting === undefined) return;
    for (const frame of waiting.frames) this.#forget(waiting, frame);
    this.#origins.delete(origin);
  }

  origins(): number[] {
    return [...this.#origins.keys()];
  }

  #forget(waiting: Waiting, frame: EarlyFrame): void {
    waiting.bytes -= frame.bytes.length;
    this.#bytes -= frame.bytes.length;
    this.#count--;
  }
}

/** Where a frame with this first event stands or would stand. */
function position(frames: readonly EarlyFrame[], first: number): number {
  let low = 0;
  let high = frames.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (frames[middle]!.header.first < first) low = middle + 1;
    else high = middle;
  }
  return low;
}
