/**
 * What differs between two data sets, each of which comes in the order of SCAN's cursors: as they go along side by
 * side only what one of them has not come to yet has to be remembered, and of that only a digest.
 */
import { createHash } from "node:crypto";
import { ALL_CURSORS, type DumpEntry, type DumpKeys } from "./format.ts";
import { parsed } from "./put-keys.ts";

/** What is compared of a key. */
export interface Summary {
  readonly type: string;
  readonly expiresAt: number;
  /** Over the content, whatever the order of a set's members. */
  readonly digest: string;
}

/** A key that is not the same in both; `undefined` where it is not there. */
export interface Pair {
  readonly key: string;
  readonly first: Summary | undefined;
  readonly second: Summary | undefined;
}

export type Difference = "only-first" | "only-second" | "type" | "value" | "ttl";

/** What has been compared by now. */
export interface Compared {
  readonly pairs: readonly Pair[];
  /** Keys that are the same, since the beginning. */
  readonly same: number;
  /** Cursors that both have gone over. */
  readonly position: number;
}

interface Side {
  readonly parts: AsyncIterator<DumpKeys>;
  position: number;
  /** What the other one has not had, by key, with the cursor below which it is. */
  readonly unmatched: Map<string, { summary: Summary; below: number }>;
  /** Those of a step that has not come to its end: how far they go is not known yet. */
  fresh: string[];
}

/** How a key differs; `undefined` where it does not. */
export function differenceOf({ first, second }: Pick<Pair, "first" | "second">): Difference | undefined {
  if (first === undefined || second === undefined)
    return first === second ? undefined : second === undefined ? "only-first" : "only-second";
  if (first.type !== second.type) return "type";
  if (first.digest !== second.digest) return "value";
  return first.expiresAt === second.expiresAt ? undefined : "ttl";
}

/** Throws `DUMP_REFUSED` where what is held is damaged. */
export function summaryOf(entry: DumpEntry): Summary {
  const { type, values } = parsed(entry);
  const ordered = type === "set" ? [...values].sort(Buffer.compare) : values;
  const hash = createHash("sha256");
  for (const value of ordered) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    hash.update(length).update(value);
  }
  return { type, expiresAt: entry.expiresAt, digest: hash.digest("base64") };
}

/** Goes over both, and tells after each step what has been found to differ. Rejects as they do. */
export async function* compare(
  first: AsyncIterable<DumpKeys>,
  second: AsyncIterable<DumpKeys>,
): AsyncGenerator<Compared> {
  const sides = [begun(first), begun(second)] as const;
  const [one, two] = sides;
  let same = 0;
  while (one.position < ALL_CURSORS || two.position < ALL_CURSORS) {
    const [ahead, behind] = one.position <= two.position ? [two, one] : [one, two];
    const step = await behind.parts.next();
    const part: DumpKeys = step.done ? { position: ALL_CURSORS, entries: [] } : step.value;
    const pairs: Pair[] = [];
    for (const entry of part.entries) {
      const summary = summaryOf(entry);
      const other = ahead.unmatched.get(entry.key);
      if (other === undefined) {
        behind.unmatched.set(entry.key, { summary, below: Number.POSITIVE_INFINITY });
        behind.fresh.push(entry.key);
        continue;
      }
      ahead.unmatched.delete(entry.key);
      const [mine, theirs] = behind === one ? [summary, other.summary] : [other.summary, summary];
      if (differenceOf({ first: mine, second: theirs }) === undefined) same++;
      else pairs.push({ key: entry.key, first: mine, second: theirs });
    }
    if (part.position > behind.position) settle(behind, part.position);
    for (const key of overdue(one, two.position))
      pairs.push({ key, first: taken(one, key), second: undefined });
    for (const key of overdue(two, one.position))
      pairs.push({ key, first: undefined, second: taken(two, key) });
    yield { pairs, same, position: Math.min(one.position, two.position) };
  }
}

function begun(parts: AsyncIterable<DumpKeys>): Side {
  return { parts: parts[Symbol.asyncIterator](), position: 0, unmatched: new Map(), fresh: [] };
}

/** A step has come to its end: all of it lies below where the next one begins. */
function settle(side: Side, position: number): void {
  side.position = position;
  for (const key of side.fresh) {
    const unmatched = side.unmatched.get(key);
    if (unmatched !== undefined) unmatched.below = position;
  }
  side.fresh = [];
}

/** Keys that the other one would have had by now. */
function overdue({ unmatched }: Side, position: number): string[] {
  return Array.from(unmatched)
    .filter(([, { below }]) => below <= position)
    .map(([key]) => key);
}

function taken({ unmatched }: Side, key: string): Summary {
  const { summary } = unmatched.get(key)!;
  unmatched.delete(key);
  return summary;
}
