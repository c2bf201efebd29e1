/**
 * What is stored. Every entry is made by exactly one event, carries that event's dot and is immutable;
 * removing it means naming its dot. What a reader sees of a key is computed from its live entries.
 */

/** Text as a string; bytes that are not valid UTF-8 as a Uint8Array. Compared as bytes (`values.ts`). */
export type Value = string | Uint8Array;

/** A register's value. Concurrent writes leave several; the view takes the last writer's. */
export interface ValueEntry {
  readonly kind: "value";
  readonly origin: number;
  readonly seq: number;
  readonly stamp: number;
  readonly value: Value;
  /** Fleet time in milliseconds since 1970 at which it expires; `Infinity` for never. */
  readonly deadline: number;
  /** Put in by a load from the upstream: loses to every concurrent written value. */
  readonly loaded: boolean;
}

/** One addition of a member to a set. */
export interface MemberEntry {
  readonly kind: "member";
  readonly origin: number;
  readonly seq: number;
  readonly value: Value;
}

/** An element of a list; ordered by position, fraction, then incarnation and seq. */
export interface ElementEntry {
  readonly kind: "element";
  readonly origin: number;
  readonly seq: number;
  readonly position: number;
  /** Between two neighbours with one position: compared byte by byte. Empty at the ends. */
  readonly fraction: string;
  readonly value: Value;
}

/**
 * A deadline. With a target it belongs to one value entry and lives as long as that; without, it belongs
 * to all that is not a register on its key (set, list, counter cells).
 */
export interface DeadlineEntry {
  readonly kind: "deadline";
  readonly origin: number;
  readonly seq: number;
  /** Fleet time in milliseconds since 1970; `Infinity` for "never expires". */
  readonly at: number;
  readonly targetOrigin: number;
  /** 0: no target. */
  readonly targetSeq: number;
}

/**
 * A commit that is due: what the upstream has yet to get. It stands beside what its key holds and not for it:
 * removals of the key pass it by, since what was promised to the upstream is owed however long memory keeps
 * the value. It goes by an event that names it, once the upstream has this value or a newer one.
 */
export interface CommitEntry {
  readonly kind: "commit";
  readonly origin: number;
  readonly seq: number;
  /** Orders the writes of a row. */
  readonly stamp: number;
  /** Fleet time in milliseconds since 1970 by which it is to be committed. */
  readonly by: number;
  /** `null`: the row is to be deleted. */
  readonly value: Value | null;
  /** When the row expires, fleet time in milliseconds since 1970; `Infinity` for never. */
  readonly expiresAt: number;
}

export type Entry = ValueEntry | MemberEntry | ElementEntry | DeadlineEntry | CommitEntry;
