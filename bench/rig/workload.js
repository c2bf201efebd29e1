/** What is written: 16-byte keys, 32-byte values. */
import { Buffer } from "node:buffer";

export const KEY_BYTES = 16;
export const VALUE_BYTES = 32;

/**
 * The `index`-th key, always as a string of its own: a service gets its keys out of requests, so a key that
 * was used before is an equal string and not the same one.
 */
export function keyFor(index) {
  return flat(`key:${String(index).padStart(KEY_BYTES - 4, "0")}`);
}

export function valueFor(index) {
  return flat(String(index * 7919).padStart(VALUE_BYTES, "v"));
}

/** Without this the engine keeps the pieces that a string was put together from. */
function flat(text) {
  return Buffer.from(text, "latin1").toString("latin1");
}
