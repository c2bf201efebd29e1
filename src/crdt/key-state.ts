/**
 * All that is stored under one key: value siblings, set members, list elements, deadlines, counter
 * segments. It knows how to take an entry in, let one go, and what a reader sees of it at a given time.
 * Digests, pending removals and watchers are the store's business.
 *
 * What a reader sees: a string or counter hides a set, a set hides a list (a `set` may overwrite any
 * type, so that is a legal serial order of concurrent writes). What is hidden stays, on every host
 * alike, until the next write on the key removes it.
 */
import type { Origins } from "../causality/origins.ts";
import { type CounterCell, cellValue, isLive, resetOf } from "./counter-cell.ts";
import { ElementList } from "./element-list.ts";
import type {
  CommitEntry,
  DeadlineEntry,
  ElementEntry,
  Entry,
  MemberEntry,
  Value,
  ValueEntry,
} from "./entry.ts";
import type { CounterReset } from "./event.ts";
import { addIntegers, memberKey, parseInteger, valueBytes } from "./values.ts";

/**
 * Bytes that V8 takes for a state, for what makes it a set or a list, for a counter segment, and for an entry
 * and the structures around it without its value (`npm run bench -- store memory`).
 */
const STATE_BYTES = 250;
const COLLECTION_BYTES = 480;
const CELL_BYTES = 196;
/** What finding a value by its own deadline takes besides, once it has a state (`store/timed-states.ts`). */
const TIMED_BYTES = 290;
const ENTRY_BYTES = { value: 266, deadline: 245, member: 190, element: 140, commit: 266 } as const;

const NEVER = Number.POSITIVE_INFINITY;

/** What a reader sees of a key. `deadline` is fleet time in milliseconds, `Infinity` for none. */
export type View =
  | { readonly type: "string"; readonly value: Value | number | bigint; readonly deadline: number }
  | { readonly type: "set"; readonly state: KeyState; readonly deadline: number }
  | { readonly type: "list"; readonly state: KeyState; readonly deadline: number };

export class KeyState {
  readonly #origins: Origins;
  readonly values: ValueEntry[] = [];
  readonly deadlines: DeadlineEntry[] = [];
  readonly cells: CounterCell[] = [];
  /** Commits that are due. They are nobody's content, and go only by name. */
  readonly commits: CommitEntry[] = [];
  /** By member; all concurrent additions of it. */
  members: Map<string, MemberEntry[]> | null = null;
  elements: ElementList | null = null;
  #entryBytes = 0;
  /** Fleet time up to which watchers know what expired here. */
  toldAt = 0;
  /**
   * Something of the key may have been let go for room here that stands elsewhere: what is left may be a part,
   * or a loser, and is shown to nobody until it has been replaced.
   */
  masked = false;
  /** Members and elements by dot. */
  #dots: Map<number, Map<number, MemberEntry | ElementEntry>> | null = null;

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  /** What it costs in memory, in bytes, estimated. */
  get bytes(): number {
    const collection = this.#dots === null ? 0 : COLLECTION_BYTES;
    return STATE_BYTES + collection + this.cells.length * CELL_BYTES + this.#entryBytes;
  }

  /** Whether nothing at all is stored, not even a closed segment. */
  get empty(): boolean {
    return (
      this.values.length === 0 &&
      this.deadlines.length === 0 &&
      this.cells.length === 0 &&
      this.commits.length === 0 &&
      this.#dots === null
    );
  }

  /** Whether it holds anything but deadlines and closed segments. */
  get hasContent(): boolean {
    return this.values.length > 0 || this.#dots !== null || this.cells.some(isLive);
  }

  /** Whether no reader will ever see anything of what is stored, whatever the time. */
  get hollow(): boolean {
    return this.masked || !this.hasContent;
  }

