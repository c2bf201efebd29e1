import { describe, expect, it } from "vitest";
import { type KeyState, type KeyView, stateAt, valueName, viewAt } from "../../simulation/oracle.ts";
import type { RecordedDot, RecordedEntry, RecordedEvent } from "../../simulation/recorded.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** `a#3`, the third event of origin a. */
function dot(name: string): RecordedDot {
  const [origin, seq] = name.split("#");
  return { origin: origin!, seq: Number(seq) };
}

/** An event on key k with the parts given; stamped 100 unless told. */
function event(name: string, parts: Partial<RecordedEvent> = {}): RecordedEvent {
  return {
    ...dot(name),
    writtenAt: 0,
    stamp: 100,
    key: "k",
    removesUpTo: [],
    removes: [],
    resets: [],
    add: null,
    increment: null,
    sweep: null,
    clear: null,
    ...parts,
  };
}

const value = (text: string, deadline = NEVER, loaded = false): RecordedEntry => {
  return { kind: "value", value: text, deadline, loaded };
};
const member = (text: string): RecordedEntry => ({ kind: "member", value: text });
const element = (text: string, position: number, fraction = ""): RecordedEntry => {
  return { kind: "element", position, fraction, value: text };
};
const mark = (at: number, target?: string): RecordedEntry => {
  return { kind: "deadline", at, target: target === undefined ? null : dot(target) };
};
const count = (segment: number, before: number, total: number) => {
  return { segment, before: BigInt(before), total: BigInt(total) };
};
const reset = (name: string, upTo: number, total: number) => {
  const { origin, seq } = dot(name);
  return { origin, segment: seq, upTo, total: BigInt(total) };
};

/** The vector that covers all of them, or what it is told: `a2 b1`. */
function vectorOf(events: readonly RecordedEvent[], rows?: string): Map<string, number> {
  if (rows !== undefined) {
    return new Map(rows.split(" ").map((row): [string, number] => [row.slice(0, 1), Number(row.slice(1))]));
  }
  const vector = new Map<string, number>();
  for (const { origin, seq } of events) vector.set(origin, Math.max(seq, vector.get(origin) ?? 0));
  return vector;
}

/** Dots of the entries and segments of the cells that are left of key k. */
function left(events: readonly RecordedEvent[], rows?: string): string {
  const state = stateAt(events, vectorOf(events, rows)).get("k");
  const entries = state?.entries.map(({ origin, seq }) => `${origin}#${seq}`) ?? [];
  const cells = state?.cells.map(({ origin, segment, total, resetTotal }) => {
    return `${origin}#${segment}=${total - resetTotal}`;
  });
  return [...entries, ...(cells ?? [])].sort().join(" ");
}

function shown(events: readonly RecordedEvent[], now = 0): KeyView | undefined {
  return viewAt(stateAt(events, vectorOf(events)).get("k"), now);
}

function text(view: KeyView | undefined): string {
  if (view === undefined) return "nothing";
  if (view.type === "string") return `string ${String(view.value)}`;
  return `${view.type} ${(view.type === "set" ? view.members.toSorted() : view.elements).join(",")}`;
}

