/**
 * Bytes that a writer hands to NATS for its events, protocol line included, over the bytes of what is written.
 * Counted where they leave, on the `ev` channel only: heartbeats are another matter. Goal G9.
 */
import { createHost } from "../../dist/host.js";
import { resolveSettings } from "../../dist/options.js";
import { connectNats } from "../../dist/transport/nats.js";
import { systemWorld } from "../../dist/world.js";
import { goal } from "../rig/report.js";
import { KEY_BYTES, keyFor, VALUE_BYTES, valueFor } from "../rig/workload.js";

const BURST = 256;
/** A counter's value as it would travel by itself. */
const COUNTER_BYTES = 8;
const HOT_KEYS = 1_000;

const KINDS = [
  {
    name: "set, unique keys",
    bytes: KEY_BYTES + VALUE_BYTES,
    write: (host, i) => host.set(keyFor(i), valueFor(i)),
  },
  {
    name: "set, updates",
    bytes: KEY_BYTES + VALUE_BYTES,
    write: (host, i) => host.set(keyFor(i), valueFor(i + 1)),
  },
  {
    name: "set with ttl, updates",
    bytes: KEY_BYTES + VALUE_BYTES,
    write: (host, i) => host.set(keyFor(i), valueFor(i), { ttl: "1h" }),
  },
  { name: "increment", bytes: KEY_BYTES + COUNTER_BYTES, write: (host, i) => host.increment(counterOf(i)) },
  {
    name: "set add",
    bytes: KEY_BYTES + VALUE_BYTES,
    write: (host, i) => host.setAdd(keyFor(1e9 + (i % HOT_KEYS)), valueFor(i)),
  },
];

export async function measureWireBytes({ server, quick, say }) {
  const events = quick ? 5_000 : 20_000;
  const namespace = `bench-${process.pid}-${Date.now()}`;
  const settings = resolveSettings({ nats: server.url, namespace, node: "host-0", joinWait: 200 });
  const sent = { bytes: 0, messages: 0 };
  const transport = counting(await connectNats(server.url, settings), settings.subjectPrefix, sent);
  const host = createHost(settings, systemWorld(), transport);
  const rows = [];
  try {
    await host.ready();
    for (const burst of [BURST, 1]) {
      for (const { name, bytes, write } of KINDS) {
        sent.bytes = 0;
        sent.messages = 0;
        const before = host.token().seq;
        for (let i = 0; i < events; i++) {
          write(host, burst === 1 ? i + events : i);
          if ((i + 1) % burst === 0) await new Promise(setImmediate);
        }
        await host.flush();
        const made = host.token().seq - before;
        const perEvent = sent.bytes / made;
        const label = burst === 1 ? `${name}, alone in its frame` : name;
        rows.push([label, bytes, perEvent, perEvent / bytes, made / sent.messages]);
      }
    }
    say(`bytes on the wire: ${events} events of each kind`);
  } finally {
    await host.close();
  }
  const ratioOf = (name) => rows.find(([label]) => label === name)[3];
  return {
    title: "Bytes on the wire per event",
    columns: ["", "key + value", "on the wire", "ratio", "events per frame"],
    rows,
    goals: [
      goal("G9", "set, unique keys", ratioOf("set, unique keys"), { atMost: 1.3 }),
      goal("G9", "set, updates", ratioOf("set, updates"), { atMost: 1.3 }),
      goal("G9", "set add", ratioOf("set add"), { atMost: 1.3 }),
    ],
    notes: [
      `frames with their NATS protocol line; ${BURST} writes per turn of the event loop, or 1; increments of ${HOT_KEYS} ` +
        `counters, whose value counts as ${COUNTER_BYTES} bytes; members of ${HOT_KEYS} sets`,
    ],
  };
}

function counterOf(index) {
  return keyFor(2e9 + (index % HOT_KEYS));
}

/** A transport that tallies what is published as events. */
function counting(transport, subjectPrefix, sent) {
  return {
    get connected() {
      return transport.connected;
    },
    get maxMessageBytes() {
      return transport.maxMessageBytes;
    },
    start: (self, listener) => transport.start(self, listener),
    publish(channel, address, bytes) {
      if (channel === "ev") {
        const subject = `${subjectPrefix}.ev.${address.node}.${address.incarnation}`;
        sent.bytes += bytes.length + `PUB ${subject} ${bytes.length}\r\n\r\n`.length;
        sent.messages++;
      }
      transport.publish(channel, address, bytes);
    },
    flush: (done) => transport.flush(done),
    close: () => transport.close(),
  };
}
