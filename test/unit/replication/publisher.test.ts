/** Own events on their way out, over ports made by hand: nothing counts as sent until it was confirmed. */
import { describe, expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import { type EventBody, eventFrom } from "../../../src/crdt/event.ts";
import { ACK_REQUESTED, type Frame, FrameBuilder, readFrameHeader } from "../../../src/replication/frame.ts";
import { Publisher } from "../../../src/replication/publisher.ts";
import { Random } from "../../../src/testing/random.ts";

const MIB = 1024 * 1024;

function begun(frameBytes = 1) {
  const state: { connected: boolean; reached: number | undefined } = { connected: true, reached: undefined };
  const slow = (reached: number) => ({ node: "slow", reached });
  const published: Frame[] = [];
  const logged: Frame[] = [];
  const flushes: ((error?: unknown) => void)[] = [];
  let confirmed = 0;
  const publisher = new Publisher(new FrameBuilder("n", new Origins("self")), frameBytes, 64 * MIB, {
    connected: () => state.connected,
    publish: (frame) => published.push(frame),
    flush: (done) => flushes.push(done),
    framed: (frame) => logged.push(frame),
    confirmed: () => confirmed++,
    slowest: (floor) =>
      state.reached !== undefined && state.reached >= floor ? slow(state.reached) : undefined,
  });
  let seq = 0;
  return {
    publisher,
    state,
    published,
    logged,
    flushes,
    seqs: () => published.map(({ first }) => first),
    confirmations: () => confirmed,
    /** One command of so many events, at the end of its turn unless told otherwise. */
    write(value = "x", { events = 1, release = true } = {}) {
      for (let i = 0; i < events; i++) {
        const body: EventBody = { key: "k", add: { kind: "value", value, deadline: 1 / 0, loaded: false } };
        publisher.add(eventFrom(body, 0, ++seq, 4096 * seq));
      }
      publisher.endCommand();
      if (release) publisher.release();
    },
  };
}

describe("Publisher", () => {
  it("sends what one turn wrote as one frame, at the end of it", () => {
    const { publisher, published, logged, write } = begun(1_000);
    write("x", { release: false });
    write("y", { release: false });
    expect([published.length, publisher.open, publisher.unconfirmedBytes > 0]).toEqual([0, true, true]);
    publisher.release();
    expect(published.map(({ first, last }) => [first, last])).toEqual([[1, 2]]);
    expect(logged).toEqual(published);
    expect(publisher.open).toBe(false);
    publisher.release();
    expect(published).toHaveLength(1);
  });

  it("closes a frame that is full, but never within a command", () => {
    const { published, write } = begun(100);
    write("x".repeat(40), { events: 10, release: false });
    expect(published.map(({ first, last }) => [first, last])).toEqual([[1, 10]]);
  });

  it("confirms what was sent before the flush began, and nothing after it", () => {
    const { publisher, flushes, write, confirmations } = begun();
    write();
    publisher.confirm();
    write();
    publisher.confirm();
    expect(flushes, "one flush at a time").toHaveLength(1);
    flushes.shift()!();
    expect([publisher.confirmedSeq, confirmations()]).toEqual([1, 1]);
    publisher.confirm();
    flushes.shift()!();
    expect([publisher.confirmedSeq, publisher.unconfirmedBytes]).toEqual([2, 0]);
    publisher.confirm();
    expect(flushes, "there is nothing to confirm").toHaveLength(0);
  });

  it("takes a flush that failed for nothing", () => {
    const { publisher, flushes, write, confirmations } = begun();
    write();
    publisher.confirm();
    flushes.shift()!(new Error("unknown"));
    expect([publisher.confirmedSeq, confirmations()]).toEqual([0, 0]);
    publisher.confirm();
    flushes.shift()!();
    expect(publisher.confirmedSeq).toBe(1);
  });

  it("sends again after a reconnect what was not confirmed, in order, and counts it", () => {
    const { publisher, state, seqs, flushes, published, write } = begun();
    write();
    write();
    publisher.confirm();
    flushes.shift()!();
    write();
    state.connected = false;
    write();
    write();
    expect(seqs(), "nothing is sent while there is no connection").toEqual([1, 2, 3]);
    state.connected = true;
    published.length = 0;
    publisher.reconnected();
    expect(seqs()).toEqual([3, 4, 5]);
    expect(publisher.republished).toBe(1);
    flushes.shift()!();
    expect([publisher.confirmedSeq, publisher.unconfirmedBytes]).toEqual([5, 0]);
  });

  it("does not take the answer to a flush of the old connection for one of the new", () => {
    const { publisher, flushes, write } = begun();
    write();
    publisher.confirm();
    publisher.reconnected();
    flushes[0]!(new Error("the link was lost"));
    expect(publisher.confirmedSeq).toBe(0);
    flushes[1]!();
    expect(publisher.confirmedSeq).toBe(1);
  });

  it("stops at eight MiB that nobody confirmed, and goes on with each confirmation", () => {
    const { publisher, published, flushes, write } = begun();
    for (let i = 0; i < 20; i++) write("x".repeat(MIB));
    expect(published).toHaveLength(8);
    publisher.confirm();
    for (let left = 20; flushes.length > 0 && left > 0; left--) flushes.shift()!();
    publisher.confirm();
    while (flushes.length > 0) flushes.shift()!();
    expect(published).toHaveLength(20);
    expect([publisher.confirmedSeq, publisher.unconfirmedBytes]).toEqual([20, 0]);
  });

  it("sends again only as much as credit allows", () => {
    const { publisher, published, flushes, write } = begun();
    for (let i = 0; i < 20; i++) write("x".repeat(MIB));
    published.length = 0;
    publisher.reconnected();
    expect(published).toHaveLength(8);
    expect(publisher.republished).toBe(8);
    while (flushes.length > 0) flushes.shift()!();
    publisher.confirm();
    while (flushes.length > 0) flushes.shift()!();
    expect(published.map(({ first }) => first)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it("takes what another host has applied for confirmed", () => {
    const { publisher, published, write, confirmations } = begun();
    write();
    write("y", { events: 3 });
    publisher.applied(3);
    expect([publisher.confirmedSeq, confirmations()]).toEqual([1, 1]);
    publisher.applied(4);
    publisher.applied(4);
    expect([publisher.confirmedSeq, confirmations(), publisher.unconfirmedBytes]).toEqual([4, 2, 0]);
    publisher.reconnected();
    expect(published).toHaveLength(2);
  });

  it("carries a flag with the next events, or by itself if there are none and there is a connection", () => {
    const { publisher, published, logged, state, write } = begun();
    publisher.requestAcknowledgement(ACK_REQUESTED);
    write();
    const flags = () => published.map(({ bytes }) => readFrameHeader(bytes, "n").flags);
    expect(flags()).toEqual([ACK_REQUESTED]);
    state.connected = false;
    publisher.requestAcknowledgement(ACK_REQUESTED);
    publisher.release();
    expect([published.length, publisher.open]).toEqual([1, true]);
    state.connected = true;
    publisher.release();
    expect(flags()).toEqual([ACK_REQUESTED, ACK_REQUESTED]);
    expect(published[1]).toMatchObject({ first: 2, last: 1 });
    expect(logged, "a frame without events is not replayed").toHaveLength(1);
  });

  it("loses nothing, whatever the network does: every event is on the last connection or confirmed", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const { publisher, published, flushes, state, write } = begun(random.pick([1, 50, 500]));
      const arrived = new Set<number>();
      let events = 0;
      /** What the server has of the frames of this connection. */
      const deliver = (upTo: number) => {
        for (const { first, last } of published.splice(0, upTo)) {
          for (let seq = first; seq <= last; seq++) arrived.add(seq);
        }
      };
      const lose = () => {
        state.connected = false;
        deliver(random.integer(0, published.length));
        published.length = 0;
        for (const done of flushes.splice(0)) done(new Error("lost"));
      };
      for (let step = 0; step < 60; step++) {
        const choice = random.next();
        if (choice < 0.5) {
          const count = random.integer(1, 3);
          write("x".repeat(random.integer(0, 60)), { events: count, release: random.chance(0.7) });
          events += count;
        } else if (choice < 0.65) publisher.confirm();
        else if (choice < 0.8 && flushes.length > 0) {
          deliver(published.length);
          flushes.shift()!();
        } else if (choice < 0.9) {
          if (state.connected) lose();
          else {
            state.connected = true;
            publisher.reconnected();
          }
        }
        for (let seq = 1; seq <= publisher.confirmedSeq; seq++) {
          if (!arrived.has(seq)) throw new Error(`seed ${seed}: ${seq} is confirmed and lost`);
        }
      }
      if (state.connected) lose();
      state.connected = true;
      publisher.reconnected();
      deliver(published.length);
      for (let left = 50; flushes.length > 0 && left > 0; left--) flushes.shift()!();
      publisher.confirm();
      deliver(published.length);
      while (flushes.length > 0) flushes.shift()!();
      expect([arrived.size, publisher.confirmedSeq, publisher.unconfirmedBytes], `seed ${seed}`).toEqual([
        events,
        events,
        0,
      ]);
    }
  });

  describe("with a receiver that is slower", () => {
    const chunk = "x".repeat(MIB / 8);
    const confirmAll = ({ publisher, flushes }: ReturnType<typeof begun>): void => {
      do {
        publisher.confirm();
        flushes.shift()?.();
      } while (flushes.length > 0);
    };

    it("sends no more than 8 MiB beyond what that has applied, however much the server confirms", () => {
      const world = begun();
      const { publisher, published, state, write } = world;
      state.reached = 0;
      for (let i = 0; i < 100; i++) {
        write(chunk);
        confirmAll(world);
      }
      const sent = published.reduce((sum, { bytes }) => sum + bytes.length, 0);
      expect(sent).toBeGreaterThan(8 * MIB - chunk.length);
      expect(sent).toBeLessThan(8 * MIB + 2 * chunk.length);
      expect(publisher.slowedBy).toBe("slow");
      expect(publisher.unsentBytes).toBe(publisher.unconfirmedBytes);
      expect(publisher.unsentBytes).toBeGreaterThan(30 * chunk.length);
      expect(publisher.publishedSeq).toBe(published.length);

      state.reached = 32;
      publisher.applied(32);
      expect(published.length).toBeGreaterThan(90);
    });

    it("asks its receivers once per MiB how far they have come", () => {
      const world = begun();
      for (let i = 0; i < 80; i++) {
        world.write(chunk);
        confirmAll(world);
      }
      const asking = world.published.filter(({ bytes }) => {
        return (readFrameHeader(bytes, "n").flags & ACK_REQUESTED) !== 0;
      });
      expect(asking.length).toBeGreaterThanOrEqual(9);
      expect(asking.length).toBeLessThanOrEqual(11);
    });

    it("knows how far they have come by those marks alone, however often somebody asks", () => {
      const world = begun();
      world.state.reached = 0;
      // Two thirds of a MiB, each small frame with a question of `replicated`.
      for (let i = 0; i < 700; i++) {
        world.publisher.requestAcknowledgement(ACK_REQUESTED);
        world.write("x".repeat(1_000));
        confirmAll(world);
      }
      world.state.reached = 350;
      for (let i = 0; i < 100; i++) {
        world.write(chunk);
        confirmAll(world);
      }
      // What lies before the first mark counts as not applied, so this is 8 MiB in all.
      const sent = world.published.reduce((sum, { bytes }) => sum + bytes.length, 0);
      expect(sent).toBeGreaterThan(8 * MIB - chunk.length);
      expect(sent).toBeLessThan(8 * MIB + 2 * chunk.length);
    });

    it("goes on as soon as there is nobody left to wait for", () => {
      const world = begun();
      const { publisher, published, state, write } = world;
      state.reached = 0;
      for (let i = 0; i < 100; i++) write(chunk);
      confirmAll(world);
      expect(published.length).toBeLessThan(100);
      state.reached = undefined;
      confirmAll(world);
      expect(published).toHaveLength(100);
      expect(publisher.slowedBy).toBeUndefined();
    });

    it("does not wait for one that is further behind than can be replayed", () => {
      const world = begun();
      world.state.reached = undefined;
      for (let i = 0; i < 600; i++) {
        world.write(chunk);
        confirmAll(world);
      }
      world.state.reached = 1;
      for (let i = 0; i < 100; i++) {
        world.write(chunk);
        confirmAll(world);
      }
      expect(world.published).toHaveLength(700);
    });

    it("sends a frame that is larger than all that may be outstanding", () => {
      const world = begun();
      world.state.reached = 0;
      world.write("x".repeat(9 * MIB));
      expect(world.published).toHaveLength(1);
    });
  });
});
