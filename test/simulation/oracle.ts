/**
 * The independent oracle: what a host must hold once it has applied a set of events, and what a reader of
 * it must see. Written from the protocol alone, as a function of the set: everything the events add,
 * minus everything they name. It knows nothing of the order in which they came, of the store or of the
 * network, and is meant to be read, not to be fast.
 */
import type { Value } from "../../src/crdt/entry.ts";
import type { RecordedDot, RecordedEntry, RecordedEvent } from "./recorded.ts";

/** What was added and not removed. */
export type LiveEntry = RecordedEntry & RecordedDot & { readonly stamp: number };

/** A segment of one origin's counter with something in it that nobody has reset. */
export interface LiveCell {
  readonly origin: string;
  readonly segment: number;
  readonly high: number;
  readonly total: bigint;
  readonly resetUpTo: number;
  readonly resetTotal: bigint;
}

/** Everything a key physically holds, what is expired or hidden included. */
export interface KeyState {
  readonly entries: readonly LiveEntry[];
  readonly cells: readonly LiveCell[];
}

/** What a reader sees of a key. A counter is a string. */
export type KeyView =
  | {
      readonly type: "string";
      readonly value: Value;
      /** `undefined` for a register with counter cells on it, of which each has its own. */
      readonly deadline: number | undefined;
    }
  | { readonly type: "set"; readonly members: readonly Value[]; readonly deadline: number }
  | { readonly type: "list"; readonly elements: readonly Value[]; readonly deadline: number };

const NOTHING: KeyState = { entries: [], cells: [] };

/**
 * The state after exactly the events that a version vector covers. Keys that hold nothing are absent.
 * `events` are all events of the run, in any order.
 */
export function stateAt(
  events: Iterable<RecordedEvent>,
  vector: ReadonlyMap<string, number>,
): Map<string, KeyState> {
  const covers = (dot: RecordedDot): boolean => dot.seq <= (vector.get(dot.origin) ?? 0);
  const applied = [...events].filter(covers);
  const clears = applied.flatMap(({ clear }) => clear ?? []);
  const sweeps = applied.flatMap(({ sweep }) => sweep ?? []);
  const state = new Map<string, KeyState>();
  for (const [key, ofKey] of groupByKey(applied)) {
    const clearsOfKey = clears.filter(({ prefix }) => key.startsWith(prefix));
    const entries = liveEntries(ofKey, clearsOfKey, sweeps, covers);
    const cells = liveCells(ofKey);
    if (entries.length > 0 || cells.length > 0) state.set(key, { entries, cells });
  }
  return state;
}

function groupByKey(events: readonly RecordedEvent[]): Map<string, RecordedEvent[]> {
  const groups = new Map<string, RecordedEvent[]>();
  for (const event of events) {
    if (event.sweep !== null || event.clear !== null) continue;
    const group = groups.get(event.key);
    if (group === undefined) groups.set(event.key, [event]);
    else group.push(event);
  }
  return groups;
}

/** Everything added to one key minus everything that some event names. */
function liveEntries(
  events: readonly RecordedEvent[],
  clears: readonly NonNullable<RecordedEvent["clear"]>[],
  sweeps: readonly NonNullable<RecordedEvent["sweep"]>[],
  covers: (dot: RecordedDot) => boolean,
): LiveEntry[] {
  const namedExactly = new Set<string>();
  const namedUpTo = new Map<string, number>();
  const nameUpTo = (origin: string, seq: number): void => {
    namedUpTo.set(origin, Math.max(seq, namedUpTo.get(origin) ?? 0));
  };
  for (const event of events) {
    for (const dot of event.removes) namedExactly.add(dotName(dot));
    for (const { origin, seq } of event.removesUpTo) nameUpTo(origin, seq);
  }
  for (const { vector } of clears) for (const [origin, seq] of vector) nameUpTo(origin, seq);

  const unnamed = events.flatMap(({ origin, seq, stamp, add }): LiveEntry[] => {
    if (add === null) return [];
    // What is owed to the upstream is owed whatever becomes of the key: it goes by name only.
    if (add.kind !== "commit" && seq <= (namedUpTo.get(origin) ?? 0)) return [];
    const entry: LiveEntry = { ...add, origin, seq, stamp };
    return namedExactly.has(dotName(entry)) || sweeps.some((sweep) => sweptBy(sweep, entry)) ? [] : [entry];
  });

  // A mark with a target goes with it, and waits for it as long as it has not arrived.
  const targets = new Set(unnamed.filter(({ kind }) => kind === "value").map(dotName));
  return unnamed.filter((entry) => {
    if (entry.kind !== "deadline" || entry.target === null) return true;
    return targets.has(dotName(entry.target)) || !covers(entry.target);
  });
}

function sweptBy(sweep: NonNullable<RecordedEvent["sweep"]>, entry: LiveEntry): boolean {
  if (entry.kind !== "value" || entry.origin !== sweep.origin || entry.seq > sweep.upTo) return false;
  return entry.deadline >= sweep.from && entry.deadline <= sweep.to && !sweep.except.has(entry.seq);
}

/**
 * The segments of a key with increments beyond their resets. What was counted and what was reset are each
 * the greatest report of one writer's running total.
 */
