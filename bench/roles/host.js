/** One host in a process of its own: writes, or applies what others write. */
import { createHost } from "../../dist/host.js";
import { resolveSettings } from "../../dist/options.js";
import { connectNats } from "../../dist/transport/nats.js";
import { systemWorld } from "../../dist/world.js";
import { cpuMicros, serveRole, sharedMicros } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";

let host;
let keys = [];
let values = [];
let applied;

serveRole({
  async open({ options, internal }) {
    const settings = { ...resolveSettings(options), ...internal };
    host = createHost(settings, systemWorld(), await connectNats(options.nats, settings));
    await host.ready();
  },

  /** Makes what `write` will write: `count` keys, going round `distinct` of them from `first` on. */
  prepare({ first, count, distinct }) {
    keys = Array.from({ length: count }, (_, i) => keyFor(first + (i % distinct)));
    values = Array.from({ length: count }, (_, i) => valueFor(first + i));
    globalThis.gc();
    return host.token();
  },

  /** Starts to wait for an event of another host; `applied` says when it was there. */
  await(token) {
    globalThis.gc();
    applied = host.waitFor(token).then(() => sharedMicros());
  },

  applied: () => applied,

  /** Writes what was prepared, `burst` writes in each turn of the event loop. */
  async write({ burst }) {
    const startedAt = sharedMicros();
    let refused = 0;
    for (let at = 0; at < keys.length; ) {
      const end = Math.min(at + burst, keys.length);
      try {
        for (; at < end; at++) host.set(keys[at], values[at]);
      } catch (error) {
        if (error.code !== "BACKPRESSURE") throw error;
        refused++;
        await host.flush();
      }
      await new Promise(setImmediate);
    }
    return { startedAt, writtenAt: sharedMicros(), refused };
  },

  cpu: () => cpuMicros(),

  status: () => host.status(),

  close: () => host.close(),
});
