/**
 * One event as a run of CBOR items: a kind, which says what follows, then the parts in a fixed order.
 * Numbers that are close to something known are written as the difference: stamps to the stamp before,
 * seqs of the event's own origin to its own seq, deadlines to the time of the frame.
 */
import { stampToMs } from "../causality/hybrid-logical-clock.ts";
import type { VersionVector } from "../causality/version-vector.ts";
import type { Entry } from "../crdt/entry.ts";
import type { CounterReset, ReplicatedEvent, Sweep } from "../crdt/event.ts";
import { type CborReader, type CborWriter, malformed } from "./cbor.ts";

const ADD_VALUE = 1;
const ADD_MEMBER = 2;
const ADD_ELEMENT = 3;
const ADD_DEADLINE = 4;
const ADD_COMMIT = 5;
const ADD_MASK = 7;
const REMOVES_UP_TO = 8;
const REMOVES = 16;
const RESETS = 32;
const INCREMENT = 64;
/** A value: has a deadline. A deadline: has a target. An element: has a fraction. */
const EXTRA = 128;
/** A value: was loaded. An element: stands before the middle of its list. */
const VARIANT = 256;
const SWEEP = 512;
const CLEAR = 1024;
/** The event also removes what its writer may have let go: the vector stands in the frame's header. */
const EVICTED = 2048;
/** An increment: of a value that was set. */
const ON_VALUE = 4096;
const ALL = 8191;
const KEYLESS = SWEEP | CLEAR;

const NEVER = Number.POSITIVE_INFINITY;

/** Names origins within one message. 0 is the message's own origin. */
export interface OriginDictionary {
  indexOf(origin: number): number;
}

export interface ValueLimits {
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
}

/** Writes events of one origin, one after the other. */
export function writeEvent(
  out: CborWriter,
  event: ReplicatedEvent,
  dictionary: OriginDictionary,
  previousStamp: number,
  baseMs: number,
): void {
  const { add, seq } = event;
  out.uint(kindOf(event));
  out.int(event.stamp - previousStamp);
  if (event.sweep !== null) {
    writeSweep(out, event.sweep, dictionary, baseMs);
    return;
  }
  if (event.clear !== null) {
    out.text(event.clear.prefix);
    writeDots(out, event.clear.vector, dictionary, seq);
    return;
  }
  out.text(event.key);
  if (event.removesUpTo !== null) writeDots(out, event.removesUpTo, dictionary, seq);
  if (event.removes !== null) writeDots(out, event.removes, dictionary, seq);
  if (event.resets !== null) {
    out.uint(event.resets.length);
    for (const { origin, segment, upTo, total } of event.resets) {
      writeDot(out, origin, segment, dictionary, seq);
      out.uint(upTo - segment);
      out.integer(total);
    }
  }
  if (event.increment !== null) {
    out.uint(seq - event.increment.segment);
    out.integer(event.increment.before);
    out.integer(event.increment.total);
  }
  if (add !== null) writeEntry(out, add, dictionary, seq, event.stamp, baseMs);
}

/**
 * Reads what `writeEvent` wrote. `origins` maps dictionary indexes to origins; [0] is the event's. `evicted`:
 * what the writer may have let go, if the frame tells.
 */
export function readEvent(
  input: CborReader,
  seq: number,
  origins: readonly number[],
  previousStamp: number,
  baseMs: number,
  limits: ValueLimits,
  evicted: VersionVector | null,
): ReplicatedEvent {
  const kind = input.uint();
  if (kind > ALL) throw malformed("an unknown kind of event");
  const stamp = previousStamp + input.int();
  if (!Number.isSafeInteger(stamp) || stamp < 0) throw malformed("a stamp out of range");
  const origin = origins[0]!;
  if (kind === SWEEP) {
    return { origin, seq, stamp, key: "", ...NO_PARTS, sweep: readSweep(input, origins, baseMs) };
  }
  if (kind === CLEAR) {
    const prefix = input.text(limits.maxKeyBytes);
    const clear = { prefix, vector: readDots(input, origins, seq) };
    return { origin, seq, stamp, key: "", ...NO_PARTS, clear };
  }
  if ((kind & KEYLESS) !== 0) throw malformed("an impossible combination in an event");
  if ((kind & EVICTED) !== 0 && evicted === null) throw malformed("a vector that the frame does not tell");
  const key = input.text(limits.maxKeyBytes);
  const removesUpTo = (kind & REMOVES_UP_TO) === 0 ? null : readDots(input, origins, seq);
  const removes = (kind & REMOVES) === 0 ? null : readDots(input, origins, seq);
  const resets = (kind & RESETS) === 0 ? null : readResets(input, origins, seq);
  let increment = null;
  if ((kind & INCREMENT) !== 0) {
    const segment = seq - input.uint();
    if (segment < 1) throw malformed("a counter segment that was never opened");
    increment = { segment, before: input.integer(), total: input.integer() };
    if ((kind & ON_VALUE) !== 0) increment = { ...increment, onValue: true };
  }
  const add = (kind & ADD_MASK) === 0 ? null : readEntry(input, kind, origins, seq, stamp, baseMs, limits);
  return {
    origin,
    seq,
    stamp,
    key,
    removesUpTo,
    removes,
    resets,
    add,
    increment,
    evicted: (kind & EVICTED) === 0 ? null : evicted,
    sweep: null,
    clear: null,
  };
}

