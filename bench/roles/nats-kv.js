/** Puts into a NATS key-value bucket, with as many under way at once as asked for. */
import { connect, StorageType } from "nats";
import { cpuMicros, serveRole } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";

let connection;
let bucket;

serveRole({
  async open({ url, name }) {
    connection = await connect({ servers: url });
    bucket = await connection.jetstream().views.kv(name, { history: 1, storage: StorageType.Memory });
  },

  async put({ first, count, inFlight }) {
    // A key of NATS KV may not hold a colon.
    const keys = Array.from({ length: count }, (_, i) => keyFor(first + i).replace(":", "/"));
    const values = Array.from({ length: count }, (_, i) => Buffer.from(valueFor(first + i)));
    globalThis.gc();
    const cpuBefore = cpuMicros();
    const startedAt = performance.now();
    let next = 0;
    const putter = async () => {
      while (next < count) {
        const at = next++;
        await bucket.put(keys[at], values[at]);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, putter));
    return { seconds: (performance.now() - startedAt) / 1_000, cpu: cpuMicros() - cpuBefore };
  },

  async close() {
    await bucket.destroy();
    await connection.close();
  },
});