function liveCells(events: readonly RecordedEvent[]): LiveCell[] {
  const cells = new Map<string, { -readonly [Field in keyof LiveCell]: LiveCell[Field] }>();
  const cellOf = (origin: string, segment: number) => {
    const name = dotName({ origin, seq: segment });
    let cell = cells.get(name);
    if (cell === undefined) {
      // Nothing counted, everything before the segment reset.
      cell = { origin, segment, high: segment - 1, total: 0n, resetUpTo: segment - 1, resetTotal: 0n };
      cells.set(name, cell);
    }
    return cell;
  };
  for (const { origin, seq, increment, resets } of events) {
    if (increment !== null) {
      const cell = cellOf(origin, increment.segment);
      if (seq > cell.high) Object.assign(cell, { high: seq, total: increment.total });
    }
    for (const reset of resets) {
      const cell = cellOf(reset.origin, reset.segment);
      if (reset.upTo > cell.resetUpTo) {
        Object.assign(cell, { resetUpTo: reset.upTo, resetTotal: reset.total });
      }
      if (reset.upTo > cell.high) Object.assign(cell, { high: reset.upTo, total: reset.total });
    }
  }
  return [...cells.values()].filter(({ resetUpTo, high }) => resetUpTo < high);
}

/** What a reader sees at a moment of fleet time; `undefined` if nothing. */
export function viewAt(state: KeyState = NOTHING, now: number): KeyView | undefined {
  const { entries, cells } = state;
  const winner = winnerAt(entries, now);
  // All that is no register shares the longest deadline of the key.
  const marks = entries.flatMap((entry) =>
    entry.kind === "deadline" && entry.target === null ? [entry.at] : [],
  );
  const deadline = marks.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...marks);
  const shown = deadline > now;

  const text = winner?.entry.value;
  const integer = text === undefined ? 0n : integerOf(text);
  if (shown && cells.length > 0 && integer !== undefined) {
    const sum = cells.reduce((total, cell) => total + cell.total - cell.resetTotal, integer);
    return { type: "string", value: String(sum), deadline: winner === undefined ? deadline : undefined };
  }
  if (winner !== undefined) return { type: "string", value: winner.entry.value, deadline: winner.deadline };
  if (!shown) return undefined;

  const members = distinct(entries.flatMap((entry) => (entry.kind === "member" ? [entry.value] : [])));
  if (members.length > 0) return { type: "set", members, deadline };
  const elements = entries.filter((entry) => entry.kind === "element").sort(byPlace);
  if (elements.length > 0) return { type: "list", elements: elements.map(({ value }) => value), deadline };
  return undefined;
}

type ValueEntry = Extract<LiveEntry, { kind: "value" }>;

/** The last writer's value among those that are not expired, and its deadline. */
function winnerAt(
  entries: readonly LiveEntry[],
  now: number,
): { entry: ValueEntry; deadline: number } | undefined {
  let winner: { entry: ValueEntry; deadline: number } | undefined;
  for (const entry of entries) {
    if (entry.kind !== "value") continue;
    const deadline = deadlineOf(entry, entries);
    if (deadline > now && (winner === undefined || beats(entry, winner.entry))) winner = { entry, deadline };
  }
  return winner;
}

/** The longest of the marks that belong to a value, else its own. */
function deadlineOf(value: ValueEntry, entries: readonly LiveEntry[]): number {
  const marks = entries.flatMap((entry) => {
    const marksIt = entry.kind === "deadline" && entry.target?.origin === value.origin;
    return marksIt && entry.target?.seq === value.seq ? [entry.at] : [];
  });
  return marks.length === 0 ? value.deadline : Math.max(...marks);
}

function beats(left: ValueEntry, right: ValueEntry): boolean {
  if (left.loaded !== right.loaded) return right.loaded;
  if (left.stamp !== right.stamp) return left.stamp > right.stamp;
  if (left.origin !== right.origin) return left.origin > right.origin;
  return left.seq > right.seq;
}

type ElementEntry = Extract<LiveEntry, { kind: "element" }>;

function byPlace(left: ElementEntry, right: ElementEntry): number {
  if (left.position !== right.position) return left.position - right.position;
  if (left.fraction !== right.fraction) return left.fraction < right.fraction ? -1 : 1;
  if (left.origin !== right.origin) return left.origin < right.origin ? -1 : 1;
  return left.seq - right.seq;
}

function distinct(values: readonly Value[]): Value[] {
  return [...new Map(values.map((value) => [valueName(value), value])).values()];
}

/** One string per value: text is JSON, bytes are hexadecimal behind `0x`. */
export function valueName(value: Value): string {
  return typeof value === "string" ? JSON.stringify(value) : `0x${Buffer.from(value).toString("hex")}`;
}

function dotName({ origin, seq }: RecordedDot): string {
  return `${origin}/${seq}`;
}

/** The 64-bit integer that a value spells as Redis would print it. */
function integerOf(value: Value): bigint | undefined {
  if (typeof value !== "string" || !/^(0|-?[1-9][0-9]{0,18})$/.test(value)) return undefined;
  const integer = BigInt(value);
  return integer === BigInt.asIntN(64, integer) ? integer : undefined;
}
