/** An upstream in memory that keeps count of its calls, answers when told to, and fails as told. */
import type { CallOptions, Mutation, Row, Stored, Upstream } from "../../../src/loader/upstream.ts";

export interface PendingLoad {
  readonly key: string;
  readonly signal: AbortSignal;
  answer(): void;
  fail(error: unknown): void;
}

export class CountingUpstream implements Upstream {
  readonly rows = new Map<string, Stored | Row>();
  readonly orders = new Map<string, { stamp: number; origin: string }>();
  readonly loads: string[] = [];
  readonly batches: Mutation[][] = [];
  /** Loads that were asked for and are answered by hand. */
  readonly pending: PendingLoad[] = [];
  /** Whether loads wait to be answered. */
  held = false;
  /** What the next loads and commits fail with, one each. */
  readonly loadErrors: unknown[] = [];
  readonly commitErrors: unknown[] = [];
  /** What a commit waits for. */
  commitGate: Promise<void> | undefined;
  closed = 0;

  load(key: string, { signal }: CallOptions): Promise<Stored | Row | undefined> {
    this.loads.push(key);
    if (this.loadErrors.length > 0) return Promise.reject(this.loadErrors.shift());
    if (!this.held) return Promise.resolve(this.#row(key));
    return new Promise((resolve, reject) => {
      // As a database does: what it answers is what it held when it was asked.
      const row = this.#row(key);
      this.pending.push({ key, signal, answer: () => resolve(row), fail: reject });
    });
  }

  async commit(batch: readonly Mutation[]): Promise<string[]> {
    this.batches.push([...batch]);
    await this.commitGate;
    if (this.commitErrors.length > 0) throw this.commitErrors.shift();
    const superseded: string[] = [];
    for (const mutation of batch) {
      const { key, stamp, origin } = mutation;
      const there = this.orders.get(key);
      const newer = there !== undefined && (there.stamp - stamp || (there.origin > origin ? 1 : -1)) > 0;
      if (newer && !(there.stamp === stamp && there.origin === origin)) {
        superseded.push(key);
        continue;
      }
      this.orders.set(key, { stamp, origin });
      if (mutation.type === "put") this.rows.set(key, mutation.value);
      else this.rows.delete(key);
    }
    return superseded;
  }

  #row(key: string): Stored | Row | undefined {
    const value = this.rows.get(key);
    const stamp = this.orders.get(key)?.stamp;
    return stamp === undefined || (typeof value !== "string" && !(value instanceof Uint8Array))
      ? value
      : { value, stamp };
  }

  close(): void {
    this.closed++;
  }
}

/** An error that says of itself that trying again may help. */
export function passing(message = "the database is restarting"): Error {
  return Object.assign(new Error(message), { retryable: true });
}
