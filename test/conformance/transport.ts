/**
 * What every transport has to do, whatever is behind it: one suite, run by each implementation's test
 * file with a bed of its own. It expects a network without faults; a bed that can make faults has them
 * switched off. Nothing here sleeps: that a message does not come is known from one sent after it.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { TidemarkError } from "../../src/errors.ts";
import type { Channel, HostAddress, Transport, TransportListener } from "../../src/transport/transport.ts";

/** One network, and transports on it. */
export interface TransportBed {
  /** A new transport, not started, that hears the others of this bed and nobody else. */
  create(): Transport | Promise<Transport>;
  /** Lets the network do a step, where it does not run by itself; called while the suite waits. */
  step?(): void;
  /** Called when a test is over; the suite has closed the transports by then. */
  dispose?(): void | Promise<void>;
}

/** One thing a listener was told, in the order of telling. */
export type Told =
  | { readonly type: "connected" | "disconnected" }
  | { readonly type: "refused"; readonly error: TidemarkError }
  | {
      readonly type: "received";
      readonly channel: Channel;
      readonly from: HostAddress;
      readonly bytes: Uint8Array;
    };

/** A started transport, and what its listener was told. */
export interface Station {
  readonly transport: Transport;
  readonly address: HostAddress;
  readonly told: Told[];
}

/** A listener that writes down what it is told; bytes are copied, being valid during the call only. */
export function recorder(told: Told[]): TransportListener {
  return {
    connected: () => told.push({ type: "connected" }),
    disconnected: () => told.push({ type: "disconnected" }),
    refused: (error) => told.push({ type: "refused", error }),
    received: (channel, from, bytes) => {
      told.push({ type: "received", channel, from, bytes: Uint8Array.from(bytes) });
    },
  };
}

/** What a station received, as `channel text` or, with an address, `channel node/incarnation text`. */
export function heard(station: Station, withAddress = false): string[] {
  return station.told.flatMap((told) => {
    if (told.type !== "received") return [];
    const text = new TextDecoder().decode(told.bytes);
    return withAddress
      ? `${told.channel} ${told.from.node}/${told.from.incarnation} ${text}`
      : `${told.channel} ${text}`;
  });
}

