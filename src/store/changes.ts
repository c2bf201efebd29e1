/**
 * What a reader saw of a key before and after: turned into a change for watchers. Only computed for keys
 * that somebody watches.
 */
import type { ElementEntry, Entry, MemberEntry, Value } from "../crdt/entry.ts";
import type { KeyState, View } from "../crdt/key-state.ts";
import { memberKey, sameValue } from "../crdt/values.ts";

/** A change of what a reader sees of a key, whatever caused it. */
export interface StoreChange {
  readonly type: "set" | "delete" | "expire" | "evict";
  readonly key: string;
  readonly kind: View["type"];
  /** The type before, where it was another. */
  readonly was?: View["type"] | undefined;
  readonly value: Value | undefined;
  readonly previous: Value | undefined;
  readonly added: readonly Value[];
  readonly removed: readonly Value[];
  /** The writer's origin index and stamp; 0 and 0 when no event caused it. */
  readonly origin: number;
  readonly stamp: number;
}

/** What a reader sees of a key at one moment. */
export interface Sight {
  readonly type: View["type"] | undefined;
  readonly value: Value | undefined;
  /** Of a set one entry per member, of a list all elements; `undefined` if it was not asked for. */
  readonly contents: readonly (MemberEntry | ElementEntry)[] | undefined;
}

export const NOTHING_SEEN: Sight = { type: undefined, value: undefined, contents: [] };

/** Entries that one event took away and brought. */
export interface EntryDelta {
  readonly removed: Entry[];
  readonly added: Entry[];
}

export function sightOf(view: View | undefined, withContents: boolean): Sight {
  if (view === undefined) return NOTHING_SEEN;
  if (view.type === "string") return { type: "string", value: asValue(view.value), contents: [] };
  return { type: view.type, value: undefined, contents: withContents ? contentsOf(view) : undefined };
}

/** A counter as text. */
export function asValue(value: Value | number | bigint): Value {
  return typeof value === "number" || typeof value === "bigint" ? String(value) : value;
}

/** The difference of two sights, or `undefined` where a reader sees none. */
export function changeBetween(
  before: Sight,
  after: Sight,
  key: string,
  origin: number,
  stamp: number,
  goneType: "delete" | "expire" | "evict" = "delete",
): StoreChange | undefined {
  if (before.type === undefined && after.type === undefined) return undefined;
  const same = before.type === after.type;
  if (same && after.type === "string" && sameValue(before.value!, after.value!)) return undefined;
  const added = same ? without(after.contents!, before.contents!) : after.contents!;
  const removed = same ? without(before.contents!, after.contents!) : before.contents!;
  if (same && after.type !== "string" && added.length === 0 && removed.length === 0) return undefined;
  return {
    type: after.type === undefined ? goneType : "set",
    key,
    kind: after.type ?? before.type!,
    ...(same || after.type === undefined || before.type === undefined ? {} : { was: before.type }),
    value: after.value,
    previous: before.value,
    added: added.map((entry) => entry.value),
    removed: removed.map((entry) => entry.value),
    origin,
    stamp,
  };
}

/** As `changeBetween` for an event that only touched members or elements of a shown collection. */
export function changeOfCollection(
  state: KeyState,
  kind: "set" | "list",
  delta: EntryDelta,
  key: string,
  origin: number,
  stamp: number,
): StoreChange | undefined {
  let added = valuesOf(delta.added, kind);
  let removed = valuesOf(delta.removed, kind);
  if (kind === "set") {
    const readded = new Set(removed.map(memberKey));
    added = added.filter(
      (member) => !readded.has(memberKey(member)) && state.memberEntries(member).length === 1,
    );
    removed = distinct(removed).filter((member) => state.memberEntries(member).length === 0);
  }
  if (added.length === 0 && removed.length === 0) return undefined;
  return { type: "set", key, kind, value: undefined, previous: undefined, added, removed, origin, stamp };
}

/**
 * A collection seen without its contents, completed for the rare event that changed its type after all: what
 * went with the event, and what is still there and hidden, as when the event took a longer deadline away.
 */
export function completed(before: Sight, delta: EntryDelta, after: KeyState): Sight {
  if (before.contents !== undefined || (before.type !== "set" && before.type !== "list")) return before;
  const hidden = [...after.entries()].filter((entry) => !delta.added.includes(entry));
  const gone = entriesOf([...delta.removed, ...hidden], before.type);
  if (before.type === "list") return { ...before, contents: gone };
  // Two hosts may have added one member.
  return { ...before, contents: [...new Map(gone.map((entry) => [memberKey(entry.value), entry])).values()] };
}

function contentsOf(view: View & { type: "set" | "list" }): (MemberEntry | ElementEntry)[] {
  if (view.type === "set") return [...view.state.members!.values()].map((same) => same[0]!);
  const elements = view.state.elements!;
  return Array.from({ length: elements.length }, (_, index) => elements.at(index)!);
}

function without(
  these: readonly (MemberEntry | ElementEntry)[],
  those: readonly (MemberEntry | ElementEntry)[],
): (MemberEntry | ElementEntry)[] {
  if (those.length === 0) return [...these];
  const identities = new Set(those.map(identity));
  return these.filter((entry) => !identities.has(identity(entry)));
}

function identity(entry: MemberEntry | ElementEntry): string {
  return entry.kind === "member" ? memberKey(entry.value) : `${entry.origin}:${entry.seq}`;
}

function valuesOf(entries: readonly Entry[], kind: "set" | "list"): Value[] {
  return entriesOf(entries, kind).map((entry) => entry.value);
}

function entriesOf(entries: readonly Entry[], kind: "set" | "list"): (MemberEntry | ElementEntry)[] {
  const wanted = kind === "set" ? "member" : "element";
  return entries.filter((entry): entry is MemberEntry | ElementEntry => entry.kind === wanted);
}

function distinct(values: readonly Value[]): Value[] {
  const seen = new Set<string>();
  return values.filter((value) => {
    const key = memberKey(value);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
