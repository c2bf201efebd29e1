import { describe, expect, it } from "vitest";
import { FleetClock } from "../../src/fleet-clock.ts";

const NOW = Date.UTC(2026, 0, 1);

function begun() {
  const world = { wall: NOW, up: 5_000 };
  const clock = new FleetClock({ now: () => world.wall, monotonic: () => world.up });
  const pass = (ms: number): void => {
    world.wall += ms;
    world.up += ms;
  };
  /** Lets time pass as a host does: with a look at the wall clock every 20 ms. */
  const live = (ms: number): number => {
    let moved = 0;
    for (let at = 0; at < ms; at += 20) {
      pass(20);
      moved += clock.follow();
    }
    return moved;
  };
  return { world, clock, pass, live };
}

describe("FleetClock", () => {
  it("begins as the wall clock and runs evenly", () => {
    const { clock, pass } = begun();
    expect([clock.now(), clock.local(), clock.deviation]).toEqual([NOW, NOW, 0]);
    pass(1_234);
    expect([clock.now(), clock.local()]).toEqual([NOW + 1_234, NOW + 1_234]);
  });

  it("stands with the fleet when its own clock is wrong, and says how far off that is", () => {
    const { clock, pass } = begun();
    clock.adjust(250);
    expect([clock.now(), clock.local(), clock.deviation]).toEqual([NOW + 250, NOW, 250]);
    clock.adjust(-100);
    expect([clock.now(), clock.deviation], "but never runs backwards").toEqual([NOW + 250, 100]);
    pass(400);
    expect(clock.now()).toBe(NOW + 300);
  });

  it("does not follow a wall clock that jumps and jumps back within ten seconds", () => {
    const { world, clock, live } = begun();
    world.wall += 3_600_000;
    expect(live(9_000)).toBe(0);
    world.wall -= 3_600_000;
    expect(live(20_000)).toBe(0);
    expect(clock.now()).toBe(NOW + 29_000);
  });

  it.each([3_600_000, -3_600_000])(
    "follows one that was set by %i ms for good, and says by how much",
    (ms) => {
      const { world, clock, live } = begun();
      world.wall += ms;
      expect(live(11_000)).toBe(ms);
      expect(clock.local()).toBe(NOW + 11_000 + ms);
      expect(live(30_000), "once").toBe(0);
    },
  );

  it("leaves a clock alone that is slewed by less than a tenth of a second", () => {
    const { world, clock, live } = begun();
    world.wall += 100;
    expect(live(60_000)).toBe(0);
    expect(clock.local()).toBe(NOW + 60_000);
  });

  it("waits ten seconds anew after every return", () => {
    const { world, live } = begun();
    for (let i = 0; i < 5; i++) {
      world.wall += 1_000;
      expect(live(6_000)).toBe(0);
      world.wall -= 1_000;
      expect(live(20)).toBe(0);
    }
  });
});
