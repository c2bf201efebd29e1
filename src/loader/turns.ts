/** Work on one key, one after the other in the order of asking; work on different keys does not wait. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Whether something on this key is under way. */
  busy(key: string): boolean {
    return this.#last.has(key);
  }

  /** Runs `work` once everything asked for before on this key has ended, however it ended. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#last.set(key, mine);
    const done = (): void => {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    };
    mine.then(done, done);
    return mine;
  }
}
