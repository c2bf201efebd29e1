/** What the demo judges by: its model against a real host, and the report that counts what does not hold. */
import { describe, expect, it } from "vitest";
import { shownBy } from "../../../src/cli/demo/content.ts";
import { Model } from "../../../src/cli/demo/model.ts";
import { counted, Report, shownMs, wantsColours, wrapped } from "../../../src/cli/demo/report.ts";
import { perform, type Write } from "../../../src/cli/demo/writes.ts";
import { open } from "../../../src/tidemark.ts";

const WRITES: readonly Write[] = [
  { op: "set", key: "text", value: "grüß" },
  { op: "set", key: "bytes", value: new Uint8Array([0, 255, 13, 10]) },
  { op: "set", key: "brief", value: "x", ttl: "1h" },
  { op: "set", key: "brief", value: "stays" },
  {
    op: "setMany",
    entries: [
      ["draft.1", "a"],
      ["draft.2", "b"],
      ["other", "c"],
    ],
  },
  { op: "increment", key: "count", times: 3 },
  { op: "increment", key: "count", times: 1 },
  { op: "setAdd", key: "set", members: ["a", "b", "a"] },
  { op: "setAdd", key: "set", members: ["b", "c"] },
  { op: "setRemove", key: "set", members: ["a", "z"] },
  { op: "setAdd", key: "emptied", members: ["a"] },
  { op: "setRemove", key: "emptied", members: ["a"] },
  { op: "listPush", key: "list", values: ["b", "c"] },
  { op: "listUnshift", key: "list", values: ["a", "0"] },
  { op: "listPop", key: "list" },
  { op: "listPop", key: "nowhere" },
  { op: "expire", key: "list", ttl: "1h" },
  { op: "listPush", key: "list", values: ["d"] },
  { op: "expire", key: "nowhere", ttl: "1h" },
  { op: "delete", key: "text" },
  { op: "delete", key: "nowhere" },
  { op: "clear", prefix: "draft." },
];

describe("the model of the demo", () => {
  it("returns and holds what a host does", async () => {
    await using kv = await open();
    const model = new Model();
    for (const write of WRITES) expect(perform(kv, write), write.op).toEqual(model.apply(write));
    const shown = new Map(Array.from(kv.keys(), (key) => [key, shownBy(kv, key)]));
    expect(model.differences(shown)).toEqual([]);
    expect(model.size).toBe(shown.size);
    expect([...shown.keys()].sort()).toEqual(["brief", "bytes", "count", "list", "other", "set"]);
    expect(shown.get("list")).toBe('list with a ttl: ["0","a","b","d"]');
    expect(shownBy(kv, "text")).toBe(model.content("text"));
  });

  it("finds what is missing, what is besides and what is different", () => {
    const model = new Model();
    for (const key of ["a", "b", "c"]) model.apply({ op: "set", key, value: key });
    model.expired("c");
    const shown = new Map([
      ["b", "string: a"],
      ["c", "string: c"],
    ]);
    expect(model.differences(shown).sort()).toEqual(["a", "b", "c"]);
    expect(
      model.differences(
        new Map([
          ["a", "string: a"],
          ["b", "string: b"],
        ]),
      ),
    ).toEqual([]);
  });
});

describe("the report of the demo", () => {
  function report(json: boolean, colours = false) {
    const lines: string[] = [];
    return { lines, report: new Report({ json, colours, write: (line) => lines.push(line) }) };
  }

  it("counts what does not hold", () => {
    const { lines, report: told } = report(false);
    told.check(true, "fine");
    told.check(false, "fine", "broken");
    expect(lines).toEqual(["   ✓ fine", "   ✗ broken"]);
    expect(told.failures).toEqual(["broken"]);
  });

  it("is JSON lines and nothing else for programs", () => {
    const { lines, report: told } = report(true);
    told.title("title");
    told.section("section");
    told.table([{ head: "a", width: 3 }])("cell");
    told.check(true, "fine");
    told.fact("event", { size: 2n ** 60n });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { event: "check", holds: true, text: "fine" },
      { event: "event", size: "1152921504606846976" },
    ]);
  });

  it("aligns columns, whatever their colours", () => {
    const { lines, report: told } = report(false, true);
    const row = told.table([
      { head: "name", width: 6 },
      { head: "count", width: 7, right: true },
    ]);
    row(told.paint("ann", "green"), told.paint("1", "dim"));
    expect(lines[1]).toBe(`   \u001b[32mann\u001b[39m${" ".repeat(3 + 2 + 6)}\u001b[2m1\u001b[22m`);
  });

  it("keeps to the width of a terminal", () => {
    const { lines, report: told } = report(false);
    told.check(true, "word ".repeat(40).trim());
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines[1]).toMatch(/^ {5}word/);
    expect(wrapped("a bb verylongword c", 4)).toEqual(["a bb", "verylongword", "c"]);
  });

  it("is coloured only on a terminal that wants it", () => {
    expect(wantsColours({ isTTY: true }, {})).toBe(true);
    expect(wantsColours({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColours({ isTTY: true }, { TERM: "dumb" })).toBe(false);
    expect(wantsColours({}, {})).toBe(false);
  });

  it("writes times and counts for people", () => {
    expect([0.04, 1.26, 99.9, 100.4, 999, 1_000, 12_345].map(shownMs)).toEqual([
      ...["0.0 ms", "1.3 ms", "99.9 ms", "100 ms", "999 ms", "1.00 s", "12.35 s"],
    ]);
    expect([counted(1, "key"), counted(1_200, "key"), counted(2, "batch", "batches")]).toEqual([
      ...["1 key", "1,200 keys", "2 batches"],
    ]);
  });
});
