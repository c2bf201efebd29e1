/**
 * A member gone bad among honest hosts, on the simulated network: whatever it sends, they live on, do their
 * work, keep their memory, and say who it is.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import { VersionVector } from "../../../src/causality/version-vector.ts";
import { valueEvent } from "../../../src/crdt/event.ts";
import type { Host } from "../../../src/host.ts";
import { FrameBuilder } from "../../../src/replication/frame.ts";
import { encodeChunk } from "../../../src/replication/image-codec.ts";
import { bulkType, decodeMessage, encodeMessage } from "../../../src/replication/message-codec.ts";
import type { Heartbeat, Message } from "../../../src/replication/messages.ts";
import type { ReplicationEvent } from "../../../src/replication/replication-event.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualCluster, type VirtualClusterOptions } from "../../../src/testing/virtual-cluster.ts";
import type { Channel, HostAddress, Transport } from "../../../src/transport/transport.ts";

const NAMESPACE = "default";
const EVIL: HostAddress = { node: "evil", incarnation: "01EVIL" };

let cluster: VirtualCluster;
let evil: Transport;
/** What was sent to it. */
let heard: Message[];
let events: ReplicationEvent[];

function begin(options: Partial<VirtualClusterOptions> = {}): void {
  cluster = new VirtualCluster({ options: { heartbeat: "1s" }, ...options });
  cluster.add();
  cluster.add();
  cluster.settle();
  heard = [];
  evil = cluster.network.transport("evil");
  evil.start(EVIL, {
    connected: () => undefined,
    disconnected: () => undefined,
    refused: () => undefined,
    received: (_channel, _address, bytes) => {
      if (bulkType(bytes) === undefined) heard.push(decodeMessage(bytes, NAMESPACE));
    },
  });
  cluster.run(100);
  events = [];
  victim().on("replication", (batch) => events.push(...batch));
}

beforeEach(() => begin());
afterEach(() => cluster[Symbol.asyncDispose]());

const victim = (): Host => cluster.hosts[0]!;
const friend = (): Host => cluster.hosts[1]!;
const addressOf = (host: Host): HostAddress => ({ node: host.node, incarnation: host.incarnation });
const send = (channel: Channel, to: HostAddress, message: Message | Uint8Array): void =>
  evil.publish(channel, to, message instanceof Uint8Array ? message : encodeMessage(message, NAMESPACE));

let counter = 0;
function heartbeat(changes: Partial<Heartbeat> = {}): Heartbeat {
  return {
    type: "heartbeat",
    incarnation: EVIL.incarnation,
    node: EVIL.node,
    counter: ++counter,
    seq: 0,
    wallMs: cluster.now,
    state: "ready",
    vectorHash: "0".repeat(16),
    digest: "0".repeat(16),
    keys: 0,
    serves: "none",
    settled: 0,
    partial: false,
    complete: true,
    rows: [],
    ...changes,
  };
}

/** What the victim remembers of a host. */
function refused(node = EVIL.node): Record<string, number> {
  return {
    ...victim()
      .status()
      .quarantine.find((each) => each.node === node)?.refused,
  };
}

/** That the honest hosts do their work, and within a second. */
function expectWork(): void {
  friend().increment("work");
  victim().increment("work");
  cluster.run("1s");
  const both = [victim(), friend()].map((host) => host.get("work"));
  expect(both[0]).toBe(both[1]);
  expect([victim().status().state, friend().status().state]).toEqual(["ready", "ready"]);
  expect(victim().status().digest).toBe(friend().status().digest);
}