export function count(station: Station, type: Told["type"]): number {
  return station.told.filter((told) => told.type === type).length;
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const POLL_MS = 2;
const PATIENCE_MS = 10_000;

/** Waits until a condition holds; throws, with what it was about, when it never does. */
export async function until(condition: () => boolean, about: string, step?: () => void): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${about}`);
    step?.();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The suite. `open` is called for every test. */
export function transportConformance(name: string, open: () => TransportBed | Promise<TransportBed>): void {
  describe(`${name} as a transport`, () => {
    let bed: TransportBed;
    let stations: Station[] = [];

    const wait = (condition: () => boolean, about: string) => until(condition, about, () => bed.step?.());

    const start = async (node: string, incarnation: string): Promise<Station> => {
      const station = { transport: await bed.create(), address: { node, incarnation }, told: [] };
      station.transport.start(station.address, recorder(station.told));
      stations.push(station);
      await wait(() => station.transport.connected, `${node} is connected`);
      return station;
    };

    const begin = async (...nodes: string[]): Promise<Station[]> => {
      bed = await open();
      stations = [];
      for (const node of nodes) await start(node, `${node}-1`);
      return stations;
    };

    const flushed = async (station: Station): Promise<TidemarkError | undefined> => {
      const answers: (TidemarkError | undefined)[] = [];
      station.transport.flush((error) => answers.push(error));
      await wait(() => answers.length > 0, "the flush is answered");
      expect(answers).toHaveLength(1);
      return answers[0];
    };

    afterEach(async () => {
      await Promise.all(stations.map(({ transport }) => transport.close()));
      await bed.dispose?.();
    });

    it("tells its listener of the link once start has returned", async () => {
      await begin();
      const told: Told[] = [];
      const transport = await bed.create();
      expect(transport.connected).toBe(false);
      transport.start({ node: "a", incarnation: "a-1" }, recorder(told));
      stations.push({ transport, address: { node: "a", incarnation: "a-1" }, told });
      expect(told).toEqual([]);
      await wait(() => told.length > 0, "the listener is told");
      expect(told).toEqual([{ type: "connected" }]);
      expect(transport.connected).toBe(true);
    });

    it("brings events and heartbeats to all others, named after their sender, and not back to it", async () => {
      const [a, b, c] = await begin("a", "b", "c");
      a!.transport.publish("ev", a!.address, bytes("one"));
      a!.transport.publish("hb", a!.address, bytes("two"));
      for (const other of [b!, c!]) {
        await wait(() => heard(other).length === 2, "both messages are there");
        expect(heard(other, true).sort()).toEqual(["ev a/a-1 one", "hb a/a-1 two"]);
      }
      b!.transport.publish("ev", b!.address, bytes("three"));
      await wait(() => heard(a!).length > 0, "a hears b");
      expect(heard(a!, true)).toEqual(["ev b/b-1 three"]);
    });

    it("brings requests and answers to the one incarnation they are for", async () => {
      const [a, b] = await begin("a", "b");
      const again = await start("b", "b-2");
      a!.transport.publish("rq", b!.address, bytes("ask"));
      a!.transport.publish("rp", again.address, bytes("answer"));
      a!.transport.publish("ev", a!.address, bytes("last"));
      for (const station of [b!, again]) {
        await wait(() => heard(station).length === 2, "the message and the one after it are there");
      }
      expect(heard(b!, true).sort()).toEqual(["ev a/a-1 last", "rq b/b-1 ask"]);
      expect(heard(again, true).sort()).toEqual(["ev a/a-1 last", "rp b/b-2 answer"]);
      expect(heard(a!)).toEqual([]);
    });

    it("tells two incarnations of one node apart", async () => {
      const [first, other] = await begin("a", "b");
      const second = await start("a", "a-2");
      second.transport.publish("hb", second.address, bytes("new"));
      for (const station of [first!, other!]) {
        await wait(() => heard(station).length === 1, "the heartbeat is there");
        expect(heard(station, true)).toEqual(["hb a/a-2 new"]);
      }
    });

    it("brings every byte, up to the largest message", async () => {
      const [a, b] = await begin("a", "b");
      const size = a!.transport.maxMessageBytes;
      expect(size).toBeGreaterThanOrEqual(512);
      const sent = [
        Uint8Array.from({ length: 256 }, (_, i) => i),
        new Uint8Array([0]),
        new Uint8Array(size).fill(7),
      ];
      for (const message of sent) a!.transport.publish("ev", a!.address, Uint8Array.from(message));
      await wait(() => b!.told.length === 1 + sent.length, "all are there");
      const received = b!.told.flatMap((told) => (told.type === "received" ? [told.bytes] : []));
      received.sort((x, y) =>
        x.byteLength === 256 ? -1 : y.byteLength === 256 ? 1 : x.byteLength - y.byteLength,
      );
      expect(received.map(({ byteLength }) => byteLength)).toEqual(sent.map(({ byteLength }) => byteLength));
      for (const [i, message] of sent.entries()) expect(Buffer.compare(received[i]!, message)).toBe(0);
    });

    it("keeps the order of one publisher when nothing goes wrong", async () => {
      const [a, b] = await begin("a", "b");
      const sent = Array.from({ length: 2_000 }, (_, i) => `ev ${i}`);
      for (const line of sent) a!.transport.publish("ev", a!.address, bytes(line.slice(3)));
      await wait(() => heard(b!).length === sent.length, "all are there");
      expect(heard(b!)).toEqual(sent);
    });

    it("answers each flush once, in order, and not before it returned", async () => {
      const [a] = await begin("a", "b");
      const answered: string[] = [];
      for (const name of ["first", "second", "third"]) {
        a!.transport.publish("ev", a!.address, bytes(name));
        a!.transport.flush((error) => answered.push(error === undefined ? name : error.message));
      }
      expect(answered).toEqual([]);
      await wait(() => answered.length >= 3, "all are answered");
      expect(answered).toEqual(["first", "second", "third"]);
    });

    it("refuses a message that is too large, and goes on", async () => {
      const [a, b] = await begin("a", "b");
      a!.transport.publish("ev", a!.address, new Uint8Array(a!.transport.maxMessageBytes + 1));
      await wait(() => count(a!, "refused") > 0, "the listener is told");
      const refused = a!.told.find((told) => told.type === "refused");
      expect(refused?.error.code).toBe("TRANSPORT");
      a!.transport.publish("ev", a!.address, bytes("small"));
      await wait(() => heard(b!).length > 0, "the next one is there");
      expect(heard(b!)).toEqual(["ev small"]);
      expect(await flushed(a!)).toBeUndefined();
    });

    it("drops what is published before the start, and fails a flush", async () => {
      const [a] = await begin("a");
      const transport = await bed.create();
      const station: Station = { transport, address: { node: "b", incarnation: "b-1" }, told: [] };
      stations.push(station);
      transport.publish("ev", station.address, bytes("early"));
      expect((await flushed(station))?.code).toBe("TRANSPORT");
      transport.start(station.address, recorder(station.told));
      await wait(() => transport.connected, "it is connected");
      transport.publish("ev", station.address, bytes("late"));
      await wait(() => heard(a!).length > 0, "the late one is there");
      expect(heard(a!)).toEqual(["ev late"]);
    });

    it("is silent once closed, and takes a second close", async () => {
      const [a, b] = await begin("a", "b");
      await a!.transport.close();
      await a!.transport.close();
      const told = a!.told.length;
      expect(a!.transport.connected).toBe(false);
      a!.transport.publish("ev", a!.address, bytes("too late"));
      expect((await flushed(a!))?.code).toBe("TRANSPORT");
      b!.transport.publish("rq", a!.address, bytes("anybody there?"));
      b!.transport.publish("ev", b!.address, bytes("hello"));
      expect(await flushed(b!)).toBeUndefined();
      const c = await start("c", "c-1");
      b!.transport.publish("ev", b!.address, bytes("last"));
      await wait(() => heard(c).length > 0, "the last one is there");
      expect(a!.told).toHaveLength(told);
      expect(heard(b!)).toEqual([]);
    });

    it("sees off what was published before it is closed", async () => {
      const [a, b] = await begin("a", "b");
      a!.transport.publish("hb", a!.address, bytes("goodbye"));
      await a!.transport.close();
      await wait(() => heard(b!).length > 0, "the goodbye is there");
      expect(heard(b!)).toEqual(["hb goodbye"]);
    });

    it("answers a flush that is under way when it is closed", async () => {
      const [a] = await begin("a");
      let answers = 0;
      a!.transport.flush(() => answers++);
      await a!.transport.close();
      await wait(() => answers > 0, "the flush is answered");
      expect(answers).toBe(1);
    });
  });
}
