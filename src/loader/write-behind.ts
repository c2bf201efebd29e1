/**
 * Write-behind: from dirty keys to commits. Which keys and when is decided by `commit-queue.ts`; here they
 * travel, several batches at a time, and what comes of it is told. A failure is never dropped: the key stays
 * dirty and is tried again until the upstream has it, or `close` reports it by name.
 */
import { TidemarkError } from "../errors.ts";
import { untilAborted, upstreamFailed } from "./calls.ts";
import { CommitQueue, type DirtyKey } from "./commit-queue.ts";
import type { LoaderCounts } from "./counts.ts";
import type { LoaderWorld } from "./memory.ts";
import { retryDelay, saysRetryable } from "./retry.ts";
import type { LoadingSettings } from "./settings.ts";
import type { Timers } from "./timers.ts";
import type { Mutation, Stored, Upstream } from "./upstream.ts";

/** A commit sets out a quarter of its time ahead of its deadline, at most this much, in milliseconds. */
const MOST_LEAD_MS = 100;

export interface WriteBehindPorts {
  readonly upstream: Upstream<unknown>;
  readonly settings: LoadingSettings;
  readonly world: LoaderWorld;
  readonly timers: Timers;
  readonly counts: LoaderCounts;
  /** The upstream has these values, or newer ones. */
  committed(mutations: readonly Mutation[]): void;
  /**
   * In a fleet: how much later than its deadline a key is this host's to commit, in milliseconds; 0 for its owner.
   * So a commit that its owner does not make is made by the next in order, whatever the reason.
   */
  delayOf?(key: string): number;
}

export class WriteBehind {
  readonly #ports: WriteBehindPorts;
  readonly #queue = new CommitQueue();
  #travelling = 0;
  #pumping = false;
  #draining = false;
  #closed = false;
  readonly #underWay = new Set<AbortController>();
  readonly #idle: (() => void)[] = [];

  constructor(ports: WriteBehindPorts) {
    this.#ports = ports;
  }

  /** Whether a key waits for its commit. */
  awaits(key: string): boolean {
    return this.#queue.get(key) !== undefined;
  }

  /** Keys that wait for their commit. */
  get dirty(): number {
    return this.#queue.size;
  }

  get oldestDirtyMs(): number {
    const since = this.#queue.oldest();
    return since === undefined ? 0 : this.#ports.world.monotonic() - since;
  }

  /** Whether a key waits for its commit. */
  isDirty(key: string): boolean {
    return this.#queue.get(key) !== undefined;
  }

  /** The value that waits for its commit; `{ value: undefined }` is a deletion that does. */
  unsaved(key: string): { readonly value: Stored | undefined } | undefined {
    const mutation = this.#queue.get(key)?.mutation;
    if (mutation === undefined) return undefined;
    return { value: mutation.type === "put" ? mutation.value : undefined };
  }

  /** Throws `DIRTY_LIMIT` when one more key may not wait, and `INVALID_ARGUMENT` for a read-only upstream. */
  checkRoom(key: string): void {
    const { upstream, settings } = this.#ports;
    if (upstream.commit === undefined) {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        `the upstream has no commit(): update "${key}" with commit: "never", or give the upstream one`,
      );
    }
    if (this.#queue.size < settings.maxDirty || this.isDirty(key)) return;
    throw new TidemarkError(
      "DIRTY_LIMIT",
      `${this.#queue.size} keys wait for their commit; see status().loader for why the upstream does not take ` +
        "them, write slower, or raise loading.maxDirty",
    );
  }

  /** Commits a value within so many milliseconds. */
  add(mutation: Mutation, withinMs: number): void {
    const now = this.#ports.world.monotonic();
    this.#queue.put(mutation, now + withinMs - Math.min(MOST_LEAD_MS, withinMs / 4), now);
  }

  /** Replaces the value of a key that waits, without making it more urgent. */
  replace(mutation: Mutation): void {
    const now = this.#ports.world.monotonic();
    if (this.isDirty(mutation.key)) this.#queue.put(mutation, Number.POSITIVE_INFINITY, now);
  }

  /** Commits a value at once; resolves when the upstream has it, or something newer. Rejects with its error. */
  commitNow(mutation: Mutation): Promise<void> {
    const now = this.#ports.world.monotonic();
    return new Promise((resolve, reject) => {
      this.#queue.put(mutation, now + this.#ports.settings.maxDelayMs, now, { resolve, reject });
      this.#pumpSoon();
    });
  }

  /** As `commitNow` for a key that waits already. */
  hasten(key: string): Promise<void> {
    const dirty = this.#queue.get(key);
    return dirty === undefined ? Promise.resolve() : this.commitNow(dirty.mutation);
  }

