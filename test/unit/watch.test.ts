import { describe, expect, it } from "vitest";
import { PendingChange } from "../../src/change-queue.ts";
import type { Value } from "../../src/crdt/entry.ts";
import { type Change, createWatchHub, type KeyChange, type WatchOptions } from "../../src/watch.ts";

const code = (name: string) => expect.objectContaining({ name: "TidemarkError", code: name });
const NOTHING_THERE = () => [];

function change(key: string, value: Value | undefined, rest: Partial<KeyChange> = {}): KeyChange {
  const base = { type: "set", kind: "string", previous: undefined, added: [], removed: [] } as const;
  return { ...base, key, value, origin: "w", at: 1, folded: 0, ...rest };
}

const gone = (key: string, previous: Value | undefined, rest: Partial<KeyChange> = {}) =>
  change(key, undefined, { type: "delete", previous, ...rest });

const members = (key: string, added: Value[], removed: Value[] = [], rest: Partial<KeyChange> = {}) =>
  change(key, undefined, { kind: "set", added, removed, ...rest });

/** A store of strings that tells a hub of each change, as a host does. */
function createStore() {
  const hub = createWatchHub();
  const values = new Map<string, string>();
  let pulled = 0;
  return {
    hub,
    pulled: () => pulled,
    set(key: string, value: string) {
      const previous = values.get(key);
      values.set(key, value);
      hub.publish(change(key, value, { previous }));
    },
    delete(key: string) {
      const previous = values.get(key);
      if (values.delete(key)) hub.publish(gone(key, previous));
    },
    watch(options: WatchOptions = {}) {
      return hub.open(options, function* (matches) {
        for (const key of [...values.keys()].filter(matches)) {
          pulled++;
          const value = values.get(key);
          if (value !== undefined) yield change(key, value, { origin: undefined });
        }
      });
    },
  };
}

const show = (item: Change | undefined) => {
  if (item === undefined || item.type === "synced") return item?.type;
  const was = item.previous === undefined ? "" : `${item.previous}>`;
  const folded = item.folded === 0 ? "" : `+${item.folded}`;
  return `${item.key}:${was}${item.type === "set" ? item.value : item.type}${folded}`;
};

async function take(reader: AsyncIterator<Change>, count: number): Promise<(string | undefined)[]> {
  const taken: (string | undefined)[] = [];
  for (let index = 0; index < count; index++) {
    const step = await reader.next();
    taken.push(step.done ? "end" : show(step.value));
  }
  return taken;
}

/** Everything there is to read now, without waiting for more. */
async function drain(reader: AsyncIterator<Change>): Promise<Change[]> {
  const items: Change[] = [];
  for (;;) {
    const step = await Promise.race([
      reader.next(),
      new Promise<undefined>((done) => setImmediate(done, undefined)),
    ]);
    if (step === undefined || step.done) return items;
    items.push(step.value);
  }
}