describe("a hostile member", () => {
  it("sends garbage: it is refused, counted, named, and told of once a second", () => {
    const random = new Random(3);
    const noise = () => Uint8Array.from({ length: 1 + random.integer(0, 199) }, () => random.integer(0, 255));
    for (let i = 0; i < 2_000; i++) {
      for (const channel of ["ev", "hb"] as const) send(channel, EVIL, noise());
      for (const channel of ["rq", "rp"] as const) send(channel, addressOf(victim()), noise());
      cluster.run(2);
    }
    expectWork();
    expect(refused().malformed).toBe(4_000);
    expect(refused("?").malformed).toBe(4_000);
    expect(victim().status().counts.rejected).toBe(8_000);
    const told = events.flatMap((event) =>
      event.type === "quarantine" && event.node === "evil" ? [event] : [],
    );
    expect(told.length).toBeLessThan(8);
    expect(told[0]).toMatchObject({
      reason: "malformed",
      count: 1,
      detail: expect.stringContaining("on ev"),
    });
    expect(victim().status().quarantine.at(-1)!.last).toMatch(/^malformed: on /);
  });

  it("claims lengths beyond all there is, in every place of a message", () => {
    const plain = encodeMessage(heartbeat({ rows: [["A", 1]] }), NAMESPACE);
    for (let at = 0; at < plain.length; at++) {
      for (const head of [0x5b, 0x7b, 0x9b, 0xbb, 0xdb, 0x5a, 0x9a]) {
        const huge = Uint8Array.of(...plain.subarray(0, at), head, ...new Array(8).fill(0xff));
        send("hb", EVIL, huge);
      }
    }
    const fragment = {
      type: "fragment",
      incarnation: "01EVIL",
      id: 1,
      index: 0,
      bytes: new Uint8Array(1),
    } as const;
    for (const count of [0, 2 ** 31, Number.MAX_SAFE_INTEGER])
      send("ev", EVIL, encodeMessage({ ...fragment, count }, NAMESPACE));
    cluster.run(100);
    expect(refused().malformed).toBe(plain.length * 7 + 3);
    expectWork();
  });

  it("speaks for others: what it says so is not heard", () => {
    send("hb", EVIL, heartbeat());
    cluster.run(50);
    const origins = new Origins(friend().incarnation);
    const builder = new FrameBuilder(NAMESPACE, origins);
    const seq = friend().token().seq + 1;
    builder.add(valueEvent("key", "forged", Number.POSITIVE_INFINITY, null, null, 0, seq, 1));
    const forged = builder.finish(0, 0).bytes;
    // Under its own name, of another's events; and with the other's incarnation in its own subject.
    send("ev", EVIL, forged);
    send("ev", { ...EVIL, incarnation: friend().incarnation }, forged);
    send("hb", EVIL, heartbeat({ incarnation: friend().incarnation, node: friend().node, state: "leaving" }));
    send(
      "hb",
      { ...EVIL, incarnation: friend().incarnation },
      heartbeat({ incarnation: friend().incarnation, state: "leaving" }),
    );
    send("hb", EVIL, heartbeat({ node: friend().node }));
    cluster.run(50);
    expect(victim().get("key")).toBeUndefined();
    expect(refused()).toEqual({ "not-its-own": 5 });
    expect(
      victim()
        .status()
        .hosts.find(({ node }) => node === friend().node),
    ).toMatchObject({ state: "ready", refused: {} });
    expect(
      victim()
        .status()
        .hosts.find(({ node }) => node === "evil"),
    ).toMatchObject({ refused: { "not-its-own": 5 } });
    expectWork();
  });

  it("puts messages on channels where they do not belong", () => {
    send("hb", EVIL, heartbeat());
    const origins = new Origins(EVIL.incarnation);
    const builder = new FrameBuilder(NAMESPACE, origins);
    builder.add(valueEvent("key", "x", Number.POSITIVE_INFINITY, null, null, 0, 1, 1));
    const frame = builder.finish(0, 0).bytes;
    send("hb", EVIL, frame);
    send("rp", addressOf(victim()), frame);
    send("ev", EVIL, heartbeat());
    send("hb", EVIL, { type: "rows-request", incarnation: EVIL.incarnation, node: "evil" });
    send("rp", addressOf(victim()), { type: "rows-request", incarnation: EVIL.incarnation, node: "evil" });
    send("rq", addressOf(victim()), { type: "acknowledgement", incarnation: EVIL.incarnation, seq: 1 });
    cluster.run(50);
    expect(refused()).toEqual({ misplaced: 5 });
    expect(refused("?")).toEqual({ misplaced: 1 });
    expectWork();
  });

  it("claims to have applied what was never written: nobody counts on it", async () => {
    cluster.crash(1);
    cluster.run("10s");
    victim().set("mine", "1");
    const { seq } = victim().token();
    const rows: Heartbeat["rows"] = [[victim().incarnation, seq + 1_000]];
    send("hb", EVIL, heartbeat({ rows }));
    send("rp", addressOf(victim()), {
      type: "acknowledgement",
      incarnation: EVIL.incarnation,
      seq: seq + 1_000,
    });
    cluster.run(50);
    expect(refused()).toEqual({ "false-row": 2 });
    victim().set("mine", "2");
    // It is believed for what it claims of what there is, for so speaks an honest host; not for what is to come.
    expect(await cluster.until(victim().replicated({ timeout: "2s" }))).toBe(0);
  });

  it("claims events of another host that it never made: the author denies them, and the gap is closed", () => {
    const rows: Heartbeat["rows"] = [[friend().incarnation, 2 ** 52]];
    for (let second = 0; second < 30; second++) {
      send("hb", EVIL, heartbeat({ rows: second < 15 ? rows : [] }));
      cluster.run("1s");
    }
    expect(refused()["false-row"]).toBeGreaterThan(0);
    expect(victim().inspect().needs).toBe(0);
    expect(
      victim()
        .status()
        .hosts.find(({ node }) => node === "evil")!.aheadEvents,
    ).toBe(0);
    expectWork();
  });

  it("names hosts that never were: so many are kept and no more, few are asked for, and joiners get ready", () => {
    const before = cluster.network.traffic(victim().node).sent.rq.messages;
    let invented = 0;
    for (let second = 0; second < 20; second++) {
      const rows = Array.from({ length: 2_000 }, (): [string, number] => [`ghost-${invented++}`, 1e9]);
      send("hb", EVIL, heartbeat({ rows }));
      cluster.run("1s");
    }
    const { highWaterMarks } = victim()
      .status()
      .hosts.find(({ node }) => node === "evil")!;
    expect(Object.keys(highWaterMarks).length).toBeLessThanOrEqual(4_100);
    expect(refused()["too-many-names"]).toBeGreaterThan(35_000);
    expect(cluster.network.traffic(victim().node).sent.rq.messages - before).toBeLessThan(20 * 1_700);
    expectWork();
    const joiner = cluster.add() as Host;
    for (let step = 0; step < 1_000 && joiner.status().state !== "ready"; step++) {
      send("hb", EVIL, heartbeat({ rows: [["ghost-1", 1e9]] }));
      cluster.run(50);
    }
    expect(joiner.status()).toMatchObject({ state: "ready" });
    expect(joiner.get("work")).toBe(victim().get("work"));
    expect(joiner.status().quarantine.find(({ node }) => node === "evil")!.last).toContain("nobody delivers");
  });

  it("plays a thousand new hosts a second: few are remembered, and the fleet goes on as before", () => {
    for (let i = 0; i < 30_000; i++) {
      const incarnation = `01EVIL${i}`;
      send("hb", { node: "evil", incarnation }, heartbeat({ incarnation }));
      cluster.run(1);
    }
    const { hosts, counts } = victim().status();
    expect(hosts.length).toBeLessThanOrEqual(1 + 64);
    expect(counts.dropped).toBeGreaterThan(15_000);
    expect(refused().flood).toBeGreaterThan(15_000);
    expectWork();
    cluster.run("15s");
    expect(
      victim()
        .status()
        .hosts.filter(({ live }) => live),
    ).toHaveLength(1);
  });

  it("plays hosts of as many names: there is an end to them", () => {
    for (let i = 0; i < 3_000; i++) {
      const self = { node: `evil-${i}`, incarnation: `01EVIL${i}` };
      send("hb", self, heartbeat(self));
      if (i % 10 === 0) cluster.run(1);
    }
    expect(victim().status().hosts.length).toBeLessThanOrEqual(1_024);
    expect(victim().status().quarantine.length).toBeLessThanOrEqual(128);
    expect(victim().status().quarantine.at(-1)!.refused).toEqual({ "too-many-hosts": 1 });
    expectWork();
  });

  it("stamps its events a year ahead: they are taken, our own clock follows by seconds, and its name is told", () => {
    const year = 365 * 86_400_000 * 4096;
    const builder = new FrameBuilder(NAMESPACE, new Origins(EVIL.incarnation));
    const stamp = (cluster.now + Date.UTC(2026, 0, 1) - Date.UTC(2020, 0, 1)) * 4096 + year;
    builder.add(valueEvent("key", "from the future", Number.POSITIVE_INFINITY, null, null, 0, 1, stamp));
    send("hb", EVIL, heartbeat());
    send("ev", EVIL, builder.finish(0, 0).bytes);
    cluster.run(100);
    expect(refused()).toEqual({ "future-stamp": 1 });
    expect(victim().status().counts).toMatchObject({ futureStamps: 1, rejected: 0 });
    expect(victim().get("key")).toBe("from the future");
    victim().set("key", "now");
    cluster.run(100);
    expect(friend().get("key")).toBe("now");
    expectWork();
  });

  it("floods with requests: they are answered up to a bound, and the rest is left out", () => {
    victim().set("large", "x".repeat(1_000_000));
    cluster.run(100);
    send("hb", EVIL, heartbeat());
    cluster.run(100);
    const sent = () => cluster.network.traffic(victim().node).sent.rp;
    const before = { ...sent() };
    const from = { incarnation: EVIL.incarnation, node: "evil" };
    for (let i = 0; i < 20_000; i++) {
      const origin = victim().incarnation;
      send("rq", addressOf(victim()), {
        type: "replay-request",
        ...from,
        origin,
        first: 1 + (i % 3),
        last: 9,
      });
      send("rq", addressOf(victim()), {
        type: "sync-request",
        ...from,
        session: `01EVIL-${i}`,
        seen: [],
        digests: new Uint8Array(0),
      });
      send("rq", addressOf(victim()), { type: "chunk-request", ...from, session: "01EVIL-0", index: 0 });
      if (i % 10 === 0) cluster.run(1);
    }
    const seconds = 2;
    expect(sent().messages - before.messages).toBeLessThan(4_000 + 2_100 * seconds);
    // Replays and repeated chunks by their budget; snapshots that are begun at all by theirs.
    expect(sent().bytes - before.bytes).toBeLessThan(2 * 32 * 1024 * 1024 * (seconds + 1) + 45 * 1_100_000);
    expect(refused().flood).toBeGreaterThan(40_000);
    expectWork();
    cluster.run("30s");
    const joiner = cluster.add();
    cluster.run("5s");
    expect(joiner.get("large")).toHaveLength(1_000_000);
  });

  it("sends pieces of messages that never become whole: they do not gather", () => {
    const piece = (id: number, bytes: Uint8Array): Message => ({
      type: "fragment",
      incarnation: "01EVIL",
      id,
      index: 0,
      count: 2,
      bytes,
    });
    for (let id = 0; id < 300; id++) send("ev", EVIL, piece(id, new Uint8Array(512 * 1024)));
    for (let id = 300; id < 20_000; id++) send("ev", EVIL, piece(id, new Uint8Array(1)));
    cluster.run(100);
    expect(victim().status().fragmentBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect(victim().status().counts.dropped).toBeGreaterThan(100);
    expectWork();
    cluster.run("35s");
    expect(victim().status().fragmentBytes).toBe(0);
    // Pieces that are pieces again, many times over.
    let nested: Uint8Array = new Uint8Array(1);
    for (let id = 0; id < 2_000; id++)
      nested = encodeMessage(
        { type: "fragment", incarnation: "01EVIL", id, index: 0, count: 1, bytes: nested },
        NAMESPACE,
      );
    send("ev", EVIL, nested);
    cluster.run(10);
    expect(refused()).toEqual({ malformed: 1 });
  });

  it("sends frames beyond a gap without end, of many origins: what waits is bounded", () => {
    begin({ settings: { inboxBytes: 100_000 } });
    const filler = "x".repeat(1_000);
    for (let i = 0; i < 4_000; i++) {
      const self = { node: "evil", incarnation: `01EVIL${i % 100}` };
      const builder = new FrameBuilder(NAMESPACE, new Origins(self.incarnation));
      builder.add(valueEvent("key", filler, Number.POSITIVE_INFINITY, null, null, 0, 10 + i, 1));
      send("ev", self, builder.finish(0, 0).bytes);
      if (i % 50 === 0) cluster.run(1);
    }
    cluster.run(100);
    expect(victim().status().inboxBytes).toBeLessThanOrEqual(400_000);
    expect(victim().get("key")).toBeUndefined();
    expectWork();
  });

  it("gives a snapshot without end: it is given up, and the joiner takes that of an honest host", () => {
    begin({ settings: { imageBytes: 4_000_000 } });
    victim().set("real", "value");
    cluster.run(100);
    const joiner = cluster.add() as Host;
    let given = 0;
    for (let step = 0; step < 2_000 && joiner.status().state !== "ready"; step++) {
      // It claims the most, so that it is asked first.
      if (step % 3 === 0) send("hb", EVIL, heartbeat({ seq: 1e6 }));
      for (const message of heard.splice(0)) {
        if (message.type !== "sync-request" && message.type !== "chunk-request") continue;
        const index = message.type === "chunk-request" ? message.index : 0;
        const origins = new Origins(EVIL.incarnation);
        const entry = {
          kind: "value",
          value: "x".repeat(250_000),
          origin: 0,
          seq: 1,
          stamp: 1,
          deadline: Number.POSITIVE_INFINITY,
          loaded: false,
        } as const;
        const nothing = { seen: [], cells: [], masked: [], mixed: [] };
        const buckets = [{ bucket: index % 4096, entries: [{ key: "k", entry }], ...nothing }];
        const vector = new VersionVector([1e6]);
        const rest = { vector, buckets, pending: [], evicted: null };
        const chunk = { session: message.session, index, last: false, ...rest };
        send("rp", addressOf(joiner), encodeChunk(chunk, NAMESPACE, origins));
        given++;
      }
      cluster.run(20);
    }
    expect(given).toBeGreaterThan(10);
    expect(given).toBeLessThan(60);
    expect(joiner.get("real")).toBe("value");
    expect(joiner.get("k")).toBeUndefined();
    expect(joiner.status().quarantine.find(({ node }) => node === "evil")!.refused).toMatchObject({
      endless: expect.any(Number),
    });
    expect(joiner.status().state).toBe("ready");
  });
});
