/**
 * Watching: what is there, a `synced` mark, then every change of what a reader sees, whatever caused it.
 * A slow reader never slows a writer and never loses the last change of a key: past its buffer, changes
 * to one key are folded into one. No timers, and nothing here calls a reader: it pulls.
 */
import { ChangeQueue, PendingChange } from "./change-queue.ts";
import type { Value } from "./crdt/entry.ts";
import { compileGlob } from "./crdt/glob.ts";
import { TidemarkError } from "./errors.ts";
import type { KeyType } from "./tidemark.ts";

export interface WatchOptions {
  prefix?: string;
  /** A glob, as in `keys`. */
  match?: string;
  /**
   * Undelivered changes that are kept before changes to one key are folded into one. Default 1,024. Past
   * it there is one change per key, so that what a reader who stopped reading costs is bounded by the
   * number of keys it watches and the members of the collections among them.
   */
  buffer?: number;
  signal?: AbortSignal;
}

/** A change of one key. */
export interface KeyChange {
  /** `expire`: its deadline passed. `evict`: this host let it go for room; other hosts still have it. */
  readonly type: "set" | "delete" | "expire" | "evict";
  readonly key: string;
  /** What the key holds now, or held before it went. */
  readonly kind: KeyType;
  /** What the key held before, where that was something else; `removed` lists what was in it. */
  readonly was?: KeyType | undefined;
  /** Strings and counters: the value now. Sets and lists: `undefined`, read the key. */
  readonly value: Value | undefined;
  /** Strings and counters: the value before. */
  readonly previous: Value | undefined;
  /** Sets and lists: members or elements that came and went. */
  readonly added: readonly Value[];
  readonly removed: readonly Value[];
  /** The incarnation that wrote; our own for expiry and eviction, `undefined` for what was there. */
  readonly origin: string | undefined;
  /** When, in milliseconds since 1970, by the writer's clock. */
  readonly at: number;
  /** How many earlier changes of this key were folded into this one because the reader was slow. */
  readonly folded: number;
}

export type Change = { readonly type: "synced" } | KeyChange;

/** What is there, asked for with a filter; see `WatchHub.open` for what it promises. */
export type InitialItems = (matches: (key: string) => boolean) => Iterable<KeyChange>;

/** The watchers of one host. */
export interface WatchHub {
  /** Whether anyone watches anything. */
  active(): boolean;
  /** Whether anyone watches this key: ask before computing a change. */
  wants(key: string): boolean;
  /**
   * Tells the watchers of a key. Called in the same synchronous run as the change itself, with every
   * member that came or went, and `folded` 0.
   */
  publish(change: KeyChange): void;
  /**
   * Registers a watcher at once: no change published after the call is missed. `initial` is pulled one
   * item at a time as the reader reads, and each item must hold what is true when it is pulled; every
   * key that is there throughout must come, one that came before is skipped, and it must come to an end
   * even while keys are written. Throws `INVALID_ARGUMENT`, `CLOSED`.
   */
  open(options: WatchOptions, initial: InitialItems): AsyncIterableIterator<Change>;
  /** Ends every watcher. */
  close(): void;
}

const DEFAULT_BUFFER = 1_024;
const ENDED: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/** The watchers of one host, none yet. */
export function createWatchHub(): WatchHub {
  const watchers = new Set<Watcher>();
  let closed = false;
  return {
    active: () => watchers.size > 0,
    wants(key) {
      for (const watcher of watchers) if (watcher.matches(key)) return true;
      return false;
    },
    publish(change) {
      for (const watcher of watchers) if (watcher.matches(change.key)) watcher.publish(change);
    },
    open(options, initial) {
      if (closed) throw new TidemarkError("CLOSED", "the host is closed; open another one to watch");
      const watcher = new Watcher(options, initial, () => watchers.delete(watcher));
      if (!watcher.ended) watchers.add(watcher);
      return watcher;
    },
    close() {
      closed = true;
      for (const watcher of watchers) watcher.end();
    },
  };
}

/**
 * One reader. Until `synced`, a key is either delivered or not: changes to a delivered one queue up for
 * after the mark; one to a key that is still to come only matters if `initial` does not bring it (it was
 * written into a part already passed), and is then delivered before the mark, once, as it is by then.
 */
class Watcher implements AsyncIterableIterator<Change> {
  readonly matches: (key: string) => boolean;
  ended = false;
  readonly #queue: ChangeQueue;
  readonly #onEnd: () => void;
  readonly #signal: AbortSignal | undefined;
  /** Those who called `next` when there was nothing. */
  #readers: ((result: IteratorResult<Change>) => void)[] = [];
  #initial: Iterator<KeyChange> | undefined;
  readonly #delivered = new Set<string>();
  readonly #undelivered = new Map<string, PendingChange>();
  // Kept from one read to the next, because a new one would walk over all that was deleted.
  #rest: Iterator<string> | undefined;
  #synced = false;