describe("a watcher", () => {
  it("gets what is there, then synced, then every change", async () => {
    const store = createStore();
    store.set("a", "1");
    store.set("b", "2");
    const reader = store.watch();
    expect(await take(reader, 3)).toEqual(["a:1", "b:2", "synced"]);
    store.set("a", "3");
    store.set("a", "4");
    store.delete("b");
    expect(await take(reader, 3)).toEqual(["a:1>3", "a:3>4", "b:2>delete"]);
  });

  it("gets synced also where nothing is there", async () => {
    expect(await take(createStore().watch(), 1)).toEqual(["synced"]);
  });

  it("tells expiry and eviction from deletion", async () => {
    const hub = createWatchHub();
    const reader = hub.open({}, NOTHING_THERE);
    hub.publish(gone("a", "1", { type: "expire" }));
    hub.publish(gone("b", "2", { type: "evict" }));
    await take(reader, 1);
    hub.publish(gone("a", "1", { type: "expire" }));
    hub.publish(gone("b", "2", { type: "evict" }));
    expect(await take(reader, 2)).toEqual(["a:1>expire", "b:2>evict"]);
  });

  it("is registered at the call of open, before anything is read", async () => {
    const store = createStore();
    expect(store.hub.active()).toBe(false);
    const reader = store.watch();
    expect(store.hub.active()).toBe(true);
    store.set("a", "1");
    expect(await take(reader, 2)).toEqual(["a:1", "synced"]);
  });

  it("hands a change to whoever waits, in the order of waiting", async () => {
    const store = createStore();
    const reader = store.watch();
    await reader.next();
    const waiting = [reader.next(), reader.next()];
    store.set("a", "1");
    store.set("a", "2");
    store.set("a", "3");
    const items = await Promise.all(waiting);
    expect(items.map((item) => show(item.value))).toEqual(["a:1", "a:1>2"]);
    expect(await take(reader, 1)).toEqual(["a:2>3"]);
  });

  it("only hears of its keys", async () => {
    const store = createStore();
    store.set("user.1", "x");
    store.set("cart.1", "y");
    const reader = store.watch({ prefix: "user.", match: "*.[12]" });
    const all = store.watch({});
    expect([store.hub.wants("user.2"), store.hub.wants("other")]).toEqual([true, true]);
    await all.return?.();
    expect(["user.2", "user.3", "cart.2"].map(store.hub.wants)).toEqual([true, false, false]);
    store.set("user.3", "x");
    expect(await take(reader, 2)).toEqual(["user.1:x", "synced"]);
    store.set("cart.1", "z");
    store.set("user.2", "z");
    expect(await take(reader, 1)).toEqual(["user.2:z"]);
  });

  it("does not share binary values with the store", async () => {
    const hub = createWatchHub();
    const stored = Uint8Array.of(255, 1);
    const reader = hub.open({}, () => [change("a", stored), members("s", [stored, "text"])]);
    hub.publish(change("b", "text", { previous: stored }));
    for (const item of await drain(reader)) {
      if (item.type === "synced") continue;
      for (const value of [item.value, item.previous, ...item.added])
        if (value instanceof Uint8Array) value.fill(0);
    }
    expect(stored).toEqual(Uint8Array.of(255, 1));
  });
});

