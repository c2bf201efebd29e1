/**
 * A reader of changes: keeps, from nothing but what `watch` tells, a copy of what its host shows. Of a
 * list it knows the elements and not their order, which changes do not tell.
 */
import type { Host } from "../../src/host.ts";
import type { Change, KeyChange } from "../../src/watch.ts";
import { SimulationFailure } from "./checks.ts";
import { readContent } from "./model.ts";
import { valueName } from "./oracle.ts";

/** What a key holds by name: a string's value, or how often each member or element is there. */
interface Copy {
  readonly kind: KeyChange["kind"];
  value: string;
  readonly counts: Map<string, number>;
}

/** Follows one host until that is gone. */
export class Watcher {
  readonly host: Host;
  readonly #copies = new Map<string, Copy>();
  #changes = 0;
  #failure: unknown;

  /** `buffer`: of how many keys the changes are kept before they are folded. */
  constructor(host: Host, buffer: number) {
    this.host = host;
    this.#follow(host.watch({ buffer })).catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** How many changes were heard. */
  get changes(): number {
    return this.#changes;
  }

  /** Where the copy differs from what the host shows; `undefined` if nowhere. */
  difference(): string | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    for (const key of new Set([...this.#copies.keys(), ...this.host.keys()])) {
      const shown = shownName(this.host, key);
      const copy = this.#copies.get(key);
      const heard = copy === undefined ? "nothing" : copyName(copy);
      if (shown !== heard)
        return `${this.host.node} shows at ${JSON.stringify(key)} ${shown}, watchers heard ${heard}`;
    }
    return undefined;
  }

  async #follow(changes: AsyncIterable<Change>): Promise<void> {
    for await (const change of changes) {
      this.#changes++;
      if (change.type !== "synced") this.#take(change);
    }
  }

  #take(change: KeyChange): void {
    const { key, kind } = change;
    if (change.type !== "set") {
      // It may have come and gone within what a slow reader was spared.
      const excused = change.folded > 0;
      if (!this.#copies.delete(key) && !excused) this.#fail(change, "goes, and was not there");
      return;
    }
    let copy = this.#copies.get(key);
    if (copy?.kind !== kind) {
      copy = { kind, value: "", counts: new Map() };
      this.#copies.set(key, copy);
    } else for (const name of change.removed.map(valueName)) this.#count(copy, name, -1, change);
    for (const name of change.added.map(valueName)) this.#count(copy, name, 1, change);
    if (change.value !== undefined) copy.value = valueName(change.value);
  }

  #count(copy: Copy, name: string, by: number, change: KeyChange): void {
    const count = (copy.counts.get(name) ?? 0) + by;
    if (count < 0) this.#fail(change, `loses ${name}, and did not have it`);
    if (count > 1 && copy.kind === "set") this.#fail(change, `gains ${name}, and had it`);
    if (count === 0) copy.counts.delete(name);
    else copy.counts.set(name, count);
  }

  #fail(change: KeyChange, what: string): never {
    const key = change.key;
    throw new SimulationFailure("watch", `${this.host.node} tells that ${JSON.stringify(key)} ${what}`, {
      key,
    });
  }
}

function copyName({ kind, value, counts }: Copy): string {
  if (kind === "string") return `string ${value}`;
  return `${kind} ${[...counts]
    .map(([name, count]) => `${name} x ${count}`)
    .sort()
    .join(", ")}`;
}

function shownName(host: Host, key: string): string {
  const content = readContent(host, key);
  if (content === undefined) return "nothing";
  const counts = new Map<string, number>();
  if (content.type === "string") return copyName({ kind: "string", value: valueName(content.value), counts });
  for (const name of content.values.map(valueName)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return copyName({ kind: content.type, value: "", counts });
}