  constructor(options: WatchOptions, initial: InitialItems, onEnd: () => void) {
    this.matches = keyFilter(options);
    this.#queue = new ChangeQueue(bufferSize(options.buffer));
    this.#onEnd = onEnd;
    this.#signal = options.signal;
    if (this.#signal !== undefined && !(this.#signal instanceof AbortSignal)) {
      throw new TidemarkError("INVALID_ARGUMENT", "signal takes an AbortSignal");
    }
    if (this.#signal?.aborted) this.ended = true;
    else {
      this.#initial = initial(this.matches)[Symbol.iterator]();
      this.#signal?.addEventListener("abort", this.end);
    }
  }

  publish(change: KeyChange): void {
    const { key } = change;
    const pending = this.#undelivered.get(key);
    if (pending !== undefined) {
      if (change.type === "set") pending.fold(change);
      else this.#undelivered.delete(key);
    } else if (this.#initial === undefined || this.#delivered.has(key)) {
      this.#queue.push(change);
      const reader = this.#readers.shift();
      if (reader !== undefined) reader({ done: false, value: this.#take()! });
    } else if (change.type === "set") this.#undelivered.set(key, new PendingChange(change));
  }

  async next(): Promise<IteratorResult<Change>> {
    if (this.ended) return ENDED;
    let change: Change | undefined;
    try {
      change = this.#take();
    } catch (error) {
      this.end();
      throw error;
    }
    if (change !== undefined) return { done: false, value: change };
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  async return(): Promise<IteratorResult<Change>> {
    this.end();
    return ENDED;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Frees everything; undelivered changes are dropped. */
  readonly end = (): void => {
    if (this.ended) return;
    this.ended = true;
    this.#onEnd();
    this.#signal?.removeEventListener("abort", this.end);
    const initial = this.#initial;
    this.#initial = undefined;
    this.#rest = undefined;
    this.#delivered.clear();
    this.#undelivered.clear();
    this.#queue.clear();
    for (const reader of this.#readers.splice(0)) reader(ENDED);
    initial?.return?.();
  };

  #take(): Change | undefined {
    const change = this.#synced ? this.#queue.shift() : (this.#takeInitial() ?? this.#takeRest());
    if (change !== undefined) return ownCopy(change);
    if (this.#synced) return undefined;
    this.#synced = true;
    return { type: "synced" };
  }

  #takeInitial(): KeyChange | undefined {
    while (this.#initial !== undefined) {
      const step = this.#initial.next();
      if (step.done) {
        this.#initial = undefined;
        this.#delivered.clear();
        this.#rest = this.#undelivered.keys();
        return undefined;
      }
      const { key } = step.value;
      if (this.#delivered.has(key)) continue;
      this.#delivered.add(key);
      this.#undelivered.delete(key);
      return step.value;
    }
    return undefined;
  }

  #takeRest(): KeyChange | undefined {
    const step = this.#rest?.next();
    if (step === undefined || step.done) return undefined;
    const change = this.#undelivered.get(step.value)!.take();
    this.#undelivered.delete(step.value);
    // The reader has not heard of the key yet, so for it nothing went and nothing was folded.
    return { ...change, previous: undefined, removed: [], folded: 0 };
  }
}

/** Binary values copied, because what a reader does to them must not reach the store. */
function ownCopy(change: KeyChange): KeyChange {
  const { value, previous, added, removed } = change;
  const shared = isBinary(value) || isBinary(previous) || added.some(isBinary) || removed.some(isBinary);
  if (!shared) return change;
  return {
    ...change,
    value: value && copied(value),
    previous: previous && copied(previous),
    added: added.map(copied),
    removed: removed.map(copied),
  };
}

function isBinary(value: Value | undefined): boolean {
  return value !== undefined && typeof value !== "string";
}

function copied(value: Value): Value {
  return typeof value === "string" ? value : new Uint8Array(value);
}

function keyFilter({ prefix, match }: WatchOptions): (key: string) => boolean {
  if (prefix !== undefined && typeof prefix !== "string") {
    throw new TidemarkError("INVALID_ARGUMENT", "prefix takes a string: what the watched keys start with");
  }
  const matches = match === undefined ? undefined : compileGlob(match);
  if (prefix === undefined) return matches ?? (() => true);
  if (matches === undefined) return (key) => key.startsWith(prefix);
  return (key) => key.startsWith(prefix) && matches(key);
}

function bufferSize(buffer: number = DEFAULT_BUFFER): number {
  if (Number.isSafeInteger(buffer) && buffer >= 1) return buffer;
  throw new TidemarkError("INVALID_ARGUMENT", `buffer takes a whole number from 1, not ${String(buffer)}`);
}
