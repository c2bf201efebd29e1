import fc from "fast-check";
import { expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import type { ValueEntry } from "../../../src/crdt/entry.ts";
import { KeyState } from "../../../src/crdt/key-state.ts";
import { TimedStates } from "../../../src/store/timed-states.ts";

const ORIGINS = new Origins("site");

function stateOf(deadlines: readonly number[]): KeyState {
  const state = new KeyState(ORIGINS);
  deadlines.forEach((deadline, at) => {
    const value: ValueEntry = {
      kind: "value",
      origin: 0,
      seq: at + 1,
      stamp: 0,
      value: "x",
      deadline,
      loaded: false,
    };
    state.insert(value);
  });
  return state;
}

it("all that have a deadline within a time are found, in a time limited to so many and in one that is not", () => {
  const time = fc.oneof(fc.nat(3_000), fc.nat(10_000_000), fc.constant(Number.POSITIVE_INFINITY));
  const change = fc.record({ key: fc.nat(60), deadlines: fc.array(time, { maxLength: 3 }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), time, time, fc.nat(30), (changes, one, other, most) => {
      const states = new TimedStates();
      const model = new Map<string, readonly number[]>();
      for (const { key, deadlines } of changes) {
        model.set(`key ${key}`, deadlines);
        states.update(`key ${key}`, deadlines.length === 0 ? undefined : stateOf(deadlines));
      }
      const from = Math.min(one, other, 10_000_000);
      const to = Math.max(one, other);
      const end = states.endOf(from, to, most);
      expect(end).toBeLessThanOrEqual(to);
      expect(end < from || states.within(from, end).size <= most).toBe(true);
      for (const until of [to, end]) {
        const found = states.within(from, until);
        for (const [key, deadlines] of model) {
          const isDue = deadlines.some((at) => at !== Number.POSITIVE_INFINITY && at >= from && at <= until);
          if (isDue) expect(found).toContain(key);
        }
      }
    }),
  );
});
