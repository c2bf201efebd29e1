/**
 * Received messages, handled at once as long as the turn has time left, else in the next one. Bounded in
 * bytes: beyond that messages are dropped, which is loss like any other. So a flood can neither stop the
 * event loop nor fill the memory.
 */

/** A turn of the event loop spends at most this long on received messages, milliseconds. */
const TURN_MS = 4;

export interface QueueSurroundings {
  monotonic(): number;
  defer(task: () => void): void;
}

export class WorkQueue<T> {
  readonly #world: QueueSurroundings;
  readonly #maxBytes: number;
  readonly #handle: (item: T) => void;
  #waiting: ({ item: T; bytes: number } | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #turnStartedAt = -1;
  #dropped = 0;

  constructor(world: QueueSurroundings, maxBytes: number, handle: (item: T) => void) {
    this.#world = world;
    this.#maxBytes = maxBytes;
    this.#handle = handle;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Handles an item now or soon, in order. */
  push(item: T & { bytes: Uint8Array }, bytes: number): void {
    const now = this.#world.monotonic();
    if (this.#turnStartedAt < 0) {
      this.#turnStartedAt = now;
      this.#world.defer(() => this.#nextTurn());
    }
    if (this.#head === this.#waiting.length && now - this.#turnStartedAt < TURN_MS) {
      this.#handle(item);
      return;
    }
    // A message larger than the whole bound is still taken when nothing else waits: it may be what repairs us.
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) {
      this.#dropped++;
      return;
    }
    // The sender's buffer is only lent for this call.
    this.#waiting.push({ item: { ...item, bytes: new Uint8Array(item.bytes) }, bytes });
    this.#bytes += bytes;
  }

  #nextTurn(): void {
    this.#turnStartedAt = -1;
    if (this.#head === this.#waiting.length) return;
    const started = this.#world.monotonic();
    this.#turnStartedAt = started;
    this.#world.defer(() => this.#nextTurn());
    while (this.#head < this.#waiting.length && this.#world.monotonic() - started < TURN_MS) {
      const { item, bytes } = this.#waiting[this.#head]!;
      this.#waiting[this.#head++] = undefined;
      this.#bytes -= bytes;
      this.#handle(item);
    }
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}