const NO_PARTS = {
  removesUpTo: null,
  removes: null,
  resets: null,
  add: null,
  increment: null,
  evicted: null,
  sweep: null,
  clear: null,
};

function kindOf(event: ReplicatedEvent): number {
  if (event.sweep !== null) return SWEEP;
  if (event.clear !== null) return CLEAR;
  let kind = event.add === null ? 0 : kindOfEntry(event.add);
  if (event.removesUpTo !== null) kind |= REMOVES_UP_TO;
  if (event.removes !== null) kind |= REMOVES;
  if (event.resets !== null) kind |= RESETS;
  if (event.increment !== null) kind |= event.increment.onValue === true ? INCREMENT | ON_VALUE : INCREMENT;
  if (event.evicted !== null) kind |= EVICTED;
  return kind;
}

/** The kind bits of an entry, here and in snapshots. */
export function kindOfEntry(entry: Entry): number {
  switch (entry.kind) {
    case "value":
      return ADD_VALUE | (entry.deadline === NEVER ? 0 : EXTRA) | (entry.loaded ? VARIANT : 0);
    case "member":
      return ADD_MEMBER;
    case "element":
      return ADD_ELEMENT | (entry.fraction === "" ? 0 : EXTRA) | (entry.position < 0 ? VARIANT : 0);
    case "deadline":
      return ADD_DEADLINE | (entry.targetSeq === 0 ? 0 : EXTRA);
    case "commit":
      return ADD_COMMIT | (entry.expiresAt === NEVER ? 0 : EXTRA) | (entry.value === null ? VARIANT : 0);
    default:
      return entry satisfies never;
  }
}

/** The parts of an entry that follow its kind. */
export function writeEntry(
  out: CborWriter,
  entry: Entry,
  dictionary: OriginDictionary,
  seq: number,
  stamp: number,
  baseMs: number,
): void {
  switch (entry.kind) {
    case "value":
      out.value(entry.value);
      if (entry.deadline !== NEVER) out.int(entry.deadline - baseMs);
      return;
    case "member":
      out.value(entry.value);
      return;
    case "element":
      out.int(Math.abs(entry.position) - stamp);
      if (entry.fraction !== "") out.text(entry.fraction);
      out.value(entry.value);
      return;
    case "deadline":
      if (entry.at === NEVER) out.null();
      else out.int(entry.at - baseMs);
      if (entry.targetSeq > 0) writeDot(out, entry.targetOrigin, entry.targetSeq, dictionary, seq);
      return;
    case "commit":
      if (entry.value !== null) out.value(entry.value);
      out.int(entry.by - baseMs);
      if (entry.expiresAt !== NEVER) out.int(entry.expiresAt - baseMs);
      return;
    default:
      entry satisfies never;
  }
}

