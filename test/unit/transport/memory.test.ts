import { describe, expect, it } from "vitest";
import { TidemarkError } from "../../../src/errors.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualTime } from "../../../src/testing/virtual-time.ts";
import { MemoryNetwork, type MemoryNetworkOptions } from "../../../src/transport/memory.ts";
import type { HostAddress } from "../../../src/transport/transport.ts";
import {
  bytes,
  count,
  heard,
  recorder,
  type Station,
  type Told,
  transportConformance,
} from "../../conformance/transport.ts";

function begin(options: Partial<MemoryNetworkOptions> = {}) {
  const time = new VirtualTime();
  const random = new Random(1);
  const network = new MemoryNetwork({
    after: (delayMs, task) => time.after(delayMs, task),
    now: () => time.now,
    random: () => random.next(),
    ...options,
  });
  const start = (label: string, incarnation = `${label}-1`): Station => {
    const told: Told[] = [];
    const address: HostAddress = { node: label, incarnation };
    const transport = network.transport(label);
    transport.start(address, recorder(told));
    time.run(1);
    return { transport, address, told };
  };
  const say = (station: Station, text: string) =>
    station.transport.publish("ev", station.address, bytes(text));
  return { time, network, start, say };
}

transportConformance("the in-memory network", () => {
  const { time, network } = begin();
  let made = 0;
  return { create: () => network.transport(`host-${++made}`), step: () => time.run(1) };
});

describe("faults of a link", () => {
  it("lose about as many messages as they say", () => {
    const { time, network, start, say } = begin({ faults: { loss: 0.25 } });
    const [a, b] = [start("a"), start("b")];
    for (let i = 0; i < 4_000; i++) say(a, "x");
    time.run(10);
    expect(heard(b).length).toBeGreaterThan(2_850);
    expect(heard(b).length).toBeLessThan(3_150);
    expect(network.counts.lost).toBe(4_000 - heard(b).length);
  });

  it("bring messages twice", () => {
    const { time, network, start, say } = begin();
    const [a, b] = [start("a"), start("b")];
    network.links.change({ duplicate: 1 });
    say(a, "x");
    time.run(10);
    expect(heard(b)).toEqual(["ev x", "ev x"]);
  });

  it("delay without changing the order, unless reordering is asked for", () => {
    const { time, network, start, say } = begin({ faults: { delay: { min: 5, max: 50 } } });
    const [a, b] = [start("a"), start("b")];
    const lines = Array.from({ length: 50 }, (_, index) => `${index}`);
    for (const line of lines) say(a, line);
    time.run(4);
    expect(heard(b)).toEqual([]);
    time.run(100);
    expect(heard(b)).toEqual(lines.map((line) => `ev ${line}`));

    b.told.length = 0;
    network.links.change({ reorder: 0.3, reorderMs: 100 });
    for (const line of lines) say(a, line);
    time.run(200);
    expect(heard(b)).not.toEqual(lines.map((line) => `ev ${line}`));
    expect(heard(b).sort()).toEqual(lines.map((line) => `ev ${line}`).sort());
  });

  it("can be those of one direction between two hosts", () => {
    const { time, network, start, say } = begin();
    const [a, b, c] = [start("a"), start("b"), start("c")];
    network.links.change({ loss: 1 }, { from: "a", to: "b" });
    for (const station of [a, b, c]) say(station, "x");
    time.run(10);
    expect([a, b, c].map((station) => heard(station).length)).toEqual([2, 1, 2]);
    expect(() => network.links.change({ loss: 2 })).toThrow(TypeError);
    expect(() => network.links.change({ delay: { min: 5, max: 1 } })).toThrow(TypeError);
  });
});

describe("a partition", () => {
  const cases: [name: string, act: (network: MemoryNetwork) => void, heardBy: Record<string, string>][] = [
    ["nobody", () => {}, { a: "bcd", b: "acd", c: "abd", d: "abc" }],
    ["halves", (n) => n.links.partition([["a", "b"]]), { a: "b", b: "a", c: "d", d: "c" }],
    ["three", (n) => n.links.partition([["a"], ["b"]]), { a: "", b: "", c: "d", d: "c" }],
    ["a single host", (n) => n.links.isolate("b"), { a: "cd", b: "", c: "ad", d: "ac" }],
    ["one way", (n) => n.links.cut("a", "b"), { a: "bcd", b: "cd", c: "abd", d: "abc" }],
  ];
  it.each(cases)("cuts off %s", (_, act, heardBy) => {
    const { time, network, start, say } = begin();
    const stations = ["a", "b", "c", "d"].map((label) => start(label));
    act(network);
    for (const station of stations) say(station, station.address.node);
    time.run(10);
    const heardNow = stations.map((station) => [
      station.address.node,
      heard(station).sort().join("").replaceAll("ev ", ""),
    ]);
    expect(Object.fromEntries(heardNow)).toEqual(heardBy);

    network.heal();
    say(stations[0]!, "!");
    time.run(10);
    for (const station of stations.slice(1)) expect(heard(station)).toContain("ev !");
  });

  it("does not keep the server from confirming a flush", () => {
    const { time, network, start } = begin();
    const a = start("a");
    network.links.isolate("a");
    const answers: unknown[] = [];
    a.transport.flush((error) => answers.push(error));
    time.run(10);
    expect(answers).toEqual([undefined]);
  });
});

