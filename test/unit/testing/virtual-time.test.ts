import { describe, expect, it } from "vitest";
import { Random } from "../../../src/testing/random.ts";
import { VirtualTime } from "../../../src/testing/virtual-time.ts";
import { VIRTUAL_EPOCH_MS, VirtualWorld } from "../../../src/testing/virtual-world.ts";

describe("VirtualTime", () => {
  it("runs tasks by moment, those of one moment in the order in which they were planned", () => {
    const time = new VirtualTime();
    const random = new Random(3);
    const planned = Array.from({ length: 500 }, (_, index) => ({ at: random.integer(0, 50), index }));
    const ran: typeof planned = [];
    for (const task of planned) time.at(task.at, () => ran.push(task));
    time.run(100);
    expect(ran).toEqual(planned.toSorted((a, b) => a.at - b.at || a.index - b.index));
    expect(time.now).toBe(100);
    expect(time.waiting).toBe(0);
  });

  it("shows each task its own moment, and runs what is planned meanwhile if it is due", () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    time.after(10, () => {
      seen.push(`a ${time.now}`);
      time.after(5, () => seen.push(`b ${time.now}`));
      time.after(50, () => seen.push(`late ${time.now}`));
      time.defer(() => seen.push(`deferred ${time.now}`));
      time.at(0, () => seen.push(`past ${time.now}`));
    });
    time.run(20);
    expect(seen).toEqual(["a 10", "deferred 10", "past 10", "b 15"]);
    time.run(100);
    expect(seen.at(-1)).toBe("late 60");
  });

  it("repeats until told to stop, also from within", () => {
    const time = new VirtualTime();
    const moments: number[] = [];
    const stop = time.every(10, () => {
      moments.push(time.now);
      if (moments.length === 3) stop();
    });
    time.run(100);
    expect(moments).toEqual([10, 20, 30]);
  });

  it("forgets what is cancelled", () => {
    const time = new VirtualTime();
    let ran = 0;
    const cancel = time.after(5, () => ran++);
    cancel();
    time.run(10);
    expect(ran).toBe(0);
  });

  it("refuses a loop that never lets time pass", () => {
    const time = new VirtualTime();
    const again = (): void => time.defer(again);
    again();
    expect(() => time.run(1)).toThrow("time stands still");
    expect(() => time.every(0, () => {})).toThrow(TypeError);
  });
});

describe("Random", () => {
  it("gives the same numbers for the same seed, and others for the next", () => {
    const numbers = (seed: number) =>
      Array.from(
        { length: 20 },
        (
          (random) => () =>
            random.next()
        )(new Random(seed)),
      );
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
    expect(numbers(7)).not.toEqual(numbers(7 + 2 ** 32));
    expect(() => new Random(Number.NaN)).toThrow(TypeError);
  });

  it("is uniform enough for a simulation, also over the first numbers of neighbouring seeds", () => {
    const buckets = new Array<number>(16).fill(0);
    for (let seed = 0; seed < 16_000; seed++) buckets[Math.floor(new Random(seed).next() * 16)]!++;
    for (const bucket of buckets) expect(Math.abs(bucket - 1_000)).toBeLessThan(150);
    const random = new Random(1);
    const faces = new Map<number, number>();
    for (let draw = 0; draw < 6_000; draw++) {
      const face = random.integer(1, 6);
      faces.set(face, (faces.get(face) ?? 0) + 1);
    }
    expect([...faces.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6]);
    for (const seen of faces.values()) expect(Math.abs(seen - 1_000)).toBeLessThan(150);
  });

  it("picks, shuffles, weighs orders of magnitude, and forks", () => {
    const random = new Random(5);
    expect(random.shuffle([1, 2, 3, 4]).toSorted()).toEqual([1, 2, 3, 4]);
    expect(["a", "b"]).toContain(random.pick(["a", "b"]));
    expect(() => random.pick([])).toThrow(TypeError);
    const small = Array.from({ length: 1_000 }, () => random.magnitude(1, 10_000)).filter((x) => x < 100);
    expect(Math.abs(small.length - 500)).toBeLessThan(80);
    expect(random.fork().next()).not.toBe(random.fork().next());
    expect([random.chance(0), random.chance(1)]).toEqual([false, true]);
  });
});

describe("VirtualWorld", () => {
  it("has its own wall clock, in whole milliseconds, over a common monotonic one", () => {
    const time = new VirtualTime();
    const world = new VirtualWorld(time, new Random(1));
    time.run(1_500.5);
    expect(world.now()).toBe(VIRTUAL_EPOCH_MS + 1_500);
    world.skewMs = -60_000;
    expect(world.now()).toBe(VIRTUAL_EPOCH_MS - 58_500);
    expect(world.monotonic()).toBe(1_500.5);
  });

  it("holds what becomes due while paused, and owes a timer only one tick", () => {
    const time = new VirtualTime();
    const world = new VirtualWorld(time, new Random(1));
    const seen: string[] = [];
    const stop = world.every(20, () => seen.push("tick"));
    time.run(100);
    expect(seen.length).toBeGreaterThanOrEqual(4);
    seen.length = 0;
    world.pause();
    world.defer(() => seen.push("deferred"));
    time.run(1_000);
    expect(seen).toEqual([]);
    world.resume();
    time.run(1);
    expect(seen.sort()).toEqual(["deferred", "tick"]);
    stop();
    time.run(100);
    expect(seen.length).toBeLessThanOrEqual(3);
  });

  it("may end its turns late, and never in another order", () => {
    const time = new VirtualTime();
    const world = new VirtualWorld(time, new Random(1), 10);
    const seen: number[] = [];
    for (let index = 0; index < 20; index++) world.defer(() => seen.push(index));
    time.run(0);
    expect(seen.length).toBeLessThan(20);
    time.run(10);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  it("runs nothing once killed", () => {
    const time = new VirtualTime();
    const world = new VirtualWorld(time, new Random(1));
    let ran = 0;
    world.every(20, () => ran++);
    world.defer(() => ran++);
    world.kill();
    world.resume();
    time.run(100);
    expect(ran).toBe(0);
    expect(time.waiting).toBe(0);
  });
});
