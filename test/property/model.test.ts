/** One host against a plain model: Maps, arrays and a clock, every operation in Redis's meaning. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Value } from "../../src/crdt/entry.ts";
import { TidemarkError } from "../../src/errors.ts";
import type { Host } from "../../src/host.ts";
import { standalone } from "../unit/support/standalone.ts";
import { check } from "./support/check.ts";

/** A value as a string that is equal for equal bytes. */
function id(value: Value): string {
  return Buffer.from(value).toString("latin1");
}

interface Held {
  type: "string" | "set" | "list";
  text: Value;
  members: Map<string, Value>;
  elements: Value[];
  deadline: number;
}

class Refused extends Error {}

const NEVER = Number.POSITIVE_INFINITY;
const LEAST = -(2n ** 63n);
const MOST = 2n ** 63n - 1n;

/** What a host is to do, as plainly as it can be said. */
class Model {
  now = 0;
  readonly #keys = new Map<string, Held>();
  readonly #ttl: number;

  constructor(ttl: number) {
    this.#ttl = ttl;
  }

  find(key: string): Held | undefined {
    const held = this.#keys.get(key);
    if (held !== undefined && held.deadline <= this.now) this.#keys.delete(key);
    return this.#keys.get(key);
  }

  keys(): string[] {
    return [...this.#keys.keys()].filter((key) => this.find(key) !== undefined).sort();
  }

  #of(key: string, type: Held["type"]): Held | undefined {
    const held = this.find(key);
    if (held !== undefined && held.type !== type) throw new Refused("WRONG_TYPE");
    return held;
  }

  #make(key: string, type: Held["type"], ttl = this.#ttl): Held {
    const held: Held = { type, text: "", members: new Map(), elements: [], deadline: this.now + ttl };
    this.#keys.set(key, held);
    return held;
  }

  set(
    key: string,
    value: Value,
    options: { ttl?: number; keepTtl?: boolean; onlyIf?: string } = {},
  ): boolean {
    const held = this.find(key);
    if (options.onlyIf === "absent" && held !== undefined) return false;
    if (options.onlyIf === "present" && held === undefined) return false;
    const deadline = options.keepTtl ? held?.deadline : undefined;
    this.#make(key, "string", options.ttl).text = value;
    if (deadline !== undefined) this.find(key)!.deadline = deadline;
    return true;
  }

  increment(key: string, delta: number | bigint): number | bigint {
    const held = this.#of(key, "string");
    const text = held === undefined ? "0" : typeof held.text === "string" ? held.text : "no text";
    if (!/^(0|-?[1-9]\d*)$/.test(text) || BigInt(text) < LEAST || BigInt(text) > MOST) {
      throw new Refused("NOT_AN_INTEGER");
    }
    const sum = BigInt(text) + BigInt(delta);
    if (sum < LEAST || sum > MOST) throw new Refused("OUT_OF_RANGE");
    if (typeof delta === "number" && !Number.isSafeInteger(Number(sum))) throw new Refused("OUT_OF_RANGE");
    (held ?? this.#make(key, "string")).text = String(sum);
    return typeof delta === "number" ? Number(sum) : sum;
  }

  expire(key: string, ttl: number): boolean {
    const held = this.find(key);
    if (held === undefined) return false;
    held.deadline = this.now + ttl;
    return true;
  }

  persist(key: string): boolean {
    const held = this.find(key);
    if (held === undefined || held.deadline === NEVER) return false;
    held.deadline = NEVER;
    return true;
  }

  delete(keys: readonly string[]): number {
    return keys.filter((key) => this.find(key) !== undefined && this.#keys.delete(key)).length;
  }

  clear(prefix: string): void {
    for (const key of this.keys()) if (key.startsWith(prefix)) this.#keys.delete(key);
  }

  setAdd(key: string, members: readonly Value[]): number {
    const known = this.#of(key, "set");
    if (members.length === 0) return 0;
    const held = known ?? this.#make(key, "set");
    const before = held.members.size;
    for (const member of members) held.members.set(id(member), member);
    return held.members.size - before;
  }

  setRemove(key: string, members: readonly Value[]): number {
    const held = this.#of(key, "set");
    const removed = members.filter((member) => held?.members.delete(id(member))).length;
    if (held?.members.size === 0) this.#keys.delete(key);
    return removed;
  }

  members(key: string): Value[] {
    return [...(this.#of(key, "set")?.members.values() ?? [])];
  }

  add(key: string, values: readonly Value[], end: "head" | "tail"): number {
    const known = this.#of(key, "list");
    if (values.length === 0) return known?.elements.length ?? 0;
    const held = known ?? this.#make(key, "list");
    for (const value of values) held.elements[end === "head" ? "unshift" : "push"](value);
    return held.elements.length;
  }

  elements(key: string): Value[] {
    return this.#of(key, "list")?.elements ?? [];
  }

  /** Changes a list; an empty one is no key. */
  change<T>(key: string, absent: T, act: (elements: Value[]) => T): T {
    const held = this.#of(key, "list");
    if (held === undefined) return absent;
    const result = act(held.elements);
    if (held.elements.length === 0) this.#keys.delete(key);
    return result;
  }
}

interface Step {
  readonly name: string;
  host(host: Host, pass: (ms: number) => void): unknown;
  model(model: Model): unknown;
}

const key = fc.constantFrom("a", "ab", "b", "c", "");
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("x", "y", "z", "", "10", "-7", "007", String(MOST), "é", "💡") },
  { weight: 1, arbitrary: fc.constantFrom(Uint8Array.of(0xff), Uint8Array.of(0xc3, 0x28)) },
);
const values = fc.array(value, { maxLength: 4 });
const ttl = fc.constantFrom(1, 50, 200, 1_000, 60_000);
const index = fc.integer({ min: -5, max: 5 });
const delta = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 5n, MOST, LEAST, 2n ** 62n),
);

