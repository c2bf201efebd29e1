/**
 * What each operation writes: from what this host sees of a key to the events that do it. An event names
 * exactly what its writer had seen; that is what makes concurrent writes come out the same everywhere
 * (the table in `docs/ARCHITECTURE.md`, "Operations and concurrent outcomes").
 *
 * Every write also removes what it found on the key and no reader can see: expired entries, losing
 * siblings, what a concurrent write of another type hides.
 */
import type { VersionVector } from "../causality/version-vector.ts";
import { TidemarkError } from "../errors.ts";
import { isLive } from "./counter-cell.ts";
import type { Entry, ValueEntry } from "./entry.ts";
import type { CounterReset, EventBody, NewEntry } from "./event.ts";
import type { KeyState, View } from "./key-state.ts";
import { addIntegers, inInt64, parseInteger } from "./values.ts";

/** What an operation is decided on. */
export interface Seen {
  readonly key: string;
  /** `undefined`: nothing is stored. */
  readonly state: KeyState | undefined;
  readonly view: View | undefined;
  /** Fleet time, milliseconds since 1970. */
  readonly now: number;
  /** This host's own origin. */
  readonly self: number;
  /** Deadline of a key created now; `Infinity` for none. */
  readonly newDeadline: number;
  /** What was let go here, if something of the key may be among it: a write that begins the key names it. */
  readonly evicted: VersionVector | null;
}

/** Looks at a key for an operation on one type; throws `WRONG_TYPE` if it holds another. */
export function expectType(seen: Seen, type: View["type"]): void {
  if (seen.view === undefined || seen.view.type === type) return;
  throw new TidemarkError(
    "WRONG_TYPE",
    `"${seen.key}" holds a ${seen.view.type}, this operation needs a ${type}; delete the key first or use another`,
  );
}

/** Removes all that is stored under a key. */
export function deleteKey(seen: Seen): EventBody {
  return { key: seen.key, ...everything(seen.state), evicted: seen.evicted };
}

/** Replaces all that is stored under a key by a value. */
export function setValue(seen: Seen, entry: NewEntry): EventBody {
  const { key, state, evicted } = seen;
  return { key, ...everything(state), evicted, add: entry };
}

/** Adds to a counter; answers its new value too. */
export function increment(seen: Seen, delta: number | bigint): { body: EventBody; value: number | bigint } {
  expectType(seen, "string");
  const current = currentInteger(seen);
  const value = addIntegers(current, delta);
  if (!inInt64(value)) {
    throw new TidemarkError(
      "OUT_OF_RANGE",
      `incrementing "${seen.key}" would leave the range of 64-bit integers`,
    );
  }
  const { state, view } = seen;
  if (state === undefined || view === undefined) {
    const add = seen.newDeadline === NEVER ? null : keyDeadline(seen.newDeadline);
    return {
      body: {
        key: seen.key,
        ...everything(state),
        add,
        increment: { segment: 0, before: 0, total: delta },
      },
      value,
    };
  }
  const winner = state.winner(seen.now);
  const open = state.deadline() > seen.now;
  const hidden = hiddenEntries(state, winner, open ? "counter" : "value");
  const resets = open ? null : state.resets();
  const cell = open ? state.liveCellOf(seen.self) : undefined;
  const own = winner === undefined ? NEVER : state.deadlineOf(winner);
  let add: NewEntry | null = null;
  if (own !== NEVER && (!open || state.deadline() !== own)) {
    add = keyDeadline(own);
    for (const mark of state.deadlines) if (open && mark.targetSeq === 0) hidden.push(mark);
  }
  const total = addIntegers(cell?.total ?? 0, delta);
  return {
    body: {
      key: seen.key,
      removes: dotsOf(hidden),
      resets,
      add,
      increment: {
        segment: cell?.segment ?? 0,
        before: cell?.total ?? 0,
        total,
        onValue: winner !== undefined,
      },
    },
    value,
  };
}

