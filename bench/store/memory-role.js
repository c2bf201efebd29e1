/** One store in a process of its own: what it takes in memory when it is filled. */
import { serveRole, settledHeapBytes } from "../rig/processes.js";
import { keyFor, VALUE_BYTES, valueFor } from "../rig/workload.js";
import { SUBJECTS, tidemark } from "./subjects.js";

const MEMBERS = 20;
const LARGE_BYTES = 4_000;

/** What is written to find out whether the account of `maxBytes` is right. */
const KINDS = {
  "small strings": (kv, i) => kv.set(keyFor(i), valueFor(i)),
  "large strings": (kv, i) => kv.set(keyFor(i), valueFor(i).repeat(LARGE_BYTES / VALUE_BYTES)),
  "strings beyond Latin-1": (kv, i) => kv.set(keyFor(i), `\u2020${valueFor(i).slice(1)}`.normalize()),
  "binary values": (kv, i) => kv.set(keyFor(i), binary(i, LARGE_BYTES)),
  "small binary values": (kv, i) => kv.set(keyFor(i), binary(i, VALUE_BYTES)),
  [`sets of ${MEMBERS}`]: (kv, i) => kv.setAdd(keyFor(i), ...elements(i, MEMBERS)),
  "sets of 1": (kv, i) => kv.setAdd(keyFor(i), valueFor(i)),
  [`lists of ${MEMBERS}`]: (kv, i) => kv.listPush(keyFor(i), ...elements(i, MEMBERS)),
  "lists of 1": (kv, i) => kv.listPush(keyFor(i), valueFor(i)),
  "strings given longer lives": (kv, i) => {
    kv.set(keyFor(i), valueFor(i));
    kv.expire(keyFor(i), "2h");
  },
  counters: (kv, i) => kv.increment(keyFor(i)),
};

let kept;

serveRole({
  kinds: () => Object.keys(KINDS),

  /** Of a store that is exactly full, all that it makes for itself included. */
  async perEntry({ subject, entries }) {
    kept = await SUBJECTS[subject](10);
    kept.set(keyFor(0), valueFor(0));
    const before = await settledHeapBytes();
    kept = await SUBJECTS[subject](entries);
    for (let i = 0; i < entries; i++) {
      kept.set(keyFor(i), valueFor(i));
      if (i % 10_000 === 0) await new Promise(setImmediate);
    }
    return ((await settledHeapBytes()) - before) / entries;
  },

  /** What the account grew by, over what memory grew by. */
  async accounted({ kind, entries }) {
    kept = await tidemark({ maxBytes: "64gb", eviction: "none", ttl: "1h" });
    KINDS[kind](kept.host, 1_000_000_000);
    const before = await settledHeapBytes();
    const accountBefore = kept.host.status().bounds.bytes;
    for (let i = 0; i < entries; i++) {
      KINDS[kind](kept.host, i);
      if (i % 10_000 === 0) await new Promise(setImmediate);
    }
    const after = await settledHeapBytes();
    const account = kept.host.status().bounds.bytes - accountBefore;
    return { actual: (after - before) / entries, account: account / entries };
  },
});

function elements(index, count) {
  return Array.from({ length: count }, (_, i) => keyFor(index * count + i));
}

function binary(index, length) {
  const bytes = new Uint8Array(length).fill(0xff);
  new DataView(bytes.buffer).setUint32(0, index);
  return bytes;
}
