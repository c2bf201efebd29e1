/** A filled host that is walked through by `scan` and by `keys`. */
import { serveRole } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";
import { tidemark } from "./subjects.js";

let host;

serveRole({
  async fill({ entries, left }) {
    ({ host } = await tidemark({}));
    for (let i = 0; i < entries; i++) host.set(keyFor(i), valueFor(i));
    for (let i = left; i < entries; i++) host.delete(keyFor(i));
    globalThis.gc();
  },

  /** A whole iteration. Of each call the shortest of several rounds counts: what a call takes when undisturbed. */
  scan({ count, match, rounds }) {
    const shortest = [];
    let keys = 0;
    for (let round = 0; round < rounds; round++) {
      keys = 0;
      let cursor = 0;
      let call = 0;
      do {
        const startedAt = performance.now();
        const step = host.scan(cursor, match === undefined ? { count } : { count, match });
        const ms = performance.now() - startedAt;
        shortest[call] = Math.min(ms, shortest[call] ?? Number.POSITIVE_INFINITY);
        keys += step.keys.length;
        cursor = step.cursor;
        call++;
      } while (cursor !== 0);
    }
    return summary(shortest, keys);
  },

  keys({ rounds }) {
    const shortest = [];
    let keys = 0;
    for (let round = 0; round < rounds; round++) {
      keys = 0;
      const iterator = host.keys();
      for (;;) {
        const startedAt = performance.now();
        const { done } = iterator.next();
        const ms = performance.now() - startedAt;
        shortest[keys] = Math.min(ms, shortest[keys] ?? Number.POSITIVE_INFINITY);
        if (done) break;
        keys++;
      }
    }
    return summary(shortest, keys);
  },
});

function summary(calls, keys) {
  let longest = 0;
  let total = 0;
  for (const ms of calls) {
    total += ms;
    if (ms > longest) longest = ms;
  }
  return { keys, calls: calls.length, longest, total };
}
