import { describe, expect, it } from "vitest";
import { WorkQueue } from "../../../src/replication/work-queue.ts";

/** A queue whose every item takes a millisecond, and turns that end when told to. */
function begun(maxBytes = 1_000) {
  const clock = { now: 0 };
  const deferred: (() => void)[] = [];
  const handled: number[] = [];
  const queue = new WorkQueue<{ id: number; bytes: Uint8Array }>(
    { monotonic: () => clock.now, defer: (task) => deferred.push(task) },
    maxBytes,
    ({ id }) => {
      handled.push(id);
      clock.now++;
    },
  );
  let id = 0;
  return {
    queue,
    clock,
    handled,
    push(count: number, size = 10) {
      for (let i = 0; i < count; i++) queue.push({ id: ++id, bytes: new Uint8Array(size) }, size);
    },
    turn() {
      for (const task of deferred.splice(0)) task();
    },
  };
}

describe("WorkQueue", () => {
  it("handles a message at once as long as the turn has time, else in the next ones, in order", () => {
    const { queue, handled, push, turn } = begun();
    push(10);
    expect([handled.length, queue.bytes]).toEqual([4, 60]);
    push(1);
    turn();
    expect([handled.length, queue.bytes]).toEqual([8, 30]);
    push(1);
    turn();
    turn();
    turn();
    expect(handled).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect([queue.bytes, queue.dropped]).toEqual([0, 0]);
    push(1);
    expect(handled, "a new turn has time again").toHaveLength(13);
  });

  it("drops beyond its bound, and counts what it dropped", () => {
    const { queue, handled, push, turn } = begun(35);
    push(10);
    expect([handled.length, queue.bytes, queue.dropped]).toEqual([4, 30, 3]);
    for (let i = 0; i < 5; i++) turn();
    expect([handled.length, queue.bytes]).toEqual([7, 0]);
  });

  it("takes one message larger than its bound when nothing else waits: it may be the one that repairs", () => {
    const { queue, handled, push, turn } = begun(35);
    push(4);
    push(1, 100);
    push(1);
    expect([queue.bytes, queue.dropped]).toEqual([100, 1]);
    turn();
    expect(handled).toEqual([1, 2, 3, 4, 5]);
  });

  it("keeps a copy of what waits: the bytes were only lent", () => {
    const seen: number[] = [];
    const deferred: (() => void)[] = [];
    const clock = { now: 0 };
    const queue = new WorkQueue<{ bytes: Uint8Array }>(
      { monotonic: () => clock.now, defer: (task) => deferred.push(task) },
      1_000,
      ({ bytes }) => {
        seen.push(bytes[0]!);
        clock.now += 10;
      },
    );
    const lent = Uint8Array.of(1);
    queue.push({ bytes: lent }, 1);
    queue.push({ bytes: lent }, 1);
    lent[0] = 9;
    for (const task of deferred.splice(0)) task();
    expect(seen).toEqual([1, 1]);
  });
});
