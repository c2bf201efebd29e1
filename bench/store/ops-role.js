/** One store in a process of its own: filled, then asked to do one kind of operation for a pass. */
import { cpuMicros, serveRole } from "../rig/processes.js";
import { keyFor, valueFor } from "../rig/workload.js";
import { chooser, randomOf } from "./choice.js";
import { SUBJECTS, TTL_MS } from "./subjects.js";

/** Writes in one turn of the event loop, for whoever sends at its end. */
const BURST = 256;
const MEMBERS = 1_000;
const FIRST_COUNTER = 2_000_000_000;
const FIRST_SET = 3_000_000_000;

let store;
let plain = 0;
let hot = 0;
let written = 0;
let sink = 0;
const choosers = new Map();

const OPS = {
  get: (keys) => over(keys, (i) => store.get(keys[i])),
  set: (keys, values) => over(keys, (i) => store.set(keys[i], values[i])),
  "set, new keys": (keys, values) => over(keys, (i) => store.set(keys[i], values[i])),
  "set with ttl": (keys, values) => over(keys, (i) => store.setTtl(keys[i], values[i], TTL_MS / 2)),
  increment: (keys) => over(keys, (i) => store.increment(keys[i])),
  setAdd: (keys, members) => over(keys, (i) => store.setAdd(keys[i], members[i])),
  "90 get, 10 set": (keys, values) =>
    over(keys, (i) => (i % 10 === 9 ? store.set(keys[i], values[i]) : store.get(keys[i]))),
};

serveRole({
  /** `entries`: how many keys it is to hold, counters and sets included. */
  async fill({ subject, entries }) {
    store = await SUBJECTS[subject](entries);
    hot = Math.max(100, Math.floor(entries / 100));
    plain = entries - 2 * hot;
    written = plain;
    for (let i = 0; i < plain; i++) {
      const done = store.set(keyFor(i), valueFor(i));
      if (store.isAsync) await done;
      if (i % BURST === 0) await new Promise(setImmediate);
    }
  },

  /** Nanoseconds per operation, of processor time and of the clock. */
  async pass({ op, distribution, count, seed }) {
    const { keys, values } = prepare(op, distribution, count, seed);
    globalThis.gc();
    const work = OPS[op](keys, values);
    const cpuBefore = cpuMicros();
    const startedAt = performance.now();
    await work();
    const ms = performance.now() - startedAt;
    const cpu = cpuMicros() - cpuBefore;
    return { cpu: (cpu * 1e3) / count, wall: (ms * 1e6) / count, sink };
  },

  can: ({ op }) => typeof store[methodOf(op)] === "function",
});

function methodOf(op) {
  if (op === "set with ttl") return "setTtl";
  return op === "increment" || op === "setAdd" || op === "get" ? op : "set";
}

function prepare(op, distribution, count, seed) {
  const range = op === "increment" || op === "setAdd" ? hot : plain;
  const random = randomOf(seed);
  const name = `${distribution} ${range}`;
  // The table of a zipf distribution is made once; its numbers are drawn anew.
  let source = choosers.get(name);
  if (source === undefined) {
    source = { random };
    source.next = chooser(distribution, range, () => source.random());
    choosers.set(name, source);
  }
  source.random = random;
  const first = op === "increment" ? FIRST_COUNTER : op === "setAdd" ? FIRST_SET : 0;
  const index = op === "set, new keys" ? () => written++ : () => first + source.next();
  const keys = Array.from({ length: count }, () => keyFor(index()));
  if (op === "get" || op === "increment") return { keys };
  const value = op === "setAdd" ? () => keyFor(Math.floor(random() * MEMBERS)) : (i) => valueFor(seed + i);
  return { keys, values: keys.map((_, i) => value(i)) };
}

function over(keys, act) {
  if (store.isAsync) {
    return async () => {
      for (let i = 0; i < keys.length; i++) if ((await act(i)) === undefined) sink++;
    };
  }
  if (store.turns) {
    return async () => {
      for (let i = 0; i < keys.length; ) {
        const end = Math.min(i + BURST, keys.length);
        for (; i < end; i++) if (act(i) === undefined) sink++;
        await new Promise(setImmediate);
      }
    };
  }
  return async () => {
    for (let i = 0; i < keys.length; i++) if (act(i) === undefined) sink++;
  };
}
