/** A host whose keys expire while its event loop is watched; or the same process doing nothing, to compare. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createHost } from "../../dist/host.js";
import { resolveSettings } from "../../dist/options.js";
import { systemWorld } from "../../dist/world.js";
import { cpuMicros, serveRole, settledHeapBytes } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";
import { randomOf } from "./choice.js";

const RESOLUTION_MS = 1;
const BURST = 1_000;

serveRole({
  async sweep({ entries, longestMs, idle }) {
    const ticks = { longest: 0, longestCpu: 0, over: 0, count: 0 };
    const host = createHost(resolveSettings({ node: "sweep" }), timed(systemWorld(), ticks), undefined);
    const random = randomOf(3);
    const before = await settledHeapBytes();
    let last = 0;
    for (let i = 0; !idle && i < entries; i++) {
      host.set(keyFor(i), valueFor(i), { ttl: Math.round(1_000 + random() * (longestMs - 1_000)) });
      last = performance.now();
      if (i % BURST === 0) await new Promise(setImmediate);
    }
    const full = await settledHeapBytes();
    const held = host.size;
    Object.assign(ticks, { longest: 0, longestCpu: 0, over: 0, count: 0 });
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    const cpuBefore = cpuMicros();
    delay.enable();
    // As long as it takes until the last is gone, and a little for what is given back afterwards.
    const until = (idle ? performance.now() : last) + longestMs + 3_000;
    while (performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
    delay.disable();
    const cpu = cpuMicros() - cpuBefore;
    const left = host.size;
    const after = await settledHeapBytes();
    await host.close();
    return {
      ...ticks,
      block: delay.max / 1e6 - RESOLUTION_MS,
      p999: delay.percentile(99.9) / 1e6 - RESOLUTION_MS,
      cpuPerKey: cpu / entries,
      held,
      left,
      full: (full - before) / 2 ** 20,
      after: (after - before) / 2 ** 20,
    };
  },
});

/** Notes how long the work of the one timer of a host takes, of which other programs of the machine are no part. */
function timed(world, ticks) {
  return {
    ...world,
    every: (intervalMs, task) =>
      world.every(intervalMs, () => {
        const cpuBefore = cpuMicros();
        const startedAt = performance.now();
        task();
        const ms = performance.now() - startedAt;
        const own = Math.min(ms, (cpuMicros() - cpuBefore) / 1_000);
        ticks.count++;
        if (ms > ticks.longest) ticks.longest = ms;
        if (own > ticks.longestCpu) ticks.longestCpu = own;
        if (own > 5) ticks.over++;
      }),
  };
}
