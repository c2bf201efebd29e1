/**
 * What a key costs in memory, in bytes, as V8 lays it out on 64-bit machines without pointer compression.
 * Calibrated by `npm run bench -- store memory`, which compares it with what the heap grows by.
 */
import type { Value } from "../crdt/entry.ts";

/** The slot in the arrays and its share of the Map that finds it, both about three quarters full. */
export const SLOT_BYTES = 120;

/** A string: header, one or two bytes per character, rounded up to 8. */
export function stringBytes(text: string): number {
  return 24 + ((text.length + 7) & ~7);
}

export function valueBytes(value: Value): number {
  return typeof value === "string" ? stringBytes(value) : 120 + value.byteLength;
}