describe("a connection", () => {
  it("that breaks loses what the server has not yet, fails its flushes, and comes back", () => {
    const { time, network, start, say } = begin({ uplinkMs: 1 });
    const [a, b] = [start("a"), start("b")];
    time.run(10);
    const answers: (string | undefined)[] = [];
    say(a, "confirmed");
    a.transport.flush((error) => answers.push(error?.code));
    time.run(2);
    say(a, "under way");
    a.transport.flush((error) => answers.push(error?.code));
    network.disconnect("a");
    expect(a.transport.connected).toBe(false);
    say(a, "while down");
    time.run(10);
    expect(answers).toEqual([undefined, "TRANSPORT"]);
    expect(a.told.at(-1)).toEqual({ type: "disconnected" });

    network.reconnect("a");
    time.run(10);
    expect(a.told.at(-1)).toEqual({ type: "connected" });
    say(a, "again");
    time.run(10);
    expect(heard(b)).toEqual(["ev confirmed", "ev again"]);
  });

  it("that stalls holds everything back, and lets it go on or loses it", () => {
    const { time, network, start, say } = begin();
    const [a, b] = [start("a"), start("b")];
    const answers: (string | undefined)[] = [];
    network.stall("a");
    say(a, "held");
    say(b, "for a");
    a.transport.flush((error) => answers.push(error?.code));
    time.run(1_000);
    expect([heard(a), heard(b), answers, a.transport.connected]).toEqual([[], [], [], true]);
    network.unstall("a");
    time.run(10);
    expect([heard(a), heard(b), answers]).toEqual([["ev for a"], ["ev held"], [undefined]]);

    network.stall("a");
    say(a, "lost");
    time.run(10);
    network.disconnect("a");
    network.reconnect("a");
    time.run(10);
    expect(heard(b)).toEqual(["ev held"]);
  });

  it("stays down for a host that starts while it is", () => {
    const { time, network, start } = begin();
    network.disconnect("a");
    const a = start("a");
    time.run(100);
    expect(a.told).toEqual([]);
    network.reconnect("a");
    time.run(100);
    expect(a.told).toEqual([{ type: "connected" }]);
  });

  it("ends without a word when its host is killed", () => {
    const { time, network, start, say } = begin();
    const [a, b] = [start("a"), start("b")];
    let answers = 0;
    say(a, "unsent");
    a.transport.flush(() => answers++);
    network.sever("a");
    time.run(10);
    expect([heard(b), answers, count(a, "disconnected")]).toEqual([[], 0, 0]);
  });

  it("can be refused", () => {
    const { time, network, start } = begin();
    const a = start("a");
    network.refuse("a", new TidemarkError("TRANSPORT", "no permission"));
    time.run(10);
    expect(count(a, "refused")).toBe(1);
  });
});

describe("a host that does not read", () => {
  it("finds what the queue held, in order, and not what overflowed", () => {
    const { time, network, start, say } = begin({ queue: { messages: 3, bytes: 1_000 } });
    const [a, b] = [start("a"), start("b")];
    network.pause("b");
    for (const line of ["1", "2", "3", "4", "5"]) say(a, line);
    time.run(1_000);
    expect(heard(b)).toEqual([]);
    network.resume("b");
    time.run(10);
    expect(heard(b)).toEqual(["ev 1", "ev 2", "ev 3"]);
    expect(network.counts.overflowed).toBe(2);
    say(a, "6");
    time.run(10);
    expect(heard(b).at(-1)).toBe("ev 6");
  });

  it("or reads slowly: a message in so many milliseconds, the queue bounded in bytes too", () => {
    const { time, network, start, say } = begin({ queue: { messages: 100, bytes: 4 } });
    const [a, b] = [start("a"), start("b")];
    network.slow("b", 100);
    for (const line of ["11", "22", "33"]) say(a, line);
    time.run(101);
    expect(heard(b)).toEqual(["ev 11"]);
    time.run(1_000);
    expect(heard(b)).toEqual(["ev 11", "ev 22"]);
  });
});

describe("the network", () => {
  it("counts messages and bytes by host and channel", () => {
    const { time, network, start } = begin();
    const [a, b, c] = [start("a"), start("b"), start("c")];
    a.transport.publish("ev", a.address, bytes("four"));
    a.transport.publish("ev", a.address, bytes("four"));
    b.transport.publish("rq", a.address, bytes("two"));
    time.run(10);
    expect(network.traffic("a").sent.ev).toEqual({ messages: 2, bytes: 8 });
    expect(network.traffic("c").received.ev).toEqual({ messages: 2, bytes: 8 });
    expect(network.traffic("a").received.rq).toEqual({ messages: 1, bytes: 3 });
    expect(heard(c)).toHaveLength(2);
  });

  it("lets nobody keep what it was handed", () => {
    const { time, network, start, say } = begin();
    const a = start("a");
    let kept = new Uint8Array();
    network.transport("b").start(
      { node: "b", incarnation: "b-1" },
      {
        connected() {},
        disconnected() {},
        refused() {},
        received: (_channel, _from, view) => {
          kept = view as Uint8Array<ArrayBuffer>;
        },
      },
    );
    time.run(1);
    const sent = bytes("sent");
    a.transport.publish("ev", a.address, sent);
    say(a, "next");
    time.run(10);
    expect(new TextDecoder().decode(sent)).toBe("sent");
    expect([...kept]).toEqual([0xdb, 0xdb, 0xdb, 0xdb]);
  });

  it("can echo, as a connection without noEcho does", () => {
    const { time, start, say } = begin({ echo: true });
    const a = start("a");
    say(a, "me");
    time.run(10);
    expect(heard(a)).toEqual(["ev me"]);
  });

  it("changes the largest message", () => {
    const { time, network, start, say } = begin({ maxMessageBytes: 4 });
    const [a, b] = [start("a"), start("b")];
    say(a, "large");
    network.maxMessageBytes = 5;
    say(a, "large");
    time.run(10);
    expect([a.transport.maxMessageBytes, count(a, "refused"), heard(b)]).toEqual([5, 1, ["ev large"]]);
  });
});
