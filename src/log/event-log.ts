/**
 * The recent event stream, kept to answer replays: per origin a contiguous run of encoded frames, exactly
 * as they were sent. Bounded in bytes and age; what was trimmed a peer gets by snapshot instead, so
 * trimming never costs convergence.
 */

export interface LoggedFrame {
  readonly first: number;
  readonly last: number;
  readonly bytes: Uint8Array;
  /** Monotonic milliseconds at which it was logged. */
  readonly at: number;
}

interface OriginLog {
  frames: LoggedFrame[];
  /** Index of the oldest frame that is still kept. */
  head: number;
}

export interface EventLogLimits {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export class EventLog {
  readonly #limits: EventLogLimits;
  readonly #origins = new Map<number, OriginLog>();
  #bytes = 0;

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a frame that was just applied. One that does not follow the last starts the run anew. */
  append(origin: number, frame: LoggedFrame): void {
    let log = this.#origins.get(origin);
    if (log === undefined) {
      log = { frames: [], head: 0 };
      this.#origins.set(origin, log);
    }
    const last = log.frames.at(-1);
    if (last !== undefined && frame.first > last.last + 1) this.drop(origin);
    log.frames.push(frame);
    this.#bytes += frame.bytes.length;
    if (this.#bytes > this.#limits.maxBytes) this.#trim(frame.at);
  }

  /** The logged frames from the one that contains `seq` on; `undefined` if that was trimmed or never here. */
  since(origin: number, seq: number, maxBytes: number): LoggedFrame[] | undefined {
    const log = this.#origins.get(origin);
    if (log === undefined || log.head === log.frames.length) return undefined;
    if (log.frames[log.head]!.first > seq || log.frames.at(-1)!.last < seq) return undefined;
    let low = log.head;
    let high = log.frames.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (log.frames[middle]!.last < seq) low = middle + 1;
      else high = middle;
    }
    const frames: LoggedFrame[] = [];
    let bytes = 0;
    for (let i = low; i < log.frames.length; i++) {
      const frame = log.frames[i]!;
      if (frames.length > 0 && bytes + frame.bytes.length > maxBytes) break;
      frames.push(frame);
      bytes += frame.bytes.length;
    }
    return frames;
  }

  /** Forgets an origin's frames: its vector row jumped past them. */
  drop(origin: number): void {
    const log = this.#origins.get(origin);
    if (log === undefined) return;
    for (let i = log.head; i < log.frames.length; i++) this.#bytes -= log.frames[i]!.bytes.length;
    log.frames = [];
    log.head = 0;
  }

  /** Drops frames that are too old. */
  expire(now: number): void {
    for (const [origin, log] of this.#origins) {
      while (log.head < log.frames.length && now - log.frames[log.head]!.at > this.#limits.maxAgeMs)
        this.#shift(log);
      // Of thousands of departed hosts nothing is left here, and nobody should have to look at them.
      if (log.head === log.frames.length) this.#origins.delete(origin);
    }
  }

  #trim(now: number): void {
    this.expire(now);
    while (this.#bytes > this.#limits.maxBytes) {
      let oldest: OriginLog | undefined;
      for (const log of this.#origins.values()) {
        if (log.head === log.frames.length) continue; // trimmed a moment ago
        if (oldest === undefined || log.frames[log.head]!.at < oldest.frames[oldest.head]!.at) oldest = log;
      }
      if (oldest === undefined) return;
      this.#shift(oldest);
    }
  }

  #shift(log: OriginLog): void {
    const frame = log.frames[log.head]!;
    this.#bytes -= frame.bytes.length;
    log.frames[log.head] = EMPTY;
    log.head++;
    if (log.head < 64 || log.head * 2 < log.frames.length) return;
    log.frames = log.frames.slice(log.head);
    log.head = 0;
  }
}

const EMPTY: LoggedFrame = { first: 0, last: 0, bytes: new Uint8Array(0), at: 0 };
