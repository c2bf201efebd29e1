/** A write that throws has done nothing: no key, no number, no digest is another, and nothing leaves the host. */
import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../../src/errors.ts";
import type { Host } from "../../../src/host.ts";
import { bulkType } from "../../../src/replication/message-codec.ts";
import { standalone } from "../support/standalone.ts";
import { type Wired, wired } from "../support/wired.ts";

const OPTIONS = { maxKeyBytes: 64, maxValueBytes: 1024 } as const;
const HALF = "\ud83d";
const LONG = "x".repeat(1025);
const LONG_KEY = "k".repeat(65);

/** One key of each kind, and integers at both ends of what a counter holds. */
function fill(host: Host): void {
  host.set("text", "not a number");
  host.set("timed", "x", { ttl: "1h" });
  host.set("binary", Uint8Array.of(255, 0, 254));
  host.setAdd("set", "a", "b");
  host.listPush("list", "a", "b", "c");
  host.increment("counter", 5);
  host.increment("large", 2n ** 62n);
  host.set("largest", String(2n ** 63n - 1n));
}

/** What can be told of a host's data from outside, down to dots and stamps. */
function stateOf(host: Host): unknown {
  const { keys, digest, vectorHash, highWaterMarks, bounds, pendingRemovals, counts, unconfirmedBytes } =
    host.status();
  const data = host.inspect();
  // How often a write was refused is counted; heartbeats come and go.
  const { backpressure: _, framesReceived: __, bytesReceived: ___, bytesSent: ____, ...counted } = counts;
  return {
    size: host.size,
    keys,
    digest,
    vectorHash,
    highWaterMarks,
    bounds,
    pendingRemovals,
    counted,
    unconfirmedBytes,
    data: [...data.keys],
    seq: host.token().seq,
  };
}

const framesSent = ({ transport }: Wired): number =>
  transport.sent.filter(({ bytes }) => bulkType(bytes) === "frame").length;

type Refused = [what: string, code: ErrorCode, write: (host: Host) => unknown];

