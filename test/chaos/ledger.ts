/**
 * What was promised, kept outside of the hosts: which writes were confirmed to be on how many hosts, which
 * increments were accepted, who died when. From it follows what must be there in the end.
 *
 * A write that `replicated` confirmed for n other hosts was applied by n + 1 incarnations that all lived after
 * it was made. So if at most n incarnations have died since then, one that has it is alive, and it must be on
 * every host. Events of one origin are applied in order, so this holds for everything before it as well. If
 * more have died nothing is promised: all that had it may be among them.
 */
import type { Sum } from "./orders.ts";

export interface Confirmation {
  readonly incarnation: string;
  /** The last event that was confirmed. */
  readonly seq: number;
  /** How many other hosts were said to have it. */
  readonly hosts: number;
}

interface Increment {
  readonly incarnation: string;
  readonly sum: Sum;
  /** Its event; `undefined` while the host has not answered, and for ever if it died before. */
  seq: number | undefined;
  /** The host refused it. */
  refused: boolean;
}

type Vector = ReadonlyMap<string, number>;

/** What came of the confirmations. */
export interface Kept {
  /** Must be there, and are. */
  readonly promised: number;
  /** More hosts have died than had confirmed it, and it is there all the same. */
  readonly spared: number;
  /** More hosts have died than had confirmed it, and it went with them. */
  readonly lost: number;
}

export class Ledger {
  #confirmations: Confirmation[] = [];
  #deaths: number[] = [];
  #increments: Increment[] = [];
  /** What the sums came to at the last settlement. */
  readonly #base = new Map<string, number>();

  /** An incarnation ended, by whatever means. `at` is wall clock milliseconds. */
  died(at: number): void {
    this.#deaths.push(at);
  }

  confirmed(confirmation: Confirmation): void {
    if (confirmation.hosts > 0 && confirmation.seq > 0) this.#confirmations.push(confirmation);
  }

  /** An increment is about to be ordered. */
  ordered(incarnation: string, sum: Sum): Increment {
    const increment: Increment = { incarnation, sum, seq: undefined, refused: false };
    this.#increments.push(increment);
    return increment;
  }

  /**
   * Judges every confirmation by the vector that all hosts have come to. `writtenAt` tells when an event was
   * made. Throws `BrokenPromise` where one is missing that must be there.
   */
  judge(vector: Vector, writtenAt: (incarnation: string, seq: number) => number): Kept {
    let [promised, spared, lost] = [0, 0, 0];
    for (const { incarnation, seq, hosts } of this.#confirmations) {
      const since = writtenAt(incarnation, seq);
      const deaths = this.#deaths.filter((at) => at >= since).length;
      const there = (vector.get(incarnation) ?? 0) >= seq;
      if (deaths > hosts) {
        if (there) spared++;
        else lost++;
        continue;
      }
      if (!there) {
        throw new BrokenPromise(
          `event ${seq} of ${incarnation} was confirmed by ${hosts} other hosts, ${deaths} have died since, ` +
            `and what is left goes up to ${vector.get(incarnation) ?? 0}`,
        );
      }
      promised++;
    }
    return { promised, spared, lost };
  }

  /**
   * The least and the most a sum can be: everything accepted that the vector covers, and at most what was
   * ordered of hosts that died before they answered.
   */
  boundsOf(key: string, vector: Vector): { least: number; most: number } {
    const base = this.#base.get(key) ?? 0;
    const bounds = { least: base, most: base };
    for (const { incarnation, sum, seq, refused } of this.#increments) {
      if (sum.key !== key || refused) continue;
      if (seq !== undefined && seq > (vector.get(incarnation) ?? 0)) continue;
      bounds.most += sum.delta;
      if (seq !== undefined) bounds.least += sum.delta;
    }
    return bounds;
  }

  /** All hosts are equal and were judged: what follows is counted from here. */
  settle(sums: ReadonlyMap<string, number>): void {
    this.#confirmations = [];
    this.#deaths = [];
    this.#increments = [];
    for (const [key, value] of sums) this.#base.set(key, value);
  }
}

/** A host said that a write was safe, and it was not. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}
