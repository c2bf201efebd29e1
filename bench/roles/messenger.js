/**
 * One end of a latency measurement: a host, and beside it a bare connection of the same client. What is sent
 * carries the time it was sent at; the time it came is taken first of all.
 */
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "nats";
import { open } from "../../dist/index.js";
import { serveRole, sharedMicros } from "../rig/processes.js";
import { KEY_BYTES, keyFor, VALUE_BYTES } from "../rig/workload.js";

const KEYS = 1_000;

let host;
let connection;
let latencies = { set: [], bare: [] };

serveRole({
  async open({ options, url }) {
    host = await open(options);
    await host.ready();
    connection = await connect({ servers: url, noEcho: true });
  },

  async listen({ subject }) {
    connection.subscribe(subject, {
      callback: (_, { data }) => {
        const at = sharedMicros();
        latencies.bare.push(at - Number(Buffer.from(data).latin1Slice(KEY_BYTES)));
      },
    });
    await connection.flush();
    void follow(host.watch());
  },

  /** As fast as it goes, so that both ways are compiled as they are in a service that has run for a while. */
  async warmUp({ subject, count }) {
    for (let i = 0; i < count; i++) {
      host.set(keyFor(i % KEYS), stamped());
      connection.publish(subject, Buffer.from(keyFor(i % KEYS) + stamped(), "latin1"));
      if (i % 16 === 0) await new Promise(setImmediate);
    }
    await connection.flush();
    await host.replicated();
  },

  /** Sends `count` of each by turns, with random pauses around `pauseMs`; bare ones as large as key and value. */
  async send({ subject, count, pauseMs }) {
    const keys = Array.from({ length: KEYS }, (_, i) => keyFor(i));
    for (let i = 0; i < count; i++) {
      await delay(1 + Math.random() * 2 * (pauseMs - 1));
      host.set(keys[i % KEYS], stamped());
      await delay(1 + Math.random() * 2 * (pauseMs - 1));
      connection.publish(subject, Buffer.from(keys[i % KEYS] + stamped(), "latin1"));
    }
    await connection.flush();
    await host.replicated();
  },

  /** What has arrived since the last call. */
  latencies: () => {
    const arrived = latencies;
    latencies = { set: [], bare: [] };
    return arrived;
  },

  async close() {
    await connection.close();
    await host.close();
  },
});

function stamped() {
  return String(sharedMicros()).padStart(VALUE_BYTES, " ");
}

async function follow(changes) {
  for await (const change of changes) {
    const at = sharedMicros();
    if (change.type === "set" && change.origin !== undefined) latencies.set.push(at - Number(change.value));
  }
}
