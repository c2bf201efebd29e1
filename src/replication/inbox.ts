/**
 * Frames that came before their predecessors, per origin, bounded in bytes. What does not fit is dropped:
 * the gap is known, so it will be asked for.
 */
import type { FrameHeader } from "./frame.ts";

export interface EarlyFrame {
  readonly header: FrameHeader;
  readonly bytes: Uint8Array;
}

export class Inbox {
  readonly #maxBytes: number;
  readonly #frames = new Map<number, Map<number, EarlyFrame>>();
  readonly #sizes = new Map<number, number>();
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
    let frames = this.#frames.get(origin);
    const size = this.#sizes.get(origin) ?? 0;
    if (size + frame.bytes.length > this.#maxBytes) return false;
    if (frames === undefined) {
      frames = new Map();
      this.#frames.set(origin, frames);
    }
    if (frames.has(frame.header.first)) return true;
    frames.set(frame.header.first, frame);
    this.#sizes.set(origin, size + frame.bytes.length);
    this.#bytes += frame.bytes.length;
    this.#count++;
    return true;
  }

  /** Takes out a frame that holds the event after `applied`, dropping those that are wholly behind. */
  next(origin: number, applied: number): EarlyFrame | undefined {
    const frames = this.#frames.get(origin);
    if (frames === undefined) return undefined;
    const exact = frames.get(applied + 1);
    if (exact !== undefined) {
      this.#remove(origin, frames, applied + 1, exact);
      return exact;
    }
    for (const [first, frame] of frames) {
      if (first > applied + 1) continue;
      this.#remove(origin, frames, first, frame);
      if (frame.header.last > applied) return frame;
    }
    return undefined;
  }

  /** Frames that hold events from `seq` on without a hole, to answer another host's replay. */
  since(origin: number, seq: number, maxBytes: number): EarlyFrame[] {
    const frames = [...(this.#frames.get(origin)?.values() ?? [])].sort(
      (a, b) => a.header.first - b.header.first,
    );
    const run: EarlyFrame[] = [];
    let next = seq;
    let bytes = 0;
    for (const frame of frames) {
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
    let highest = 0;
    for (const frame of this.#frames.get(origin)?.values() ?? [])
      highest = Math.max(highest, frame.header.last);
    return highest;
  }

  /** Drops everything of an origin. */
  drop(origin: number): void {
    const frames = this.#frames.get(origin);
    if (frames === undefined) return;
    for (const [first, frame] of frames) this.#remove(origin, frames, first, frame);
  }

  origins(): number[] {
    return [...this.#frames.keys()];
  }

  #remove(origin: number, frames: Map<number, EarlyFrame>, first: number, frame: EarlyFrame): void {
    frames.delete(first);
    this.#bytes -= frame.bytes.length;
    this.#count--;
    this.#sizes.set(origin, this.#sizes.get(origin)! - frame.bytes.length);
    if (frames.size > 0) return;
    this.#frames.delete(origin);
    this.#sizes.delete(origin);
  }
}
