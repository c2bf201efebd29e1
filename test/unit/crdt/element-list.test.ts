import { describe, expect, it } from "vitest";
import { Origins } from "../../../src/causality/origins.ts";
import { ElementList } from "../../../src/crdt/element-list.ts";
import type { ElementEntry } from "../../../src/crdt/entry.ts";
import { Random } from "../../../src/testing/random.ts";

const origins = new Origins("z");
for (const name of ["a", "m"]) origins.intern(name);
const [Z, A, M] = [0, 1, 2];

function element(position: number, fraction = "", origin = Z, seq = position): ElementEntry {
  return { kind: "element", origin, seq, position, fraction, value: `${position}${fraction}` };
}

function read(list: ElementList): ElementEntry[] {
  return Array.from({ length: list.length }, (_, index) => list.at(index)!);
}

describe("ElementList", () => {
  it("keeps elements by position, then fraction, then name of the origin, then seq, whatever came first", () => {
    const inOrder = [
      element(-7),
      element(-2),
      element(5, "", A, 9),
      element(5, "", M, 1),
      element(5, "", Z, 1),
      element(5, "", Z, 2),
      element(5, "!", A),
      element(5, "!!", A),
      element(5, "O", A),
      element(6),
    ];
    const random = new Random(5);
    for (let round = 0; round < 50; round++) {
      const list = new ElementList(origins);
      for (const each of random.shuffle(inOrder)) list.insert(each);
      expect(read(list)).toEqual(inOrder);
    }
  });

  it("has no element outside of it", () => {
    const list = new ElementList(origins);
    expect([list.length, list.at(0), list.at(-1)]).toEqual([0, undefined, undefined]);
    list.insert(element(1));
    list.remove(element(1));
    expect([list.length, list.at(0), list.at(-1)]).toEqual([0, undefined, undefined]);
  });

  it("is a plain sorted array under ten thousand insertions and removals at both ends and within", () => {
    const random = new Random(11);
    const list = new ElementList(origins);
    const model: ElementEntry[] = [];
    for (let i = 1; i < 10_000; i++) {
      const choice = random.next();
      if (choice < 0.55 || model.length === 0) {
        const low = model[0]?.position ?? 0;
        const high = model.at(-1)?.position ?? 0;
        const place = random.next();
        const position = place < 0.4 ? high + 1 : place < 0.6 ? low - 1 : random.integer(low, high);
        const entry = element(position, "", Z, i);
        list.insert(entry);
        model.push(entry);
        model.sort((x, y) => x.position - y.position || x.seq - y.seq);
      } else {
        // Mostly from the front, as a queue does.
        const index = choice < 0.85 ? 0 : random.integer(0, model.length - 1);
        list.remove(model.splice(index, 1)[0]!);
      }
      if (i % 500 === 0) expect(read(list)).toEqual(model);
    }
    expect(list.at(model.length)).toBeUndefined();
  });

  it("is filled from its head in linear time", () => {
    const list = new ElementList(origins);
    const count = 200_000;
    const startedAt = performance.now();
    for (let i = 1; i <= count; i++) list.insert(element(-i));
    // Moving all the others for each of them would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect([list.length, list.at(0)!.position, list.at(count - 1)!.position]).toEqual([count, -count, -1]);
    for (let i = count; i > 1; i--) list.remove(element(-i));
    expect(read(list)).toEqual([element(-1)]);
  });
});