  /** Another host has committed a key. */
  forget(key: string): void {
    for (const waiter of this.#queue.forget(key)) waiter.resolve();
    this.#tellIfIdle();
  }

  /** The keys that wait. */
  keys(): string[] {
    return this.#queue.keys();
  }

  /** To be called every tick. */
  tick(): void {
    this.#pump();
  }

  /** Commits all there is, or what it can within a time. */
  async drain(withinMs: number): Promise<void> {
    const { timers, world, upstream } = this.#ports;
    if (this.#queue.size === 0 || upstream.commit === undefined) return;
    this.#draining = true;
    this.#queue.hasten(world.monotonic());
    this.#pump();
    await new Promise<void>((resolve) => {
      const cancel = timers.add(world.monotonic() + withinMs, resolve);
      this.#idle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  /** The hosts are others than before, and so are the turns. */
  turnsChanged(): void {
    this.#queue.forgetTurns(this.#ports.world.monotonic());
  }

  /** Those who still wait are told, what is under way is given up, and nothing more sets out. */
  close(): void {
    this.#closed = true;
    for (const key of this.#queue.keys()) {
      const dirty = this.#queue.get(key)!;
      const error = new TidemarkError("UNCOMMITTED", `this host was closed before "${key}" was committed`, {
        keys: [key],
      });
      for (const waiter of dirty.waiters.splice(0)) waiter.reject(error);
    }
    const closed = new TidemarkError("CLOSED", "this host was closed; open a new one");
    for (const controller of this.#underWay) controller.abort(closed);
  }

  readonly #turn = (dirty: DirtyKey): number => {
    if (this.#draining || this.#ports.delayOf === undefined) return 0;
    const delayMs = this.#ports.delayOf(dirty.key);
    return delayMs === 0 ? 0 : dirty.dueAt + delayMs;
  };

  #pumpSoon(): void {
    if (this.#pumping || this.#ports.settings.maxDelayMs > 0) return;
    this.#pumping = true;
    this.#ports.world.defer(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { settings, world, upstream } = this.#ports;
    // What is due is queued here all the same: until it is committed elsewhere, it is what a key holds.
    if (upstream.commit === undefined) return;
    while (!this.#closed && this.#travelling < settings.maxConcurrentCommits) {
      const batch = this.#queue.take(world.monotonic(), settings.maxBatch, this.#turn);
      if (batch.length === 0) return;
      void this.#travel(batch);
    }
  }

  /** One batch. Never rejects. */
  async #travel(batch: readonly DirtyKey[]): Promise<void> {
    const { upstream, settings, world, timers, counts } = this.#ports;
    const mutations = batch.map((dirty) => dirty.sent!);
    const controller = new AbortController();
    const startedAt = world.monotonic();
    const cancel = timers.add(startedAt + settings.hardTimeoutMs, () =>
      controller.abort(
        new TidemarkError(
          "UPSTREAM_TIMEOUT",
          `a commit of ${batch.length} keys took more than ${settings.hardTimeoutMs} ms; it is tried again`,
        ),
      ),
    );
    this.#travelling++;
    this.#underWay.add(controller);
    try {
      const call = async () => upstream.commit!(mutations, { signal: controller.signal });
      const superseded = await untilAborted(call(), controller.signal);
      counts.commits++;
      counts.committedKeys += batch.length;
      counts.largestBatch = Math.max(counts.largestBatch, batch.length);
      counts.superseded += superseded?.length ?? 0;
      this.#arrived(batch, mutations);
    } catch (error) {
      counts.failedCommits++;
      this.#failed(batch, error);
    } finally {
      cancel();
      this.#underWay.delete(controller);
      this.#travelling--;
      counts.commitMs += world.monotonic() - startedAt;
    }
    this.#pump();
    this.#tellIfIdle();
  }

  #tellIfIdle(): void {
    if (this.#queue.size === 0) for (const tell of this.#idle.splice(0)) tell();
  }

  #arrived(batch: readonly DirtyKey[], mutations: readonly Mutation[]): void {
    const now = this.#ports.world.monotonic();
    const waiters = batch.flatMap((dirty) => this.#queue.committed(dirty, now));
    this.#ports.committed(mutations);
    for (const waiter of waiters) waiter.resolve();
  }

  #failed(batch: readonly DirtyKey[], error: unknown): void {
    const { settings, world } = this.#ports;
    const retryable = this.#retryable(error);
    for (const dirty of batch) {
      const failures = dirty.failures + 1;
      // One key that the upstream cannot take must not hold up those that happened to travel with it.
      const alone = !retryable && batch.length > 1;
      const delay = alone
        ? 0
        : retryDelay(failures + 1, settings.backoffMs, settings.maxBackoffMs, world.random());
      const givenUp = !alone && (!retryable || failures >= settings.tries);
      const waiters = givenUp ? this.#queue.takeWaiters(dirty) : [];
      this.#queue.failed(dirty, world.monotonic() + delay, alone);
      for (const waiter of waiters) waiter.reject(stillDirty(dirty.key, error));
    }
  }

  #retryable(error: unknown): boolean {
    if (error instanceof TidemarkError && error.code === "UPSTREAM_TIMEOUT") return true;
    const { upstream } = this.#ports;
    return upstream.retryable === undefined ? saysRetryable(error) : upstream.retryable(error);
  }
}

function stillDirty(key: string, cause: unknown): TidemarkError {
  const failure = upstreamFailed(`the upstream did not take "${key}"`, cause);
  return new TidemarkError(
    failure.code,
    `${failure.message}. Memory holds the new value, and its commit is tried again until it succeeds`,
    { cause: failure.cause ?? failure },
  );
}