describe("while what is there is being read", () => {
  const open = () => {
    const store = createStore();
    for (const key of ["a", "b", "c"]) store.set(key, "1");
    return { store, reader: store.watch() };
  };

  it("pulls one item at a time", async () => {
    const { store, reader } = open();
    expect(store.pulled()).toBe(0);
    await reader.next();
    expect(store.pulled()).toBe(1);
  });

  it("delivers a key that changed before its turn once, as it is by then", async () => {
    const { store, reader } = open();
    expect(await take(reader, 1)).toEqual(["a:1"]);
    store.set("b", "2");
    store.set("b", "3");
    expect(await take(reader, 3)).toEqual(["b:3", "c:1", "synced"]);
    expect(await drain(reader)).toEqual([]);
  });

  it("delivers a change of a key that had its turn after synced, in order", async () => {
    const { store, reader } = open();
    expect(await take(reader, 1)).toEqual(["a:1"]);
    store.set("a", "2");
    store.delete("a");
    store.set("a", "3");
    expect(await take(reader, 6)).toEqual(["b:1", "c:1", "synced", "a:1>2", "a:2>delete", "a:3"]);
  });

  it("says nothing of a key that went before its turn", async () => {
    const { store, reader } = open();
    store.delete("b");
    expect(await take(reader, 3)).toEqual(["a:1", "c:1", "synced"]);
    expect(await drain(reader)).toEqual([]);
  });

  it("delivers a key that was created meanwhile before synced, once and as it is by then", async () => {
    const { store, reader } = open();
    await reader.next();
    store.set("d", "1");
    store.set("d", "2");
    store.set("e", "1");
    store.delete("e");
    expect(await take(reader, 4)).toEqual(["b:1", "c:1", "d:2", "synced"]);
  });

  it("comes to synced however fast keys are created", async () => {
    const { store, reader } = open();
    const seen: (string | undefined)[] = [];
    for (let index = 0; seen.at(-1) !== "synced"; index++) {
      store.set(`n${index}`, "1");
      store.set(`n${index}`, "2");
      seen.push(...(await take(reader, 1)));
    }
    expect(seen).toEqual(["a:1", "b:1", "c:1", "n0:2", "n1:2", "n2:2", "n3:2", "n4:2", "synced"]);
    expect(await take(reader, 2)).toEqual(["n5:1", "n5:1>2"]);
  });

  it("keeps its word when a key that waits for its turn behind the others goes and comes again", async () => {
    const { store, reader } = open();
    await reader.next();
    store.set("d", "1");
    store.set("e", "1");
    expect(await take(reader, 3)).toEqual(["b:1", "c:1", "d:1"]);
    store.set("e", "2");
    store.delete("e");
    store.set("e", "3");
    expect(await take(reader, 2)).toEqual(["synced", "e:3"]);
  });

  it("skips a key that comes twice", async () => {
    const hub = createWatchHub();
    const reader = hub.open({}, () => [change("a", "1"), change("b", "1"), change("a", "1")]);
    expect(await take(reader, 3)).toEqual(["a:1", "b:1", "synced"]);
  });

  it("gives a collection that was created meanwhile with all its members and nothing removed", async () => {
    const hub = createWatchHub();
    const reader = hub.open({}, NOTHING_THERE);
    hub.publish(gone("s", undefined, { kind: "set", removed: ["old"] }));
    hub.publish(members("s", ["x", "y"]));
    hub.publish(members("s", ["z"], ["x", "other"]));
    const [first] = await drain(reader);
    expect(first).toMatchObject({ key: "s", added: ["y", "z"], removed: [], folded: 0 });
  });

  it("passes an error of the store on and ends", async () => {
    const hub = createWatchHub();
    const reader = hub.open({}, function* () {
      yield change("a", "1");
      throw new Error("broken");
    });
    await reader.next();
    await expect(reader.next()).rejects.toThrow("broken");
    expect(hub.active()).toBe(false);
    expect(await take(reader, 1)).toEqual(["end"]);
  });
});

