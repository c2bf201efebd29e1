import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashKey } from "../../../src/crdt/digest.ts";
import { KeyIndex } from "../../../src/store/key-index.ts";

/** Keys by slot as a shard keeps them, with an index over them and a hash that can be chosen. */
class Slots {
  readonly keys: (string | undefined)[] = [];
  readonly free: number[] = [];
  readonly index: KeyIndex;
  /** How often the hash of a slot was asked for. */
  asked = 0;
  readonly #hash: (key: string) => number;

  constructor(hash: (key: string) => number, capacity = 64, prefixBits = 0) {
    this.#hash = hash;
    this.index = new KeyIndex(this, capacity, prefixBits);
  }

  keyAt(slot: number): string | undefined {
    return this.keys[slot];
  }

  keyHashAt(slot: number): number {
    this.asked++;
    return this.#hash(this.keys[slot]!);
  }

  add(key: string): number {
    const slot = this.free.pop() ?? this.keys.length;
    this.keys[slot] = key;
    this.index.add(key, this.#hash(key), slot);
    return slot;
  }

  delete(key: string): void {
    const slot = this.find(key);
    this.index.delete(key, this.#hash(key), slot);
    this.keys[slot] = undefined;
    this.free.push(slot);
  }

  find(key: string): number {
    return this.index.find(key, this.#hash(key));
  }
}

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `key:${i}`);

describe("a key index", () => {
  it("finds every key it was given, grows with them, and nothing else", () => {
    const slots = new Slots(hashKey);
    const keys = named(20_000);
    const given = keys.map((key) => slots.add(key));
    expect(slots.index.size).toBe(20_000);
    expect(keys.map((key) => slots.find(key))).toEqual(given);
    expect(slots.find("key:20000")).toBe(-1);
    expect(slots.find("")).toBe(-1);
  });

  it("keeps keys that are equal in their hashes apart, also more of them than it looks at in a row", () => {
    const slots = new Slots(() => 0x12345678);
    const keys = named(500);
    const given = keys.map((key) => slots.add(key));
    expect(keys.map((key) => slots.find(key))).toEqual(given);
    expect(slots.find("another")).toBe(-1);
    for (const key of keys.filter((_, i) => i % 3 !== 0)) slots.delete(key);
    expect(
      keys.map((key, i) => (i % 3 === 0 ? slots.find(key) === given[i] : slots.find(key) === -1)),
    ).toEqual(keys.map(() => true));
    expect(slots.index.size).toBe(167);
  });

  it("takes a key out of the middle of a run without losing those behind it, round the end of the table too", () => {
    // All that hashes beyond the last cells runs on into the first.
    const slots = new Slots((key) => 0xfffffff0 | Number(key));
    const keys = Array.from({ length: 40 }, (_, i) => String(i));
    for (const key of keys) slots.add(key);
    for (const gone of [0, 17, 39, 8, 25]) {
      slots.delete(String(gone));
      keys[gone] = "";
      expect(slots.find(String(gone))).toBe(-1);
      for (const key of keys) if (key !== "") expect(slots.keys[slots.find(key)]).toBe(key);
    }
    expect(slots.index.size).toBe(35);
  });

  it("takes slots beyond those that a cell can name", () => {
    const slots = new Slots(hashKey, 65_536);
    const keys = named(70_000);
    const given = keys.map((key) => slots.add(key));
    expect(keys.every((key, i) => slots.find(key) === given[i])).toBe(true);
    for (const key of keys) slots.delete(key);
    expect(slots.index.size).toBe(0);
    expect(keys.every((key) => slots.find(key) === -1)).toBe(true);
  });

  it("gives the slots of a range of hashes, those that went elsewhere for want of room included", () => {
    for (const hash of [hashKey, (key: string) => hashKey(key) & 0xfff00000]) {
      const slots = new Slots(hash);
      const keys = named(3_000);
      for (const key of keys) slots.add(key);
      const found: string[] = [];
      for (let bucket = 0; bucket < 4_096; bucket++) {
        const from = bucket * 2 ** 20;
        const inBucket = slots.index.within(from, from + 2 ** 20 - 1).map((slot) => slots.keys[slot]!);
        expect(inBucket.every((key) => hash(key) >>> 20 === bucket)).toBe(true);
        found.push(...inBucket);
      }
      expect(found.sort()).toEqual([...keys].sort());
    }
  });

  it("looks at few others for the slots of a range, however many keys collide elsewhere", () => {
    const slots = new Slots((key) => (key.startsWith("same") ? 0x12345678 : hashKey(key)));
    for (const key of named(1_000)) slots.add(key);
    for (let i = 0; i < 5_000; i++) slots.add(`same ${i}`);
    slots.asked = 0;
    for (let bucket = 0; bucket < 4_096; bucket++)
      slots.index.within(bucket * 2 ** 20, (bucket + 1) * 2 ** 20 - 1);
    expect(slots.asked).toBeLessThan(50_000);
  });

  it("does what a Map does, however much the hashes collide and whatever they begin with", () => {
    const op = fc.record({ key: fc.nat(300), adds: fc.boolean() });
    const bits = fc.constantFrom(0, 1, 4, 9, 32);
    fc.assert(
      fc.property(
        fc.array(op, { maxLength: 1_500 }),
        bits,
        fc.constantFrom(0, 5, 12),
        (ops, varied, prefixBits) => {
          // So many low bits vary below the prefix; the bits between are the same for all.
          const mask = varied === 32 ? -1 >>> prefixBits : (2 ** varied - 1) << (20 - prefixBits);
          const prefix = prefixBits === 0 ? 0 : 0xabcdef12 & (-1 << (32 - prefixBits));
          const slots = new Slots((key) => prefix | (hashKey(key) & mask), 64, prefixBits);
          const model = new Map<string, number>();
          for (const { key: number, adds } of ops) {
            const key = `k${number}`;
            if (adds && !model.has(key)) model.set(key, slots.add(key));
            else if (!adds && model.delete(key)) slots.delete(key);
            expect(slots.find(key)).toBe(model.get(key) ?? -1);
          }
          expect(slots.index.size).toBe(model.size);
          for (let number = 0; number <= 300; number++) {
            expect(slots.find(`k${number}`)).toBe(model.get(`k${number}`) ?? -1);
          }
          const all = slots.index.within(0, 2 ** 32 - 1);
          if (prefixBits === 0) expect(all.sort()).toEqual([...model.values()].sort());
        },
      ),
      { numRuns: 200 },
    );
  });
});