function redisRange(start: number, stop: number, length: number): [number, number] {
  const from = start < 0 ? Math.max(0, length + start) : start;
  const to = stop < 0 ? length + stop : Math.min(stop, length - 1);
  return [from, Math.max(from - 1, to)];
}

const same = (left: Value, right: Value): boolean => id(left) === id(right);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        key,
        value,
        fc.record(
          { ttl, keepTtl: fc.constant(true), onlyIf: fc.constantFrom("absent" as const, "present" as const) },
          { requiredKeys: [] },
        ),
      )
      .map(([k, v, { keepTtl, ...rest }]): Step => {
        const options = rest.ttl === undefined && keepTtl ? { ...rest, keepTtl } : rest;
        return {
          name: `set ${k} ${v} ${JSON.stringify(options)}`,
          host: (host) => host.set(k, v, options),
          model: (model) => model.set(k, v, options),
        };
      }),
  },
  fc.array(fc.tuple(key, value), { maxLength: 4 }).map(
    (pairs): Step => ({
      name: `setMany ${JSON.stringify(pairs)}`,
      host: (host) => host.setMany(pairs),
      model: (model) => {
        for (const [k, v] of pairs) model.set(k, v);
      },
    }),
  ),
  {
    weight: 4,
    arbitrary: fc.tuple(key, delta).map(
      ([k, d]): Step => ({
        name: `increment ${k} ${d}`,
        host: (host) => host.increment(k, d as number),
        model: (model) => model.increment(k, d),
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, ttl).map(
      ([k, t]): Step => ({
        name: `expire ${k} ${t}`,
        host: (host) => host.expire(k, t),
        model: (model) => model.expire(k, t),
      }),
    ),
  },
  key.map(
    (k): Step => ({
      name: `expire ${k} 0`,
      host: (host) => host.expire(k, 0),
      model: (model) => model.delete([k]) === 1,
    }),
  ),
  key.map(
    (k): Step => ({
      name: `persist ${k}`,
      host: (host) => host.persist(k),
      model: (model) => model.persist(k),
    }),
  ),
  fc.array(key, { maxLength: 3 }).map(
    (ks): Step => ({
      name: `delete ${ks}`,
      host: (host) => host.delete(...ks),
      model: (model) => model.delete(ks),
    }),
  ),
  fc.constantFrom(undefined, "a", "zz").map(
    (prefix): Step => ({
      name: `clear ${prefix}`,
      host: (host) => host.clear(prefix === undefined ? undefined : { prefix }),
      model: (model) => model.clear(prefix ?? ""),
    }),
  ),
  {
    weight: 3,
    arbitrary: fc.tuple(key, values).map(
      ([k, v]): Step => ({
        name: `setAdd ${k} ${v}`,
        host: (host) => host.setAdd(k, ...v),
        model: (model) => model.setAdd(k, v),
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, values).map(
      ([k, v]): Step => ({
        name: `setRemove ${k} ${v}`,
        host: (host) => host.setRemove(k, ...v),
        model: (model) => model.setRemove(k, v),
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(key, values, fc.boolean()).map(
      ([k, v, head]): Step => ({
        name: `${head ? "listUnshift" : "listPush"} ${k} ${v}`,
        host: (host) => (head ? host.listUnshift(k, ...v) : host.listPush(k, ...v)),
        model: (model) => model.add(k, v, head ? "head" : "tail"),
      }),
    ),
  },
  fc.tuple(key, fc.boolean()).map(
    ([k, head]): Step => ({
      name: `${head ? "listShift" : "listPop"} ${k}`,
      host: (host) => (head ? host.listShift(k) : host.listPop(k)),
      model: (model) => model.change<unknown>(k, undefined, (list) => (head ? list.shift() : list.pop())),
    }),
  ),
  fc.tuple(key, value, index).map(
    ([k, v, count]): Step => ({
      name: `listRemove ${k} ${v} ${count}`,
      host: (host) => host.listRemove(k, v, count),
      model: (model) =>
        model.change(k, 0, (list) => {
          const places = list.flatMap((each, at) => (same(each, v) ? [at] : []));
          const doomed = count === 0 ? places : count > 0 ? places.slice(0, count) : places.slice(count);
          for (const at of doomed.reverse()) list.splice(at, 1);
          return doomed.length;
        }),
    }),
  ),
  {
    weight: 3,
    arbitrary: fc.tuple(key, fc.constantFrom("before" as const, "after" as const), value, value).map(
      ([k, where, pivot, v]): Step => ({
        name: `listInsert ${k} ${where} ${pivot} ${v}`,
        host: (host) => host.listInsert(k, where, pivot, v),
        model: (model) =>
          model.change(k, 0, (list) => {
            const at = list.findIndex((each) => same(each, pivot));
            if (at < 0) return -1;
            list.splice(where === "before" ? at : at + 1, 0, v);
            return list.length;
          }),
      }),
    ),
  },
  fc.tuple(key, index, value).map(
    ([k, at, v]): Step => ({
      name: `listSet ${k} ${at} ${v}`,
      host: (host) => host.listSet(k, at, v),
      model: (model) =>
        model.change(k, false, (list) => {
          const place = at < 0 ? list.length + at : at;
          if (place < 0 || place >= list.length) return false;
          list[place] = v;
          return true;
        }),
    }),
  ),
  fc.tuple(key, index, index).map(
    ([k, start, stop]): Step => ({
      name: `listTrim ${k} ${start} ${stop}`,
      host: (host) => host.listTrim(k, start, stop),
      model: (model) =>
        model.change(k, undefined, (list) => {
          const [from, to] = redisRange(start, stop, list.length);
          list.splice(0, list.length, ...list.slice(from, to + 1));
        }),
    }),
  ),
  key.map(
    (k): Step => ({
      name: `listClear ${k}`,
      host: (host) => host.listClear(k),
      model: (model) => model.change(k, 0, (list) => list.splice(0).length),
    }),
  ),
  {
    weight: 4,
    arbitrary: fc.constantFrom(1, 40, 60, 999, 7_000).map(
      (ms): Step => ({
        name: `${ms} ms pass`,
        host: (_, pass) => pass(ms),
        model: (model) => {
          model.now += ms;
        },
      }),
    ),
  },
);

/** What an act answers, or the code with which it is refused. */
function outcome(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    if (error instanceof TidemarkError) return `refused: ${error.code}`;
    if (error instanceof Refused) return `refused: ${error.message}`;
    throw error;
  }
}

function sorted(members: readonly Value[]): string[] {
  return members.map(id).sort();
}

/** Everything a reader can ask of one key. */
function expectSame(host: Host, model: Model, key: string): void {
  const held = model.find(key);
  expect(host.has(key)).toBe(held !== undefined);
  expect(host.type(key)).toBe(held?.type);
  const left = held === undefined ? undefined : held.deadline - model.now;
  expect(host.ttl(key)).toBe(left);
  if (held === undefined || held.type === "string") {
    const bytes = outcome(() => host.getBytes(key));
    expect(bytes && Buffer.from(bytes as Uint8Array)).toEqual(held && Buffer.from(held.text as string));
    const text = held === undefined || typeof held.text === "string" ? held?.text : "refused: NOT_TEXT";
    expect(outcome(() => host.get(key))).toBe(text);
  } else {
    expect(outcome(() => host.get(key))).toBe("refused: WRONG_TYPE");
    expect(outcome(() => host.getBytes(key))).toBe("refused: WRONG_TYPE");
  }
  if (held === undefined || held.type === "set") {
    expect(sorted(host.setMembers(key))).toEqual(sorted(model.members(key)));
    expect(host.setSize(key)).toBe(held?.members.size ?? 0);
    for (const member of ["x", "", Uint8Array.of(0xff)]) {
      expect(host.setHas(key, member)).toBe(held?.members.has(id(member)) ?? false);
    }
  } else
    for (const read of [() => host.setMembers(key), () => host.setSize(key), () => host.setHas(key, "x")])
      expect(outcome(read)).toBe("refused: WRONG_TYPE");
  if (held === undefined || held.type === "list") {
    const elements = model.elements(key);
    expect(host.listRange(key)).toEqual(elements);
    expect(host.listLength(key)).toBe(elements.length);
    for (const [start, stop] of [
      [1, 2],
      [-2, -1],
      [-9, 0],
      [2, 1],
    ] as const) {
      const [from, to] = redisRange(start, stop, elements.length);
      expect(host.listRange(key, start, stop)).toEqual(elements.slice(from, to + 1));
    }
  } else
    for (const read of [() => host.listRange(key), () => host.listLength(key)])
      expect(outcome(read)).toBe("refused: WRONG_TYPE");
}

function scanned(host: Host, count: number): string[] {
  const found: string[] = [];
  let cursor = 0;
  do {
    const step = host.scan(cursor, { count });
    found.push(...step.keys);
    cursor = step.cursor;
  } while (cursor !== 0);
  return found.sort();
}

describe("one host", () => {
  it("answers as a Map with a clock does, whatever is done to it", () => {
    check(
      fc.property(
        fc.array(step, { maxLength: 50, size: "max" }),
        fc.constantFrom(undefined, 500),
        (steps, defaultTtl) => {
          const { host, time } = standalone(defaultTtl === undefined ? {} : { ttl: defaultTtl });
          const model = new Model(defaultTtl ?? NEVER);
          for (const each of steps) {
            const got = outcome(() => each.host(host, (ms) => time.run(ms)));
            expect(got, `${each.name} of\n${steps.map(({ name }) => name).join("\n")}`).toEqual(
              outcome(() => each.model(model)),
            );
          }
          const story = steps.map(({ name }) => name).join("\n");
          expect([...host.keys()].sort(), story).toEqual(model.keys());
          // What has expired counts until it is removed, which is soon.
          expect(host.size, story).toBeGreaterThanOrEqual(model.keys().length);
          expect(scanned(host, 1), story).toEqual(model.keys());
          for (const k of ["a", "ab", "b", "c", ""]) expectSame(host, model, k);
          expect([...host.entries()].map(([k]) => k).sort()).toEqual(model.keys());
          const sets = ["a", "b", "c"].filter((k) => (model.find(k)?.type ?? "set") === "set");
          const union = new Map(sets.flatMap((k) => model.members(k).map((m) => [id(m), m] as const)));
          expect(sorted(host.setUnion(...sets)), story).toEqual(sorted([...union.values()]));
          const [first, ...rest] = sets;
          const has = (k: string, member: Value) => model.find(k)?.members.has(id(member)) ?? false;
          const ofFirst = first === undefined ? [] : model.members(first);
          expect(sorted(host.setIntersection(...sets)), story).toEqual(
            sorted(ofFirst.filter((m) => rest.every((k) => has(k, m)))),
          );
          expect(sorted(host.setDifference(...sets)), story).toEqual(
            sorted(ofFirst.filter((m) => !rest.some((k) => has(k, m)))),
          );
          time.run(3_000);
          model.now += 3_000;
          expect(host.size, story).toBe(model.keys().length);
          expect([...host.inspect().keys.keys()].sort(), story).toEqual(model.keys());
        },
      ),
    );
  });
});
