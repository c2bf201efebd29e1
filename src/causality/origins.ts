/**
 * Interns incarnation names as small integers, so that a dot costs two numbers wherever it is kept.
 * The numbers are local to one host and never leave it: on the wire and in tie-breaks an origin is its
 * name. Nothing is ever forgotten (a row costs about 100 bytes), which is what makes it safe for an
 * origin to come back after any length of time.
 */

/** The incarnations one host has heard of. Index 0 is the host itself. */
export class Origins {
  readonly #names: string[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #hashes: number[] = [];

  constructor(self: string) {
    this.intern(self);
  }

  get size(): number {
    return this.#names.length;
  }

  /** The index of an incarnation, given a new one if it was unknown. */
  intern(incarnation: string): number {
    const known = this.#indexes.get(incarnation);
    if (known !== undefined) return known;
    const index = this.#names.length;
    this.#names.push(incarnation);
    this.#indexes.set(incarnation, index);
    this.#hashes.push(hashName(incarnation));
    return index;
  }

  /** The index of an incarnation, or `undefined` if nothing was ever heard of it. */
  find(incarnation: string): number | undefined {
    return this.#indexes.get(incarnation);
  }

  name(index: number): string {
    const name = this.#names[index];
    if (name === undefined) throw new TypeError(`no origin with index ${index}`);
    return name;
  }

  /** A 32-bit hash of the name, the same on every host. */
  hash(index: number): number {
    return this.#hashes[index]!;
  }

  /** Orders by name: the tie-break every host agrees on. */
  compare(left: number, right: number): number {
    if (left === right) return 0;
    return this.name(left) < this.name(right) ? -1 : 1;
  }
}

function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) | 0;
}