describe("a slow reader", () => {
  async function slow(buffer: number) {
    const store = createStore();
    const reader = store.watch({ buffer });
    await reader.next();
    return { store, reader };
  }

  it("gets every change up to its buffer", async () => {
    const { store, reader } = await slow(3);
    for (const value of ["1", "2", "3"]) store.set("a", value);
    expect((await drain(reader)).map(show)).toEqual(["a:1", "a:1>2", "a:2>3"]);
  });

  it("gets one change per key past it, from before the first to after the last", async () => {
    const { store, reader } = await slow(3);
    store.set("a", "1");
    store.set("b", "1");
    store.set("a", "2");
    store.set("c", "1");
    store.set("a", "3");
    store.delete("b");
    expect((await drain(reader)).map(show)).toEqual(["a:3+2", "b:delete+1", "c:1"]);
  });

  it("keeps previous of the first, origin and time of the last", async () => {
    const hub = createWatchHub();
    const reader = hub.open({ buffer: 1 }, NOTHING_THERE);
    await reader.next();
    hub.publish(change("a", "2", { previous: "1", origin: "x", at: 5 }));
    hub.publish(gone("a", "2", { type: "expire", origin: "y", at: 4 }));
    expect(await drain(reader)).toEqual([gone("a", "1", { type: "expire", origin: "y", at: 4, folded: 1 })]);
  });

  it("hears every change again once it has caught up to half of its buffer", async () => {
    const { store, reader } = await slow(4);
    for (const key of ["a", "b", "c", "d", "e"]) store.set(key, "1");
    await take(reader, 2);
    store.set("e", "2");
    expect(await take(reader, 1)).toEqual(["c:1"]);
    store.set("e", "3");
    store.set("e", "4");
    expect((await drain(reader)).map(show)).toEqual(["d:1", "e:2+1", "e:2>3", "e:3>4"]);
  });

  it("folds what is folded already", async () => {
    const { store, reader } = await slow(4);
    for (const key of ["a", "b", "c", "d", "e"]) store.set(key, "1");
    store.set("e", "2");
    await take(reader, 3);
    for (let value = 3; value < 8; value++) store.set("e", String(value));
    expect((await drain(reader)).map(show)).toEqual(["d:1", "e:7+6"]);
  });

  it("costs one change per key, however many there are", async () => {
    const { store, reader } = await slow(8);
    for (let round = 0; round < 5; round++)
      for (let key = 0; key < 3_000; key++) store.set(`k${key}`, `${round}`);
    const items = (await drain(reader)).map(show);
    expect(items).toHaveLength(3_000);
    expect(items[0]).toBe("k0:4+4");
    expect(items[2_999]).toBe("k2999:4+4");
  });

  it("never loses where a key ended up, whatever its pace", async () => {
    for (let buffer = 1; buffer < 12; buffer++) {
      const { store, reader } = await slow(buffer);
      const truth = new Map<string, string>();
      const heard = new Map<string, Value>();
      const changes: Change[] = [];
      let written = 0;
      let drawn = buffer;
      const draw = (below: number) => {
        drawn = (drawn * 48_271) % 2_147_483_647;
        return drawn % below;
      };
      for (let step = 0; step < 600; step++) {
        const key = `k${draw(5)}`;
        if (draw(4) > 0) {
          truth.set(key, `${step}`);
          store.set(key, `${step}`);
          written++;
        } else if (truth.delete(key)) {
          store.delete(key);
          written++;
        }
        if (draw(40) === 0) changes.push(...(await drainSome(reader, changes, written, draw(buffer + 2))));
      }
      changes.push(...(await drain(reader)));
      let told = 0;
      for (const item of changes) {
        if (item.type === "synced") continue;
        told += 1 + item.folded;
        expect(item.previous).toBe(heard.get(item.key));
        if (item.type === "set") heard.set(item.key, item.value!);
        else heard.delete(item.key);
      }
      expect(heard).toEqual(truth);
      expect(told).toBe(written);
    }
  });

  it("nets the members that came and went", async () => {
    const hub = createWatchHub();
    const reader = hub.open({ buffer: 1 }, NOTHING_THERE);
    await reader.next();
    const binary = () => Uint8Array.of(255);
    hub.publish(members("s", ["a", "b", binary()]));
    hub.publish(members("s", ["c"], ["a", "was"]));
    hub.publish(members("s", ["was"], [binary(), "went"]));
    const [item] = await drain(reader);
    expect(item).toMatchObject({ added: ["b", "c"], removed: ["went"], folded: 2 });
  });

  it("counts equal elements of a list", async () => {
    const hub = createWatchHub();
    const reader = hub.open({ buffer: 1 }, NOTHING_THERE);
    await reader.next();
    const list = { kind: "list" } as const;
    hub.publish(members("l", ["x", "x", "x"], [], list));
    hub.publish(members("l", [], ["x", "y", "y"], list));
    expect(await drain(reader)).toMatchObject([{ kind: "list", added: ["x", "x"], removed: ["y", "y"] }]);
  });

  it.each<[string, KeyChange[], Partial<KeyChange>]>([
    [
      "went",
      [gone("s", undefined, { kind: "set", removed: ["a"] })],
      { type: "delete", added: [], removed: ["z"] },
    ],
    ["became text", [change("s", "text")], { kind: "string", value: "text", added: [], removed: ["z"] }],
    ["came back", [gone("s", undefined), members("s", ["c"])], { kind: "set", added: ["c"], removed: ["z"] }],
  ])("has no members left of a collection that %s, listed or not", async (_, later, expected) => {
    const hub = createWatchHub();
    const reader = hub.open({ buffer: 1 }, NOTHING_THERE);
    await reader.next();
    hub.publish(members("s", ["a", "b"], ["z"]));
    for (const each of later) hub.publish(each);
    expect(await drain(reader)).toMatchObject([{ ...expected, folded: later.length }]);
  });
});

