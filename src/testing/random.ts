/**
 * A small seeded generator of random numbers: sfc32 (Doty-Humphrey, PractRand), 128 bits of state. It
 * makes a simulated run repeatable from one number; it is not for secrets.
 */

/** The same seed gives the same numbers, on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `seed` is any finite number; its low and its high 32 bits count. */
  constructor(seed: number) {
    if (!Number.isFinite(seed)) throw new TypeError(`a seed is a finite number, not ${seed}`);
    this.#a = 0x9e3779b9;
    this.#b = Math.trunc(seed) | 0;
    this.#c = Math.floor(Math.trunc(seed) / 0x100000000) | 0;
    // Neighbouring seeds differ in few bits; after this many rounds every bit depends on every other.
    for (let round = 0; round < 15; round++) this.#bits();
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#bits() / 0x100000000;
  }

  /** Uniform among the integers from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** Uniform in [least, most). */
  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** Between two positive numbers with every order of magnitude equally likely. */
  magnitude(least: number, most: number): number {
    return least * (most / least) ** this.next();
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of them. */
  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new TypeError("there is nothing to pick from");
    return choices[Math.floor(this.next() * choices.length)]!;
  }

  /** The same things in a random order; the given list stays as it is. */
  shuffle<T>(things: readonly T[]): T[] {
    const shuffled = things.slice();
    for (let index = shuffled.length - 1; index > 0; index--) {
      const other = this.integer(0, index);
      [shuffled[index], shuffled[other]] = [shuffled[other]!, shuffled[index]!];
    }
    return shuffled;
  }

  /**
   * A generator of its own, so that one part of a run drawing more numbers does not change what all other
   * parts draw.
   */
  fork(): Random {
    return new Random(this.#bits() * 0x200000 + (this.#bits() & 0x1fffff));
  }

  #bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