/** Gives a key a deadline, `Infinity` to take it away. Replaces the deadlines it saw. */
export function setDeadline(seen: Seen, at: number): EventBody[] {
  const state = seen.state!;
  const view = seen.view!;
  const winner = state.winner(seen.now);
  if (winner === undefined) {
    const removes = hiddenEntries(state, undefined, view.type === "string" ? "counter" : view.type);
    for (const mark of state.deadlines) if (mark.targetSeq === 0) removes.push(mark);
    return [{ key: seen.key, removes: dotsOf(removes), add: keyDeadline(at) }];
  }
  const open = state.deadline() > seen.now;
  const removes = hiddenEntries(state, winner, open ? "counter" : "value");
  for (const mark of state.deadlines) {
    if (mark.targetSeq === winner.seq && mark.targetOrigin === winner.origin) removes.push(mark);
  }
  const mark: NewEntry = { kind: "deadline", at, targetOrigin: winner.origin, targetSeq: winner.seq };
  const events: EventBody[] = [
    { key: seen.key, removes: dotsOf(removes), resets: open ? null : state.resets(), add: mark },
  ];
  if (open && state.cells.some(isLive)) {
    const marks = state.deadlines.filter((entry) => entry.targetSeq === 0);
    events.push({ key: seen.key, removes: dotsOf(marks), add: keyDeadline(at) });
  }
  return events;
}

/** Events that add entries to a set or list, the first of them also clearing what no reader sees. */
export function addToCollection(
  seen: Seen,
  type: "set" | "list",
  additions: readonly { readonly entry: NewEntry; readonly replaces: readonly Entry[] }[],
): EventBody[] {
  const { state, view, key, evicted } = seen;
  const events: EventBody[] = [];
  if (view === undefined) {
    const first = additions[0]!;
    events.push({ key, ...everything(state), evicted, add: first.entry });
  }
  const hidden = view === undefined ? [] : hiddenEntries(state!, undefined, type);
  for (let index = events.length; index < additions.length; index++) {
    const { entry, replaces } = additions[index]!;
    const doomed = index === 0 && hidden.length > 0 ? [...hidden, ...replaces] : replaces;
    events.push({ key, removes: dotsOf(doomed), add: entry });
  }
  if (view === undefined && seen.newDeadline !== NEVER)
    events.push({ key, add: keyDeadline(seen.newDeadline) });
  return events;
}

/** Removes members or elements; with the last of them the key's deadline goes too. */
export function removeFromCollection(
  seen: Seen,
  entries: readonly Entry[],
  leavesNothing: boolean,
): EventBody {
  const removes = [
    ...hiddenEntries(seen.state!, undefined, seen.view!.type === "set" ? "set" : "list"),
    ...entries,
  ];
  if (leavesNothing) for (const mark of seen.state!.deadlines) if (mark.targetSeq === 0) removes.push(mark);
  return { key: seen.key, removes: dotsOf(removes) };
}

/** The integer a counter operation starts from; throws `NOT_AN_INTEGER`. */
function currentInteger(seen: Seen): number | bigint {
  if (seen.view === undefined || seen.view.type !== "string") return 0;
  const { value } = seen.view;
  const integer = typeof value === "number" || typeof value === "bigint" ? value : parseInteger(value);
  if (integer !== undefined) return integer;
  throw new TidemarkError(
    "NOT_AN_INTEGER",
    `"${seen.key}" holds no 64-bit decimal integer; set it to one first`,
  );
}

const NEVER = Number.POSITIVE_INFINITY;

function everything(state: KeyState | undefined): { removesUpTo?: number[]; resets?: CounterReset[] } {
  return state === undefined ? {} : { removesUpTo: state.highestSeqs(), resets: state.resets() };
}

function keyDeadline(at: number): NewEntry {
  return { kind: "deadline", at, targetOrigin: 0, targetSeq: 0 };
}

/**
 * What is stored but plays no part in what a reader sees: values other than the winner, and the
 * collections that the shown type hides. `shown` "value": the winner alone, all else on the key expired.
 */
function hiddenEntries(
  state: KeyState,
  winner: ValueEntry | undefined,
  shown: "value" | "counter" | "set" | "list",
): Entry[] {
  const hidden: Entry[] = state.values.filter((entry) => entry !== winner);
  if (shown === "value") for (const mark of state.deadlines) if (mark.targetSeq === 0) hidden.push(mark);
  if (shown !== "set" && state.members !== null)
    for (const same of state.members.values()) hidden.push(...same);
  if (shown !== "list" && state.elements !== null) {
    for (let i = 0; i < state.elements.length; i++) hidden.push(state.elements.at(i)!);
  }
  return hidden;
}

function dotsOf(entries: readonly Entry[]): number[] | null {
  if (entries.length === 0) return null;
  const dots: number[] = [];
  for (const { origin, seq } of entries) dots.push(origin, seq);
  return dots;
}
