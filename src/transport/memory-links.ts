/**
 * What an in-memory network does to messages on their way from one host to another: the faults of every
 * link, and who is cut off from whom. Hosts go by the label their transport was made with, which stays
 * the same over restarts. Pure state; `memory.ts` acts on it.
 */

import type { Channel } from "./transport.ts";

/** What may happen to a message between two hosts. */
export interface LinkFaults {
  /** Probability that it vanishes. */
  readonly loss: number;
  /** On which channels it may vanish; all of them unless told. */
  readonly lossOn?: readonly Channel[];
  /** Probability that it comes twice. */
  readonly duplicate: number;
  /** Milliseconds on the way, drawn anew for every message; does not by itself change the order. */
  readonly delay: { readonly min: number; readonly max: number };
  /** Probability that it is held back, for up to `reorderMs` more, while later ones pass it. */
  readonly reorder: number;
  readonly reorderMs: number;
}

/** A network in good order: half a millisecond, nothing lost. */
export const NO_FAULTS: LinkFaults = {
  loss: 0,
  duplicate: 0,
  delay: { min: 0.5, max: 0.5 },
  reorder: 0,
  reorderMs: 0,
};

/** Every ordered pair of hosts is a link. All can be changed at any moment. */
export class Links {
  #everywhere: LinkFaults;
  readonly #perLink = new Map<string, Partial<LinkFaults>>();
  readonly #cut = new Set<string>();
  readonly #isolated = new Set<string>();
  #groupOf: ReadonlyMap<string, number> | undefined;

  constructor(faults: Partial<LinkFaults> = {}) {
    this.#everywhere = checked({ ...NO_FAULTS, ...faults });
  }

  /** Changes some of the faults of all links, or of the one link from `from` to `to`. */
  change(faults: Partial<LinkFaults>, link?: { readonly from: string; readonly to: string }): void {
    if (link === undefined) {
      this.#everywhere = checked({ ...this.#everywhere, ...faults });
      return;
    }
    const name = linkName(link.from, link.to);
    const changed = { ...this.#perLink.get(name), ...faults };
    checked({ ...this.#everywhere, ...changed });
    this.#perLink.set(name, changed);
  }

  /** The faults of one link. */
  faults(from: string, to: string): LinkFaults {
    if (this.#perLink.size === 0) return this.#everywhere;
    const own = this.#perLink.get(linkName(from, to));
    return own === undefined ? this.#everywhere : { ...this.#everywhere, ...own };
  }

  /** Splits the hosts: only those of one group reach each other. Hosts that are not named form one more group. */
  partition(groups: readonly (readonly string[])[]): void {
    this.#groupOf = new Map(
      groups.flatMap((group, index) => group.map((label): [string, number] => [label, index])),
    );
  }

  /** Cuts one host off from all others, in both directions. */
  isolate(label: string): void {
    this.#isolated.add(label);
  }

  /** Lets everything from one host to another vanish; the way back stays open. */
  cut(from: string, to: string): void {
    this.#cut.add(linkName(from, to));
  }

  /** Whether anything can pass from one host to another. */
  passable(from: string, to: string): boolean {
    if (this.#cut.size > 0 && this.#cut.has(linkName(from, to))) return false;
    if (this.#isolated.size > 0 && (this.#isolated.has(from) || this.#isolated.has(to))) return from === to;
    return this.#groupOf === undefined || this.#groupOf.get(from) === this.#groupOf.get(to);
  }

  /** Ends every partition; loss, doubling, delay and reordering stay. */
  rejoin(): void {
    this.#cut.clear();
    this.#isolated.clear();
    this.#groupOf = undefined;
  }

  /** Ends every partition and every fault. */
  heal(): void {
    this.rejoin();
    this.#perLink.clear();
    this.#everywhere = NO_FAULTS;
  }
}

// JSON keeps two labels apart whatever characters they hold.
function linkName(from: string, to: string): string {
  return JSON.stringify([from, to]);
}

function checked(faults: LinkFaults): LinkFaults {
  for (const name of ["loss", "duplicate", "reorder"] as const) {
    if (!(faults[name] >= 0 && faults[name] <= 1))
      throw new TypeError(`${name} is a probability from 0 to 1`);
  }
  const { min, max } = faults.delay;
  if (!(min >= 0 && max >= min && faults.reorderMs >= 0))
    throw new TypeError("a delay is 0 or more, min first");
  return faults;
}