export function readEntry(
  input: CborReader,
  kind: number,
  origins: readonly number[],
  seq: number,
  stamp: number,
  baseMs: number,
  limits: ValueLimits,
): Entry {
  const origin = origins[0]!;
  const extra = (kind & EXTRA) !== 0;
  const variant = (kind & VARIANT) !== 0;
  switch (kind & ADD_MASK) {
    case ADD_VALUE: {
      const value = input.value(limits.maxValueBytes);
      const deadline = extra ? readTime(input, baseMs) : NEVER;
      return { kind: "value", origin, seq, stamp, value, deadline, loaded: variant };
    }
    case ADD_MEMBER:
      return { kind: "member", origin, seq, value: input.value(limits.maxValueBytes) };
    case ADD_ELEMENT: {
      const distance = stamp + input.int();
      // Bounded by the message: what one host could write another must be able to read.
      const fraction = extra ? input.text(input.remaining) : "";
      const position = variant ? -distance : distance;
      if (!Number.isSafeInteger(position)) throw malformed("a list position out of range");
      return { kind: "element", origin, seq, position, fraction, value: input.value(limits.maxValueBytes) };
    }
    case ADD_DEADLINE: {
      const at = input.isNull() ? NEVER : readTime(input, baseMs);
      const [targetOrigin, targetSeq] = extra ? readDot(input, origins, seq) : [0, 0];
      return { kind: "deadline", origin, seq, at, targetOrigin, targetSeq };
    }
    case ADD_COMMIT: {
      const value = variant ? null : input.value(limits.maxValueBytes);
      const by = readTime(input, baseMs);
      const expiresAt = extra ? readTime(input, baseMs) : NEVER;
      return { kind: "commit", origin, seq, stamp, by, value, expiresAt };
    }
    default:
      throw malformed("an unknown kind of entry");
  }
}

function writeSweep(out: CborWriter, sweep: Sweep, dictionary: OriginDictionary, baseMs: number): void {
  out.uint(dictionary.indexOf(sweep.origin));
  out.uint(sweep.upTo);
  out.int(sweep.from - baseMs);
  out.int(sweep.to - baseMs);
  out.uint(sweep.except.length);
  for (const seq of sweep.except) out.uint(sweep.upTo - seq);
}

function readSweep(input: CborReader, origins: readonly number[], baseMs: number): Sweep {
  const origin = originAt(origins, input.uint());
  const upTo = input.uint();
  const from = readTime(input, baseMs);
  const to = readTime(input, baseMs);
  const except: number[] = [];
  for (let left = input.count(); left > 0; left--) except.push(upTo - input.uint());
  return { origin, upTo, from, to, except };
}

function writeDots(
  out: CborWriter,
  dots: readonly number[],
  dictionary: OriginDictionary,
  seq: number,
): void {
  out.uint(dots.length / 2);
  for (let i = 0; i < dots.length; i += 2) writeDot(out, dots[i]!, dots[i + 1]!, dictionary, seq);
}

function readDots(input: CborReader, origins: readonly number[], seq: number): number[] {
  const count = input.count();
  // One is the rule; a literal is as large as it has to be, where the first push makes room for 16.
  if (count === 1) return readDot(input, origins, seq);
  const dots: number[] = [];
  for (let left = count; left > 0; left--) {
    const index = input.uint();
    dots.push(originAt(origins, index), readSeq(input, index, seq));
  }
  return dots;
}

function writeDot(
  out: CborWriter,
  origin: number,
  dotSeq: number,
  dictionary: OriginDictionary,
  seq: number,
): void {
  const index = dictionary.indexOf(origin);
  out.uint(index);
  out.uint(index === 0 ? seq - dotSeq : dotSeq);
}

function readDot(input: CborReader, origins: readonly number[], seq: number): [origin: number, seq: number] {
  const index = input.uint();
  return [originAt(origins, index), readSeq(input, index, seq)];
}

function readSeq(input: CborReader, index: number, seq: number): number {
  const number = input.uint();
  const dotSeq = index === 0 ? seq - number : number;
  if (dotSeq < 1) throw malformed("a dot that cannot be");
  return dotSeq;
}

function readResets(input: CborReader, origins: readonly number[], seq: number): CounterReset[] {
  const resets: CounterReset[] = [];
  for (let left = input.count(); left > 0; left--) {
    const [origin, segment] = readDot(input, origins, seq);
    resets.push({ origin, segment, upTo: segment + input.uint(), total: input.integer() });
  }
  return resets;
}

function readTime(input: CborReader, baseMs: number): number {
  const time = baseMs + input.int();
  if (!Number.isSafeInteger(time)) throw malformed("a time out of range");
  return time;
}

function originAt(origins: readonly number[], index: number): number {
  const origin = origins[index];
  if (origin === undefined) throw malformed("an origin that the message does not name");
  return origin;
}

/** The time that deadlines of a frame are relative to. */
export function baseTime(stamp: number): number {
  return stampToMs(stamp);
}
