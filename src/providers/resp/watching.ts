/**
 * What one connection watches. The client asks for changes and is answered some, or none after a while: so nothing
 * is sent that it did not ask for, and a slow one finds changes to one key folded instead of a queue that grows.
 */
import { TidemarkError } from "../../errors.ts";
import type { Tidemark } from "../../tidemark.ts";

/** A change as a host tells of it. */
export type Change = ReturnType<Tidemark["watch"]> extends AsyncIterator<infer Each> ? Each : never;

/** Of what is there or not wanted, so much is looked at before the client asks again. */
const MOST_LOOKED_AT = 1_000;
/** Changes of one answer have about this many bytes at most; one of them may have more. */
const MOST_BYTES = 1024 * 1024;
/** A client that has not asked for so long has forgotten; what waits for it costs memory. Milliseconds. */
export const FORGOTTEN_AFTER_MS = 60_000;

export interface Asked {
  /** How many at most. */
  readonly count: number;
  /** How long to wait for the first. */
  readonly waitMs: number;
  /** Whether the client may see a key. */
  readonly allows: (key: string) => boolean;
}

export class Watching {
  readonly #changes: AsyncIterator<Change>;
  /** Whether what is there is told of, or only what changes. */
  readonly #everything: boolean;
  #synced = false;
  #asked = false;
  #arrived: IteratorResult<Change> | undefined;
  #failed: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #ended = false;
  /** While it is answered no time passes for it. */
  #idleSince: number | undefined;

  constructor(kv: Tidemark, match: string, everything: boolean) {
    this.#changes = kv.watch({ match });
    this.#everything = everything;
    this.#idleSince = performance.now();
  }

  /** Whether nobody has asked for changes for too long. */
  forgotten(now: number): boolean {
    return this.#idleSince !== undefined && now - this.#idleSince > FORGOTTEN_AFTER_MS;
  }

  /** The next changes; none where none came in time, or so much was passed over. Rejects `CLOSED`. */
  async next({ count, waitMs, allows }: Asked): Promise<Change[]> {
    this.#idleSince = undefined;
    try {
      const found: Change[] = [];
      const limits = { count, until: performance.now() + waitMs };
      for (
        let seen = 0, bytes = 0;
        seen < MOST_LOOKED_AT && found.length < limits.count && bytes < MOST_BYTES;
        seen++
      ) {
        const change = await this.#take(found.length === 0 && seen === 0 ? limits.until : 0);
        if (change === undefined) break;
        if (!this.#tells(change, allows)) continue;
        found.push(change);
        bytes += bytesOf(change);
      }
      return found;
    } finally {
      this.#idleSince = performance.now();
    }
  }

  end(): void {
    this.#ended = true;
    void this.#changes.return?.();
    this.#wake?.();
  }

  #tells(change: Change, allows: (key: string) => boolean): boolean {
    if (change.type === "synced") this.#synced = true;
    else if (!allows(change.key)) return false;
    return this.#synced || this.#everything;
  }

  /** One change; `undefined` where none is there by then. */
  async #take(until: number): Promise<Change | undefined> {
    this.#ask();
    // What is there already has arrived after one turn of the microtasks.
    await undefined;
    if (this.#arrived === undefined && this.#failed === undefined)
      await this.#arrival(until - performance.now());
    if (this.#failed !== undefined) throw this.#failed.error;
    const step = this.#arrived;
    if (step === undefined && !this.#ended) return undefined;
    if (step === undefined || step.done)
      throw new TidemarkError("CLOSED", "the watch has ended: the host is closing");
    this.#arrived = undefined;
    this.#asked = false;
    return step.value;
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#changes.next().then(
      (step) => {
        this.#arrived = step;
        this.#wake?.();
      },
      (error: unknown) => {
        this.#failed = { error };
        this.#wake?.();
      },
    );
  }

  #arrival(waitMs: number): Promise<void> {
    if (waitMs <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#wake = done;
    });
  }
}

function bytesOf(change: Change): number {
  if (change.type === "synced") return 0;
  let bytes = change.key.length + (change.value?.length ?? 0) + (change.previous?.length ?? 0);
  for (const members of [change.added, change.removed]) for (const member of members) bytes += member.length;
  return bytes;
}