const REFUSED: Refused[] = [
  ["a key that is too long", "KEY_TOO_LARGE", (kv) => kv.set(LONG_KEY, "x")],
  ["a key that is too long, of a counter", "KEY_TOO_LARGE", (kv) => kv.increment(LONG_KEY)],
  ["a value that is too large", "VALUE_TOO_LARGE", (kv) => kv.set("new", LONG)],
  ["a value that is too large, over another", "VALUE_TOO_LARGE", (kv) => kv.set("text", LONG)],
  [
    "one value of many that is too large",
    "VALUE_TOO_LARGE",
    (kv) =>
      kv.setMany([
        ["one", "x"],
        ["two", LONG],
      ]),
  ],
  ["one member of many that is too large", "VALUE_TOO_LARGE", (kv) => kv.setAdd("set", "c", LONG)],
  ["one element of many that is too large", "VALUE_TOO_LARGE", (kv) => kv.listPush("list", "d", LONG)],
  ["half of a surrogate pair in a key", "INVALID_STRING", (kv) => kv.set(HALF, "x")],
  ["half of a surrogate pair in a value", "INVALID_STRING", (kv) => kv.set("new", `a${HALF}`)],
  [
    "half of a surrogate pair in one key of many",
    "INVALID_STRING",
    (kv) =>
      kv.setMany([
        ["one", "x"],
        [HALF, "x"],
      ]),
  ],
  ["half of a surrogate pair in a member", "INVALID_STRING", (kv) => kv.setAdd("set", "c", HALF)],
  ["half of a surrogate pair in an element", "INVALID_STRING", (kv) => kv.listUnshift("list", "d", HALF)],
  ["half of a surrogate pair in a key to be deleted", "INVALID_STRING", (kv) => kv.delete("text", HALF)],
  ["a member for a string", "WRONG_TYPE", (kv) => kv.setAdd("text", "a")],
  ["a member for a list", "WRONG_TYPE", (kv) => kv.setAdd("list", "a")],
  ["an element for a set", "WRONG_TYPE", (kv) => kv.listPush("set", "a")],
  ["an element out of a counter", "WRONG_TYPE", (kv) => kv.listPop("counter")],
  ["an element in place of one of a set", "WRONG_TYPE", (kv) => kv.listSet("set", 0, "a")],
  ["a trim of a string", "WRONG_TYPE", (kv) => kv.listTrim("text", 0, 1)],
  ["an increment of a set", "WRONG_TYPE", (kv) => kv.increment("set")],
  ["an increment of a list", "WRONG_TYPE", (kv) => kv.increment("list")],
  ["an increment of text", "NOT_AN_INTEGER", (kv) => kv.increment("text")],
  ["an increment of bytes", "NOT_AN_INTEGER", (kv) => kv.increment("binary")],
  ["an increment by a fraction", "NOT_AN_INTEGER", (kv) => kv.increment("counter", 0.5)],
  ["an increment beyond 64 bits", "OUT_OF_RANGE", (kv) => kv.increment("large", 2n ** 62n)],
  ["an increment beyond 64 bits, of text", "OUT_OF_RANGE", (kv) => kv.increment("largest", 1n)],
  ["an increment beyond 64 bits, of nothing", "OUT_OF_RANGE", (kv) => kv.increment("new", 2n ** 63n)],
  ["an increment to what no number holds", "OUT_OF_RANGE", (kv) => kv.increment("large", 1)],
  ["a value that is a number", "INVALID_ARGUMENT", (kv) => kv.set("text", 5 as never)],
  ["a key that is a number", "INVALID_ARGUMENT", (kv) => kv.set(5 as never, "x")],
  ["no time to live", "INVALID_ARGUMENT", (kv) => kv.set("text", "x", { ttl: 0 })],
  ["two deadlines", "INVALID_ARGUMENT", (kv) => kv.set("timed", "x", { ttl: 5, keepTtl: true })],
  ["an unknown condition", "INVALID_ARGUMENT", (kv) => kv.set("text", "x", { onlyIf: "perhaps" as never })],
  ["an unknown option", "INVALID_ARGUMENT", (kv) => kv.set("text", "x", { tll: 5 } as never)],
  ["many that are none", "INVALID_ARGUMENT", (kv) => kv.setMany({ one: "x" } as never)],
  ["one of many that is no pair", "INVALID_ARGUMENT", (kv) => kv.setMany([["one", "x"], ["two"]] as never)],
  ["a place in a list that is none", "INVALID_ARGUMENT", (kv) => kv.listSet("list", 0.5, "x")],
  [
    "a place beside an element that is none",
    "INVALID_ARGUMENT",
    (kv) => kv.listInsert("list", "near" as never, "a", "x"),
  ],
  ["a removal of a fraction of elements", "INVALID_ARGUMENT", (kv) => kv.listRemove("list", "a", 0.5)],
  ["a time to live that is none", "INVALID_ARGUMENT", (kv) => kv.expire("text", "soon" as never)],
];

describe.each(REFUSED)("%s", (_what, code, write) => {
  it(`is refused with ${code}, and changes nothing`, () => {
    const { host } = standalone(OPTIONS);
    fill(host);
    const before = stateOf(host);
    expect(() => write(host)).toThrow(expect.objectContaining({ name: "TidemarkError", code }));
    expect(stateOf(host)).toEqual(before);
  });

  it("sends nothing to others", () => {
    const me = wired(OPTIONS);
    me.connect();
    fill(me.host);
    me.time.run(200);
    const before = stateOf(me.host);
    const frames = framesSent(me);
    expect(() => write(me.host)).toThrow(expect.objectContaining({ code }));
    expect(stateOf(me.host)).toEqual(before);
    me.time.run(200);
    expect(framesSent(me)).toBe(frames);
  });

  it("lets nobody go, where the store is full", () => {
    const { host } = standalone({ ...OPTIONS, maxEntries: 8 });
    fill(host);
    expect(host.status().bounds).toMatchObject({ evicted: 0 });
    const before = stateOf(host);
    expect(() => write(host)).toThrow(expect.objectContaining({ code }));
    expect(stateOf(host)).toEqual(before);
  });
});

