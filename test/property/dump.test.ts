/** The file of a dump, and what differs between two data sets, for whatever they hold. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { compare, type Difference, differenceOf } from "../../src/cli/dump/compare.ts";
import { type Block, type DumpEntry, type DumpKeys, encodeBlock, MAGIC } from "../../src/cli/dump/format.ts";
import { openDump } from "../../src/cli/dump/reader.ts";
import { dump } from "../../src/providers/resp/dump.ts";
import { standalone } from "../unit/support/standalone.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-dump-"));
const file = join(folder, "dump");
afterAll(() => rmSync(folder, { recursive: true }));

const { host } = standalone();

/** What DUMP answers for a value. */
function payloadOf(value: string | readonly string[], type: "string" | "list" | "set"): Buffer {
  host.delete("k");
  if (typeof value === "string") host.set("k", value);
  else if (type === "set") host.setStore("k", value);
  else host.listStore("k", value);
  return dump(host, "k")!;
}

const payload = fc.oneof(
  fc.string().map((value) => payloadOf(value, "string")),
  fc.array(fc.string(), { minLength: 1, maxLength: 5 }).map((values) => payloadOf(values, "list")),
  fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 5 }).map((values) => payloadOf(values, "set")),
);
const entry = fc.record({
  key: fc.string({ unit: "grapheme" }),
  expiresAt: fc.constantFrom(0, 1, 2 ** 45),
  payload,
});
const blocks = fc.array(fc.array(entry, { maxLength: 4 }), { maxLength: 5 });

function fileOf(parts: readonly (readonly DumpEntry[])[]): Buffer {
  const head = { id: "one", url: "redis://h:1", match: "*", begunAt: new Date(0).toISOString() };
  const all: Block[] = [
    { kind: "head", head },
    ...parts.map((entries, index) => ({ kind: "keys" as const, keys: { position: index + 1, entries } })),
    { kind: "end", entries: parts.flat().length },
  ];
  const bytes: Buffer[] = [MAGIC];
  let check = 0;
  for (const block of all) {
    const encoded = encodeBlock(block, check);
    bytes.push(encoded.bytes);
    check = encoded.check;
  }
  return Buffer.concat(bytes);
}

async function read(bytes: Buffer): Promise<DumpEntry[][]> {
  writeFileSync(file, bytes);
  await using reader = await openDump(file);
  const found: DumpEntry[][] = [];
  for await (const { entries } of reader.keys()) found.push([...entries]);
  return found;
}

describe("a dump", () => {
  it("is read as it was written", async () => {
    await fc.assert(
      fc.asyncProperty(blocks, async (parts) => {
        expect(await read(fileOf(parts))).toEqual(parts);
      }),
      {
        numRuns: 100,
      },
    );
  });

  it("is refused wherever it is damaged, cut or longer", async () => {
    const harm = fc.tuple(fc.constantFrom("flip", "cut", "more"), fc.nat(), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(blocks, harm, async (parts, [how, at, bits]) => {
        const bytes = fileOf(parts);
        const place = at % bytes.length;
        if (how === "flip") bytes[place]! ^= bits;
        const harmed =
          how === "cut"
            ? bytes.subarray(0, place)
            : how === "more"
              ? Buffer.concat([bytes, Buffer.alloc(bits)])
              : bytes;
        await expect(read(harmed)).rejects.toMatchObject({ code: "DUMP_REFUSED" });
      }),
      { numRuns: 300 },
    );
  });

  it("is refused where blocks were taken from another, left out or exchanged", async () => {
    const parts = [1, 2, 3].map((n) => [{ key: `k${n}`, expiresAt: 0, payload: payloadOf("v", "string") }]);
    const encoded = (list: typeof parts) => fileOf(list);
    const whole = encoded(parts);
    const size = (encoded(parts).length - encoded(parts.slice(1)).length) as number;
    const first = whole.indexOf("K", MAGIC.length + 5 + 60);
    const swapped = Buffer.concat([
      whole.subarray(0, first),
      whole.subarray(first + size, first + 2 * size),
      whole.subarray(first, first + size),
      whole.subarray(first + 2 * size),
    ]);
    expect(swapped.length).toBe(whole.length);
    const without = Buffer.concat([whole.subarray(0, first), whole.subarray(first + size)]);
    for (const wrong of [swapped, without])
      await expect(read(wrong)).rejects.toMatchObject({ code: "DUMP_REFUSED" });
  });
});

/** Keys lie at cursors by a hash that is the same everywhere. */
const cursorOf = (key: string) =>
  [...key].reduce((hash, unit) => (hash * 31 + unit.charCodeAt(0)) % 4_096, 7);

/** A data set in steps of SCAN, each step in one or more parts, as a host or a dump gives them. */
async function* steps(
  held: ReadonlyMap<string, DumpEntry>,
  cuts: readonly number[],
): AsyncGenerator<DumpKeys> {
  const bounds = [...new Set([0, ...cuts.map((cut) => cut % 4_096), 4_096])].sort((a, b) => a - b);
  for (let index = 1; index < bounds.length; index++) {
    const [from, to] = [bounds[index - 1]!, bounds[index]!];
    const inside = [...held.values()].filter(({ key }) => cursorOf(key) >= from && cursorOf(key) < to);
    const half = Math.floor(inside.length / 2);
    if (half > 0) yield { position: from, entries: inside.slice(0, half) };
    yield { position: to, entries: inside.slice(half) };
  }
}

describe("the difference of two data sets", () => {
  const held = fc
    .uniqueArray(fc.record({ key: fc.string({ maxLength: 2 }), expiresAt: fc.constantFrom(0, 1), payload }), {
      selector: ({ key }) => key,
      maxLength: 30,
    })
    .map((entries) => new Map(entries.map((each) => [each.key, each])));
  const cuts = fc.array(fc.nat(), { maxLength: 6 });

  it("is what comparing them key by key finds, however they are cut into steps", async () => {
    await fc.assert(
      fc.asyncProperty(held, held, cuts, cuts, async (one, two, oneCuts, twoCuts) => {
        const found = new Map<string, Difference>();
        let same = 0;
        for await (const step of compare(steps(one, oneCuts), steps(two, twoCuts))) {
          same = step.same;
          for (const pair of step.pairs) {
            expect(found.has(pair.key)).toBe(false);
            found.set(pair.key, differenceOf(pair)!);
          }
        }
        const keys = new Set([...one.keys(), ...two.keys()]);
        expect(same + found.size).toBe(keys.size);
        for (const key of keys) {
          const [first, second] = [one.get(key), two.get(key)];
          const equal =
            first !== undefined &&
            second !== undefined &&
            first.expiresAt === second.expiresAt &&
            first.payload.equals(second.payload);
          if (first === undefined) expect(found.get(key)).toBe("only-second");
          else if (second === undefined) expect(found.get(key)).toBe("only-first");
          else if (equal) expect(found.has(key)).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("is none where only the order of members is another", async () => {
    const side = (members: string[]) =>
      new Map([["s", { key: "s", expiresAt: 0, payload: payloadOf(members, "set") }]]);
    for await (const { pairs } of compare(
      steps(side(["a", "b", "c"]), []),
      steps(side(["c", "a", "b"]), [9]),
    ))
      expect(pairs).toEqual([]);
  });
});