describe("the state after a set of events", () => {
  const table: [name: string, left: string, events: RecordedEvent[], rows?: string][] = [
    ["nothing of nothing", "", []],
    ["what was added", "a#1 b#1", [event("a#1", { add: value("x") }), event("b#1", { add: value("y") })]],
    [
      "only what the vector covers",
      "a#1",
      [event("a#1", { add: value("x") }), event("a#2", { add: value("y") })],
      "a1",
    ],
    [
      "not what is named exactly",
      "a#2",
      [
        event("a#1", { add: member("x") }),
        event("a#2", { add: member("y") }),
        event("b#1", { removes: [dot("a#1")] }),
      ],
    ],
    [
      "not what is named up to a seq, of that origin and key only",
      "a#3 c#1",
      [
        event("a#1", { add: member("x") }),
        event("a#2", { add: member("y") }),
        event("a#3", { add: member("z") }),
        event("b#1", { removesUpTo: [dot("a#2")] }),
        event("c#1", { add: member("x") }),
        event("c#2", { key: "other", removesUpTo: [dot("c#2"), dot("a#3")] }),
      ],
    ],
    [
      "not what was removed by one who is not covered",
      "a#1",
      [event("a#1", { add: value("x") }), event("b#1", { removes: [dot("a#1")] })],
      "a1",
    ],
    [
      "not what a clear's vector covers, under its prefix",
      "a#2 b#1",
      [
        event("a#1", { add: member("x") }),
        event("a#2", { add: member("y") }),
        event("b#1", { add: member("z") }),
        event("c#1", { key: "", clear: { prefix: "k", vector: new Map([["a", 1]]) } }),
        event("c#2", { key: "", clear: { prefix: "kk", vector: new Map([["a", 2]]) } }),
      ],
    ],
    [
      "not the values that a sweep means, marks and members staying",
      "a#2 a#4 a#5 a#6 b#1",
      [
        event("a#1", { add: value("in range", 50) }),
        event("a#2", { add: value("excepted", 60) }),
        event("a#3", { add: value("at the end of the range", 70) }),
        event("a#4", { add: value("later", 71) }),
        event("a#5", { add: member("no value") }),
        event("a#6", { add: value("beyond", 50) }),
        event("b#1", { add: value("of another", 50) }),
        event("c#1", {
          key: "",
          sweep: { origin: "a", upTo: 5, from: 50, to: 70, except: new Set([2]) },
        }),
      ],
    ],
    [
      "a mark with its value",
      "a#1 a#2",
      [event("a#1", { add: value("x") }), event("a#2", { add: mark(9, "a#1") })],
    ],
    ["a mark that waits for its value", "b#1", [event("b#1", { add: mark(9, "a#1") })]],
    [
      "no mark of a value that is gone",
      "",
      [
        event("a#1", { add: value("x") }),
        event("b#1", { add: mark(9, "a#1") }),
        event("c#1", { removes: [dot("a#1")] }),
      ],
    ],
    ["no mark of what was no value", "", [event("a#1"), event("b#1", { add: mark(9, "a#1") })]],
    ["a mark of the key by itself", "a#1", [event("a#1", { add: mark(9) })]],
  ];
  it.each(table)("is %s", (_, expected, events, rows) => {
    expect(left(events, rows)).toBe(expected);
    expect(left(events.toReversed(), rows)).toBe(expected);
  });

  it("knows the keys apart and lists none that is empty", () => {
    const events = [
      event("a#1", { key: "x", add: value("1") }),
      event("a#2", { key: "y", add: value("2") }),
      event("a#3", { key: "y", removesUpTo: [dot("a#2")] }),
    ];
    expect([...stateAt(events, vectorOf(events)).keys()]).toEqual(["x"]);
  });
});

describe("the cells after a set of events", () => {
  const a1 = event("a#1", { increment: count(1, 0, 5) });
  const a2 = event("a#2", { increment: count(1, 5, 8) });
  const table: [name: string, left: string, events: RecordedEvent[]][] = [
    ["the last total of a segment", "a#1=8", [a1, a2]],
    ["one per origin", "a#1=5 b#1=1", [a1, event("b#1", { increment: count(1, 0, 1) })]],
    ["nothing once reset", "", [a1, event("b#1", { resets: [reset("a#1", 1, 5)] })]],
    ["what came after a reset", "a#1=3", [a1, a2, event("b#1", { resets: [reset("a#1", 1, 5)] })]],
    ["nothing when only the reset is known", "", [event("b#1", { resets: [reset("a#1", 2, 8)] })]],
    [
      "what the later of two resets leaves",
      "a#1=2",
      [
        a1,
        a2,
        event("a#3", { increment: count(1, 8, 10) }),
        event("b#1", { resets: [reset("a#1", 2, 8)] }),
        event("c#1", { resets: [reset("a#1", 1, 5)] }),
      ],
    ],
    [
      "a new segment beside one that was reset",
      "a#3=2",
      [a1, event("a#2", { resets: [reset("a#1", 1, 5)] }), event("a#3", { increment: count(3, 0, 2) })],
    ],
    [
      "a new segment beside one whose reset is not known here",
      "a#1=5 a#3=2",
      [a1, event("a#2"), event("a#3", { increment: count(3, 0, 2) })],
    ],
    ["negative sums too", "a#1=-4", [event("a#1", { increment: count(1, 0, -4) })]],
    ["zero sums too", "a#1=0", [event("a#1", { increment: count(1, 0, 0) })]],
  ];
  it.each(table)("are %s", (_, expected, events) => {
    expect(left(events)).toBe(expected);
    expect(left(events.toReversed())).toBe(expected);
  });
});

