/** One growing store in a process of its own: how long the longest single write took. */
import { cpuMicros, serveRole } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";
import { SUBJECTS } from "./subjects.js";

/** Writes between two looks at the processor time. */
const WINDOW = 64;
const BATCH = 64 * 1_000;

serveRole({
  /**
   * Milliseconds. A stall is never longer than the processor time of the writes around it: what is beyond
   * that, the system gave to other programs.
   */
  async grow({ subject, entries }) {
    const store = await SUBJECTS[subject](2 * entries);
    const worst = [];
    for (let first = 0; first < entries; first += BATCH) {
      const keys = Array.from({ length: BATCH }, (_, i) => keyFor(first + i));
      const values = keys.map((_, i) => valueFor(first + i));
      for (let at = 0; at < BATCH; at += WINDOW) {
        let longest = 0;
        const cpuBefore = cpuMicros();
        let last = performance.now();
        for (let i = at; i < at + WINDOW; i++) {
          store.set(keys[i], values[i]);
          const now = performance.now();
          if (now - last > longest) longest = now - last;
          last = now;
        }
        worst.push(Math.min(longest, (cpuMicros() - cpuBefore) / 1_000));
      }
      worst.sort((left, right) => right - left);
      worst.length = Math.min(worst.length, 100);
      await new Promise(setImmediate);
    }
    return { worst: worst[0], tenth: worst[9], hundredth: worst[99], size: store.size() };
  },
});