  /**
   * Whether it may be let go as a whole: values and their own deadlines, nothing else. Part of a set, a list
   * or a counter would be a wrong value.
   */
  get evictable(): boolean {
    if (this.values.length === 0 || this.cells.length > 0 || this.#dots !== null) return false;
    // Until the upstream has it, it is not to be had again from there.
    if (this.commits.length > 0) return false;
    return this.deadlines.every((mark) => this.find(mark.targetOrigin, mark.targetSeq) !== undefined);
  }

  /** The one value entry, if that is all there is. */
  get only(): ValueEntry | undefined {
    if (this.masked || this.commits.length > 0) return undefined;
    const plain = this.values.length === 1 && this.deadlines.length === 0 && this.cells.length === 0;
    return plain && this.#dots === null ? this.values[0] : undefined;
  }

  has(origin: number, seq: number): boolean {
    return this.find(origin, seq) !== undefined;
  }

  find(origin: number, seq: number): Entry | undefined {
    for (const entry of this.values) if (entry.origin === origin && entry.seq === seq) return entry;
    for (const entry of this.deadlines) if (entry.origin === origin && entry.seq === seq) return entry;
    for (const entry of this.commits) if (entry.origin === origin && entry.seq === seq) return entry;
    return this.#dots?.get(origin)?.get(seq);
  }

  *entries(): Generator<Entry> {
    yield* this.values;
    yield* this.deadlines;
    yield* this.commits;
    if (this.#dots !== null) for (const ofOrigin of this.#dots.values()) yield* ofOrigin.values();
  }

  insert(entry: Entry): void {
    this.#entryBytes += entryBytes(entry);
    switch (entry.kind) {
      case "value":
        this.values.push(entry);
        return;
      case "deadline":
        this.deadlines.push(entry);
        return;
      case "commit":
        this.commits.push(entry);
        return;
      case "member":
        this.#insertMember(entry);
        this.#index(entry);
        return;
      case "element":
        this.elements ??= new ElementList(this.#origins);
        this.elements.insert(entry);
        this.#index(entry);
        return;
      default:
        entry satisfies never;
    }
  }

  /** Takes one entry out; `undefined` if it is not here. Deadlines of a removed value are not touched. */
  remove(origin: number, seq: number): Entry | undefined {
    const entry = this.#take(origin, seq);
    if (entry !== undefined) this.#entryBytes -= entryBytes(entry);
    return entry;
  }

  #take(origin: number, seq: number): Entry | undefined {
    const found =
      takeDot<Entry>(this.values, origin, seq) ??
      takeDot<Entry>(this.deadlines, origin, seq) ??
      takeDot<Entry>(this.commits, origin, seq);
    if (found !== undefined) return found;
    const ofOrigin = this.#dots?.get(origin);
    const entry = ofOrigin?.get(seq);
    if (entry === undefined) return undefined;
    this.#unindex(entry);
    if (entry.kind === "member") this.#removeMember(entry);
    else {
      this.elements!.remove(entry);
      if (this.elements!.length === 0) this.elements = null;
    }
    return entry;
  }

  /** Takes out every entry of an origin with seq up to `upTo`, but for commits. */
  removeUpTo(origin: number, upTo: number): Entry[] {
    const removed: Entry[] = [];
    for (const entry of this.entries()) {
      if (entry.origin === origin && entry.seq <= upTo && entry.kind !== "commit") removed.push(entry);
    }
    for (const entry of removed) this.remove(entry.origin, entry.seq);
    return removed;
  }

  /** Takes out the deadlines of a value that is gone. */
  removeDeadlinesOf(origin: number, seq: number): DeadlineEntry[] {
    const removed = this.deadlines.filter((mark) => mark.targetSeq === seq && mark.targetOrigin === origin);
    for (const mark of removed) this.remove(mark.origin, mark.seq);
    return removed;
  }

  cell(origin: number, segment: number): CounterCell | undefined {
    for (const cell of this.cells) if (cell.origin === origin && cell.segment === segment) return cell;
    return undefined;
  }

  /** The live segment an origin may extend. */
  liveCellOf(origin: number): CounterCell | undefined {
    for (const cell of this.cells) if (cell.origin === origin && isLive(cell)) return cell;
    return undefined;
  }

  dropCell(cell: CounterCell): void {
    const index = this.cells.indexOf(cell);
    if (index >= 0) this.cells.splice(index, 1);
  }

  /** What a reader sees at `now`; `undefined`: the key is absent. */
  view(now: number): View | undefined {
    if (this.masked) return undefined;
    const common = this.deadline();
    const open = common > now;
    const winner = this.winner(now);
    const counting = open && this.cells.some(isLive);
    if (winner !== undefined) {
      const own = this.deadlineOf(winner);
      if (!counting) return { type: "string", value: winner.value, deadline: own };
      const start = parseInteger(winner.value);
      if (start === undefined) return { type: "string", value: winner.value, deadline: own };
      return { type: "string", value: this.#sum(start), deadline: Math.max(own, common) };
    }
    if (!open) return undefined;
    if (counting) return { type: "string", value: this.#sum(0), deadline: common };
    if (this.members !== null) return { type: "set", state: this, deadline: common };
    if (this.elements !== null) return { type: "list", state: this, deadline: common };
    return undefined;
  }

  /** The last writer among the values that have not expired. */
  winner(now: number): ValueEntry | undefined {
    let best: ValueEntry | undefined;
    for (const entry of this.values) {
      if (this.deadlineOf(entry) <= now) continue;
      if (best === undefined || this.#beats(entry, best)) best = entry;
    }
    return best;
  }

  /** When a value expires: the longest of its marks, else its own deadline. */
  deadlineOf(entry: ValueEntry): number {
    return this.markOf(entry)?.at ?? entry.deadline;
  }

  /** The mark that decides when a value expires; of equal ones the same on every host. */
  markOf(entry: ValueEntry): DeadlineEntry | undefined {
    return this.#longest(entry.origin, entry.seq);
  }

  /** The mark that decides when everything but the values expires. */
  keyMark(): DeadlineEntry | undefined {
    return this.#longest(0, 0);
  }

  #longest(targetOrigin: number, targetSeq: number): DeadlineEntry | undefined {
    let longest: DeadlineEntry | undefined;
    for (const mark of this.deadlines) {
      if (mark.targetSeq !== targetSeq || (targetSeq > 0 && mark.targetOrigin !== targetOrigin)) continue;
      if (longest === undefined || mark.at > longest.at) longest = mark;
      else if (mark.at === longest.at && this.#origins.compare(mark.origin, longest.origin) > 0)
        longest = mark;
    }
    return longest;
  }

  /** When everything but the values expires: the longest mark without a target, else never. */
  deadline(): number {
    return this.keyMark()?.at ?? NEVER;
  }

  /** The earliest instant after `time` at which the view may change by itself. */
  nextDeadline(time = -1): number {
    let next = NEVER;
    const consider = (deadline: number): void => {
      if (deadline > time && deadline < next) next = deadline;
    };
    if (this.cells.length > 0 || this.#dots !== null) consider(this.deadline());
    for (const entry of this.values) consider(this.deadlineOf(entry));
    return next;
  }

  /** What a write that replaces everything has to name: per origin the highest live seq, flat. */
  highestSeqs(): number[] {
    const highest = new Map<number, number>();
    for (const entry of this.entries()) {
      if (entry.kind !== "commit" && entry.seq > (highest.get(entry.origin) ?? 0))
        highest.set(entry.origin, entry.seq);
    }
    return [...highest].flat();
  }

  /** Resets of every live segment. */
  resets(): CounterReset[] {
    return this.cells.filter(isLive).map(resetOf);
  }

  memberEntries(member: Value): readonly MemberEntry[] {
    return this.members?.get(memberKey(member)) ?? [];
  }

  #sum(start: number | bigint): number | bigint {
    let sum = start;
    for (const cell of this.cells) if (isLive(cell)) sum = addIntegers(sum, cellValue(cell));
    return sum;
  }

  #beats(left: ValueEntry, right: ValueEntry): boolean {
    if (left.loaded !== right.loaded) return right.loaded;
    if (left.stamp !== right.stamp) return left.stamp > right.stamp;
    if (left.origin !== right.origin) return this.#origins.compare(left.origin, right.origin) > 0;
    return left.seq > right.seq;
  }

  #insertMember(entry: MemberEntry): void {
    this.members ??= new Map();
    const key = memberKey(entry.value);
    const same = this.members.get(key);
    if (same === undefined) this.members.set(key, [entry]);
    else same.push(entry);
  }

  #removeMember(entry: MemberEntry): void {
    const key = memberKey(entry.value);
    const same = this.members!.get(key)!;
    takeDot(same, entry.origin, entry.seq);
    if (same.length > 0) return;
    this.members!.delete(key);
    if (this.members!.size === 0) this.members = null;
  }

  #index(entry: MemberEntry | ElementEntry): void {
    this.#dots ??= new Map();
    let ofOrigin = this.#dots.get(entry.origin);
    if (ofOrigin === undefined) {
      ofOrigin = new Map();
      this.#dots.set(entry.origin, ofOrigin);
    }
    ofOrigin.set(entry.seq, entry);
  }

  #unindex(entry: MemberEntry | ElementEntry): void {
    const ofOrigin = this.#dots!.get(entry.origin)!;
    ofOrigin.delete(entry.seq);
    if (ofOrigin.size > 0) return;
    this.#dots!.delete(entry.origin);
    if (this.#dots!.size === 0) this.#dots = null;
  }
}

function entryBytes(entry: Entry): number {
  const isTimed = entry.kind === "value" && entry.deadline !== NEVER;
  const own = ENTRY_BYTES[entry.kind] + (isTimed ? TIMED_BYTES : 0);
  return entry.kind === "deadline" || entry.value === null ? own : own + valueBytes(entry.value);
}

function takeDot<E extends { origin: number; seq: number }>(
  entries: E[],
  origin: number,
  seq: number,
): E | undefined {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    if (entry.origin !== origin || entry.seq !== seq) continue;
    const last = entries.pop()!;
    if (i < entries.length) entries[i] = last;
    return entry;
  }
  return undefined;
}