describe("what a reader sees", () => {
  const table: [name: string, shown: string, events: RecordedEvent[], now?: number][] = [
    ["nothing", "nothing", []],
    ["a value", "string x", [event("a#1", { add: value("x") })]],
    [
      "the latest of concurrent values",
      "string x",
      [event("a#1", { add: value("x"), stamp: 101 }), event("b#1", { add: value("y") })],
    ],
    [
      "of equally late values that of the greatest name",
      "string y",
      [event("a#1", { add: value("x") }), event("b#1", { add: value("y") })],
    ],
    [
      "of one origin's equally late values the last",
      "string x",
      [event("a#2", { add: value("x") }), event("a#1", { add: value("y") })],
    ],
    [
      "a written value before a loaded one, however late",
      "string y",
      [event("a#1", { add: value("x", NEVER, true), stamp: 999 }), event("b#1", { add: value("y") })],
    ],
    ["a value until its deadline", "string x", [event("a#1", { add: value("x", 50) })], 49],
    ["no value at its deadline", "nothing", [event("a#1", { add: value("x", 50) })], 50],
    [
      "the next sibling when the winner is expired",
      "string y",
      [event("b#1", { add: value("x", 50), stamp: 101 }), event("a#1", { add: value("y") })],
      60,
    ],
    [
      "a value by the longest of its marks, not by its own deadline",
      "string x",
      [
        event("a#1", { add: value("x", 50) }),
        event("a#2", { add: mark(55, "a#1") }),
        event("b#1", { add: mark(70, "a#1") }),
      ],
      69,
    ],
    [
      "no value by a mark shorter than its own deadline",
      "nothing",
      [event("a#1", { add: value("x", 50) }), event("a#2", { add: mark(20, "a#1") })],
      30,
    ],
    [
      "a value that has nothing to do with the deadline of the key",
      "string x",
      [event("a#1", { add: value("x") }), event("a#2", { add: mark(20) })],
      30,
    ],
    ["a counter", "string 5", [event("a#1", { increment: count(1, 0, 5) })]],
    [
      "a counter on an integer",
      "string 15",
      [event("a#1", { add: value("10") }), event("b#1", { increment: count(1, 0, 5) })],
    ],
    [
      "a value that is no integer instead of a counter",
      "string 010",
      [event("a#1", { add: value("010") }), event("b#1", { increment: count(1, 0, 5) })],
    ],
    [
      "a counter alone when its integer is expired",
      "string 5",
      [event("a#1", { add: value("10", 50) }), event("b#1", { increment: count(1, 0, 5) })],
      50,
    ],
    [
      "an integer alone when the counter on it is expired",
      "string 10",
      [
        event("a#1", { add: value("10") }),
        event("b#1", { increment: count(1, 0, 5) }),
        event("b#2", { add: mark(50) }),
      ],
      50,
    ],
    [
      "a counter beyond what a number holds",
      "string 9007199254740994",
      [event("a#1", { add: value("9007199254740993") }), event("b#1", { increment: count(1, 0, 1) })],
    ],
    [
      "each member once",
      "set x,y",
      [
        event("a#1", { add: member("x") }),
        event("b#1", { add: member("x") }),
        event("b#2", { add: member("y") }),
      ],
    ],
    [
      "a list by position, fraction, name, seq",
      "list first,second,third,fourth,fifth,sixth",
      [
        event("a#1", { add: element("sixth", 3) }),
        event("b#2", { add: element("fifth", 2, "b") }),
        event("b#1", { add: element("fourth", 2, "b") }),
        event("a#2", { add: element("third", 2, "b") }),
        event("c#1", { add: element("second", 2, "ab") }),
        event("c#2", { add: element("first", -1) }),
      ],
    ],
    [
      "strings before sets before lists",
      "set x",
      [event("a#1", { add: element("z", 1) }), event("b#1", { add: member("x") })],
    ],
    [
      "a string before a set",
      "string y",
      [event("b#1", { add: member("x") }), event("b#2", { add: value("y") })],
    ],
    [
      "a counter before a set",
      "string 0",
      [event("b#1", { add: member("x") }), event("b#2", { increment: count(2, 0, 0) })],
    ],
    [
      "a set behind a string that is expired",
      "set x",
      [event("b#1", { add: member("x") }), event("b#2", { add: value("y", 50) })],
      50,
    ],
    [
      "a set until the longest deadline of its key",
      "set x",
      [event("a#1", { add: member("x") }), event("a#2", { add: mark(50) }), event("b#1", { add: mark(70) })],
      69,
    ],
    [
      "no set after that",
      "nothing",
      [event("a#1", { add: member("x") }), event("a#2", { add: mark(50) }), event("b#1", { add: mark(70) })],
      70,
    ],
  ];
  it.each(table)("is %s", (_, expected, events, now) => {
    expect(text(shown(events, now))).toBe(expected);
    expect(text(shown(events.toReversed(), now))).toBe(expected);
  });

  it("has a deadline", () => {
    const deadline = (events: RecordedEvent[]) => shown(events)?.deadline;
    expect(deadline([event("a#1", { add: value("x", 50) })])).toBe(50);
    expect(deadline([event("a#1", { add: value("x", 50) }), event("a#2", { add: mark(NEVER, "a#1") })])).toBe(
      NEVER,
    );
    expect(deadline([event("a#1", { add: member("x") }), event("a#2", { add: mark(70) })])).toBe(70);
    expect(deadline([event("a#1", { add: member("x") })])).toBe(NEVER);
  });

  it("tells text from bytes", () => {
    expect(valueName("0xff")).not.toBe(valueName(new Uint8Array([0xff])));
    const nothing: KeyState | undefined = undefined;
    expect(viewAt(nothing, 0)).toBeUndefined();
  });
});