/** Reads up to `count` of the changes that are there. */
async function drainSome(reader: AsyncIterator<Change>, before: Change[], written: number, count: number) {
  const told = before.reduce((sum, item) => sum + (item.type === "synced" ? 0 : 1 + item.folded), 0);
  const items: Change[] = [];
  let left = written - told;
  while (items.length < count && left > 0) {
    const step = await reader.next();
    items.push(step.value as Change);
    left -= 1 + (step.value as KeyChange).folded;
  }
  return items;
}

describe("a watcher ends", () => {
  it("with break", async () => {
    const store = createStore();
    store.set("a", "1");
    for await (const item of store.watch()) {
      expect(show(item)).toBe("a:1");
      break;
    }
    expect(store.hub.active()).toBe(false);
  });

  it("with return, settling whoever waits and letting go of the store", async () => {
    const hub = createWatchHub();
    let released = false;
    const reader = hub.open({}, function* () {
      try {
        yield change("a", "1");
        yield change("b", "1");
      } finally {
        released = true;
      }
    });
    await reader.next();
    await reader.return?.();
    expect(released).toBe(true);
    const other = hub.open({}, NOTHING_THERE);
    await other.next();
    const waiting = other.next();
    await other.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(hub.active()).toBe(false);
    hub.publish(change("a", "1"));
    expect(await take(other, 1)).toEqual(["end"]);
  });

  it("with its signal, also one that was aborted before", async () => {
    const store = createStore();
    const controller = new AbortController();
    const reader = store.watch({ signal: controller.signal });
    await reader.next();
    const waiting = reader.next();
    controller.abort();
    expect((await waiting).done).toBe(true);
    expect(await take(store.watch({ signal: controller.signal }), 1)).toEqual(["end"]);
    expect(store.hub.active()).toBe(false);
  });

  it("with the hub, which then opens no more", async () => {
    const store = createStore();
    const readers = [store.watch(), store.watch()];
    const waiting = readers[1]!.next().then(() => readers[1]!.next());
    await readers[0]!.next();
    store.hub.close();
    expect((await waiting).done).toBe(true);
    expect(await take(readers[0]!, 1)).toEqual(["end"]);
    expect(() => store.watch()).toThrow(code("CLOSED"));
    store.hub.close();
  });
});

describe("options of a watcher", () => {
  it.each<[unknown]>([
    [{ buffer: 0 }],
    [{ buffer: 1.5 }],
    [{ buffer: "9" }],
    [{ prefix: 7 }],
    [{ match: /a/ }],
    [{ signal: {} }],
  ])("refuses %j", (options) => {
    const hub = createWatchHub();
    expect(() => hub.open(options as never, NOTHING_THERE)).toThrow(code("INVALID_ARGUMENT"));
    expect(hub.active()).toBe(false);
  });
});

describe("a reader so slow that a change of type is folded", () => {
  const change = (kind: "set" | "list", added: string[], removed: string[]): KeyChange => ({
    type: "set",
    key: "k",
    kind,
    value: undefined,
    previous: undefined,
    added,
    removed,
    origin: "o",
    at: 0,
    folded: 0,
  });

  it("hears of a value that went with the old type and came with the new one as both", () => {
    const pending = new PendingChange(change("list", ["b"], []));
    pending.fold(change("set", ["a", "b"], ["a", "b"]));
    expect(pending.take()).toMatchObject({ kind: "set", added: ["a", "b"], removed: ["a"], folded: 1 });
  });

  it("hears of it as well when the change of type is the first that is folded", () => {
    const pending = new PendingChange({ ...change("set", ["a"], ["b"]), was: "list" });
    pending.fold(change("set", ["b"], []));
    expect(pending.take()).toMatchObject({ kind: "set", added: ["a", "b"], removed: ["b"], folded: 1 });
  });

  it("hears of all that went, however much", () => {
    const members = Array.from({ length: 200_000 }, (_, i) => `member ${i}`);
    const pending = new PendingChange({ ...change("set", ["a"], members), was: "list" });
    pending.fold(change("set", ["b"], []));
    expect(pending.take().removed).toHaveLength(members.length);
  });
});
