/** What the loader needs of the host it works for; every method is synchronous. */
import type { Stored } from "./upstream.ts";

/** A value that is there. */
export interface Held {
  readonly value: Stored;
  /** Put in by a load, not written. */
  readonly loaded: boolean;
  /** Milliseconds since 1970 at which it goes; `Infinity` for never. */
  readonly deadline: number;
}

export interface Memory {
  /** What is shown of a key now. Throws `WRONG_TYPE` for sets and lists. */
  find(key: string): Held | undefined;
  /** The one form in which a value is kept. Throws `VALUE_TOO_LARGE`, `INVALID_STRING`. */
  canonical(value: Stored): Stored;
  /** Enters a loaded value, which loses to every written one. Throws what refuses writes. */
  putLoaded(key: string, value: Stored, deadline: number): void;
  /** Removes a loaded value whose row is gone. */
  dropLoaded(key: string): void;
  /** Notes the stamp of a row, so that the next write gets a greater one. */
  observe(stamp: number): void;
}

/** The clocks and chances the loader uses. */
export interface LoaderWorld {
  /** Fleet time, milliseconds since 1970. */
  now(): number;
  monotonic(): number;
  random(): number;
  defer(task: () => void): void;
}