const GROWING: [what: string, write: (host: Host) => unknown][] = [
  ["set", (kv) => kv.set("new", "x")],
  [
    "setMany",
    (kv) =>
      kv.setMany([
        ["text", "other"],
        ["new", "x"],
      ]),
  ],
  ["increment", (kv) => kv.increment("new")],
  ["setAdd", (kv) => kv.setAdd("new", "a")],
  ["listPush", (kv) => kv.listPush("new", "a")],
  ["listUnshift", (kv) => kv.listUnshift("new", "a")],
];

describe.each(GROWING)("%s into a store that is full and lets nobody go", (_what, write) => {
  it.each([{ maxEntries: 8 }, { maxBytes: 2_000 }])(
    "is refused with STORE_FULL, and changes nothing: %o",
    (bound) => {
      const me = wired({ ...OPTIONS, ...bound, eviction: "none" });
      me.connect();
      if ("maxEntries" in bound) fill(me.host);
      else for (let i = 0; !me.host.status().bounds!.exceeded; i++) me.host.set(`key:${i}`, "x".repeat(100));
      me.time.run(200);
      const before = stateOf(me.host);
      const frames = framesSent(me);
      expect(() => write(me.host)).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
      expect(stateOf(me.host)).toEqual(before);
      me.time.run(200);
      expect(framesSent(me)).toBe(frames);
    },
  );
});

describe("a host that takes no writes", () => {
  const writes: ((host: Host) => unknown)[] = [
    (kv) => kv.set("text", "x"),
    (kv) => kv.setMany([["text", "x"]]),
    (kv) => kv.increment("counter"),
    (kv) => kv.delete("text"),
    (kv) => kv.clear(),
    (kv) => kv.expire("text", 1),
    (kv) => kv.persist("timed"),
    (kv) => kv.setAdd("set", "c"),
    (kv) => kv.setRemove("set", "a"),
    (kv) => kv.listPush("list", "d"),
    (kv) => kv.listPop("list"),
    (kv) => kv.listClear("list"),
  ];

  it("refuses each with NOT_READY before it has caught up, and stays as it is", () => {
    const me = wired({ joinWait: "10s" });
    me.connect();
    const before = stateOf(me.host);
    for (const write of writes) {
      expect(() => write(me.host)).toThrow(expect.objectContaining({ code: "NOT_READY" }));
      expect(stateOf(me.host)).toEqual(before);
    }
    expect(framesSent(me)).toBe(0);
  });

  it("refuses each with BACKPRESSURE while too much waits for the server, and stays as it is", () => {
    const me = wired({}, { maxUnconfirmedBytes: 1 });
    me.connect();
    me.transport.prompt = false;
    me.host.set("text", "x");
    me.time.run(5);
    const before = stateOf(me.host);
    const frames = framesSent(me);
    for (const write of writes) {
      expect(() => write(me.host)).toThrow(expect.objectContaining({ code: "BACKPRESSURE" }));
      expect(stateOf(me.host)).toEqual(before);
    }
    me.time.run(5);
    expect(framesSent(me)).toBe(frames);
  });

  it("refuses each with CLOSED after its end, and stays as it is", async () => {
    const { host } = standalone();
    fill(host);
    await host.close();
    const before = stateOf(host);
    for (const write of writes) {
      expect(() => write(host)).toThrow(expect.objectContaining({ code: "CLOSED" }));
      expect(stateOf(host)).toEqual(before);
    }
  });
});
