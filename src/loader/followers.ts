/** Those who wait for a key in order to change it: what happens to it until their turn comes is theirs to know. */

export interface Follower {
  /** Whether something happened to the key after its last load had ended. */
  changed: boolean;
}

/** One follower at a time per key. */
export class Followers {
  readonly #byKey = new Map<string, Follower>();

  /** To be followed by `end`. */
  begin(key: string): Follower {
    const follower: Follower = { changed: false };
    this.#byKey.set(key, follower);
    return follower;
  }

  end(key: string): void {
    this.#byKey.delete(key);
  }

  /** What happened before is in what was loaded. */
  loaded(key: string): void {
    const follower = this.#byKey.get(key);
    if (follower !== undefined) follower.changed = false;
  }

  touched(key: string): void {
    const follower = this.#byKey.get(key);
    if (follower !== undefined) follower.changed = true;
  }

  touchedUnder(prefix: string): void {
    for (const [key, follower] of this.#byKey) if (key.startsWith(prefix)) follower.changed = true;
  }
}
