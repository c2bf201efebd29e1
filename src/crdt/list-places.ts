/**
 * Where an element goes that is put between two others. Two hosts may have given the same place to two
 * elements at once; then their order hangs on the names of the hosts, nothing fits between them, and those
 * behind are moved a little: removed and added again, in the same events.
 */
import type { ElementEntry, Value } from "./entry.ts";
import type { NewEntry } from "./event.ts";
import { fractionBetween } from "./fraction.ts";

/** The live elements of a list in order; `ElementList` fits. */
export interface OrderedElements {
  readonly length: number;
  at(index: number): ElementEntry | undefined;
}

/** An addition, and the entries it takes the place of. */
export interface Placement {
  readonly entry: NewEntry;
  readonly replaces: readonly ElementEntry[];
}

/** Puts `value` between the elements at `left` and `left + 1`; both must exist. */
export function insertBetween(elements: OrderedElements, left: number, value: Value): Placement[] {
  return place(elements, elements.at(left)!, left + 1, value, []);
}

/** Puts `value` in place of the element at `index`; `undefined` where that is an end and its place is shared. */
export function replaceAt(elements: OrderedElements, index: number, value: Value): Placement[] | undefined {
  const old = elements.at(index)!;
  const left = elements.at(index - 1);
  const right = elements.at(index + 1);
  const shared =
    (left !== undefined && samePlace(left, old)) || (right !== undefined && samePlace(right, old));
  if (!shared) return [{ entry: elementAt(old.position, old.fraction, value), replaces: [old] }];
  if (left === undefined || right === undefined) return undefined;
  return place(elements, left, index + 1, value, [old]);
}

/** Behind `left`, before the element at `next`, moving those that share the place of `left`. */
function place(
  elements: OrderedElements,
  left: ElementEntry,
  next: number,
  value: Value,
  replaces: readonly ElementEntry[],
): Placement[] {
  const moved: ElementEntry[] = [];
  let index = next;
  while (index < elements.length && samePlace(left, elements.at(index)!)) moved.push(elements.at(index++)!);
  const limit = elements.at(index);
  const high = limit !== undefined && limit.position === left.position ? limit.fraction : undefined;
  let fraction = fractionBetween(left.fraction, high);
  const placements: Placement[] = [{ entry: elementAt(left.position, fraction, value), replaces }];
  for (const element of moved) {
    fraction = fractionBetween(fraction, high);
    placements.push({ entry: elementAt(left.position, fraction, element.value), replaces: [element] });
  }
  return placements;
}

function samePlace(left: ElementEntry, right: ElementEntry): boolean {
  return left.position === right.position && left.fraction === right.fraction;
}

function elementAt(position: number, fraction: string, value: Value): NewEntry {
  return { kind: "element", position, fraction, value };
}
