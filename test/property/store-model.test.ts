/**
 * One long life of a standalone host beside a plain Map with a clock: 100,000 operations on several hundred keys,
 * with steps of time from a millisecond to minutes, so that deadlines meet sweeps, refreshed keys, changed types and
 * shards given back. `TIDEMARK_SEED` repeats a run, which prints its seed when it fails.
 */
import { describe, expect, it } from "vitest";
import type { Host } from "../../src/host.ts";
import { Random } from "../../src/testing/random.ts";
import type { Change } from "../../src/watch.ts";
import { standalone } from "../unit/support/standalone.ts";

const OPERATIONS = 100_000;
const KEYS = 400;
const DEFAULT_TTL_MS = 30_000;
/** How long what has expired may still be held. */
const KEPT_MS = 3_000;
const NEVER = Number.POSITIVE_INFINITY;
const SEED = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 2 ** 32));

type Held = { deadline: number } & (
  | { type: "string"; text: string }
  | { type: "set"; items: Set<string> }
  | { type: "list"; items: string[] }
);

class Model {
  now = 0;
  /** Every expiry a watcher is to be told of, in the order of their moments but for those of one step. */
  readonly expired = new Map<string, number>();
  /** When each key expired last. */
  readonly expiredAt = new Map<string, number>();
  readonly #keys = new Map<string, Held>();

  find(key: string): Held | undefined {
    const held = this.#keys.get(key);
    if (held === undefined || held.deadline > this.now) return held;
    this.#keys.delete(key);
    this.expired.set(key, (this.expired.get(key) ?? 0) + 1);
    this.expiredAt.set(key, held.deadline);
    return undefined;
  }

  keys(): string[] {
    return [...this.#keys.keys()].filter((key) => this.find(key) !== undefined);
  }

  put(key: string, held: Held): void {
    this.find(key);
    this.#keys.set(key, held);
  }

  delete(key: string): boolean {
    return this.find(key) !== undefined && this.#keys.delete(key);
  }

  of<T extends Held["type"]>(key: string, type: T): (Held & { type: T }) | undefined | "other" {
    const held = this.find(key);
    return held === undefined || held.type === type ? (held as (Held & { type: T }) | undefined) : "other";
  }
}

/** One random operation, done to both; returns what each said and a name for it. */
function operate(
  random: Random,
  host: Host,
  model: Model,
  key: string,
): [name: string, ours: unknown, theirs: unknown] {
  const text = random.chance(0.3) ? String(random.integer(-50, 50)) : `v${random.integer(0, 9)}`;
  const ttl = Math.round(random.magnitude(1, 600_000));
  const fresh = (): number => model.now + DEFAULT_TTL_MS;
  const says = (act: () => unknown): unknown => {
    try {
      return act();
    } catch (error) {
      return (error as { code?: string }).code ?? error;
    }
  };
  const held = model.find(key);
  switch (random.integer(0, 15)) {
    case 0:
    case 1:
      model.put(key, { type: "string", text, deadline: fresh() });
      return ["set", says(() => host.set(key, text)), true];
    case 2:
    case 3:
      model.put(key, { type: "string", text, deadline: model.now + ttl });
      return [`set for ${ttl}`, says(() => host.set(key, text, { ttl })), true];
    case 4:
      model.put(key, { type: "string", text, deadline: held?.deadline ?? fresh() });
      return ["set and keep ttl", says(() => host.set(key, text, { keepTtl: true })), true];
    case 5: {
      const onlyIf = random.pick(["absent", "present"] as const);
      const does = (onlyIf === "present") === (held !== undefined);
      if (does) model.put(key, { type: "string", text, deadline: fresh() });
      return [`set if ${onlyIf}`, says(() => host.set(key, text, { onlyIf })), does];
    }
    case 6:
    case 7: {
      const ours = says(() => host.increment(key, 3));
      if (held === undefined) {
        model.put(key, { type: "string", text: "3", deadline: fresh() });
        return ["increment", ours, 3];
      }
      if (held.type !== "string") return ["increment", ours, "WRONG_TYPE"];
      if (!/^-?\d+$/.test(held.text)) return ["increment", ours, "NOT_AN_INTEGER"];
      held.text = String(Number(held.text) + 3);
      return ["increment", ours, Number(held.text)];
    }
    case 8:
    case 9: {
      const set = model.of(key, "set");
      const ours = says(() => host.setAdd(key, text, "m"));
      if (set === "other") return ["setAdd", ours, "WRONG_TYPE"];
      const items = set?.items ?? new Set();
      const before = items.size;
      items.add(text).add("m");
      if (set === undefined) model.put(key, { type: "set", items, deadline: fresh() });
      return ["setAdd", ours, items.size - before];
    }
    case 10: {
      const set = model.of(key, "set");
      const ours = says(() => host.setRemove(key, "m"));
      if (set === "other") return ["setRemove", ours, "WRONG_TYPE"];
      const had = set?.items.delete("m") === true;
      if (set?.items.size === 0) model.delete(key);
      return ["setRemove", ours, had ? 1 : 0];
    }
    case 11: {
      const list = model.of(key, "list");
      const ours = says(() => host.listPush(key, text));
      if (list === "other") return ["listPush", ours, "WRONG_TYPE"];
      const items = list?.items ?? [];
      items.push(text);
      if (list === undefined) model.put(key, { type: "list", items, deadline: fresh() });
      return ["listPush", ours, items.length];
    }
    case 12: {
      const list = model.of(key, "list");
      const ours = says(() => host.listShift(key));
      if (list === "other") return ["listShift", ours, "WRONG_TYPE"];
      const first = list?.items.shift();
      if (list?.items.length === 0) model.delete(key);
      return ["listShift", ours, first];
    }
    case 13: {
      const ours = says(() => host.expire(key, ttl));
      if (held !== undefined) held.deadline = model.now + ttl;
      return [`expire in ${ttl}`, ours, held !== undefined];
    }
    case 14: {
      const ours = says(() => host.persist(key));
      const had = held !== undefined && held.deadline !== NEVER;
      if (had) held.deadline = NEVER;
      return ["persist", ours, had];
    }
    default:
      return ["delete", says(() => host.delete(key)), model.delete(key) ? 1 : 0];
  }
}

function same(host: Host, model: Model, key: string): boolean {
  const held = model.find(key);
  if (host.type(key) !== held?.type) return false;
  if (host.ttl(key) !== (held === undefined ? undefined : held.deadline - model.now)) return false;
  if (held === undefined) return !host.has(key) && host.get(key) === undefined;
  if (held.type === "string") return host.get(key) === held.text;
  const [ours, theirs] =
    held.type === "set"
      ? [host.setMembers(key).sort(), [...held.items].sort()]
      : [host.listRange(key), held.items];
  return ours.length === theirs.length && ours.every((item, index) => item === theirs[index]);
}

describe("a host that lives long", () => {
  it(`does what a Map with a clock does, and tells each expiry once (TIDEMARK_SEED=${SEED})`, async () => {
    const random = new Random(SEED);
    const { host, time } = standalone({ ttl: DEFAULT_TTL_MS });
    const model = new Model();
    const changes = host.watch({ buffer: 1_000_000 })[Symbol.asyncIterator]();
    const told = new Map<string, number>();
    const note = ({ value }: IteratorResult<Change>): string => {
      if (value.type === "expire") told.set(value.key, (told.get(value.key) ?? 0) + 1);
      return value.type === "synced" ? "" : value.key;
    };
    await changes.next();
    let mark = 0;
    const passes = (ms: number): void => {
      time.run(ms);
      model.now += ms;
      model.keys();
    };
    for (let i = 1; i <= OPERATIONS; i++) {
      // Some keys are in use all the time, most now and then.
      const key = `key-${Math.floor(random.next() ** 3 * KEYS)}`;
      const [name, ours, theirs] = operate(random, host, model, key);
      if (ours !== theirs || !same(host, model, key)) {
        const story = `TIDEMARK_SEED=${SEED}, operation ${i}: ${name} of ${key}`;
        expect([ours, host.type(key), host.ttl(key)], story).toEqual([
          theirs,
          model.find(key)?.type,
          "as above",
        ]);
      }
      if (random.chance(0.2)) passes(Math.round(random.magnitude(1, random.chance(0.005) ? 900_000 : 500)));
      if (i % 5_000 !== 0) continue;
      const known = model.keys();
      expect([...host.keys()].sort(), `TIDEMARK_SEED=${SEED}, after ${i}`).toEqual(known.sort());
      for (const each of known)
        expect(same(host, model, each), `TIDEMARK_SEED=${SEED}, ${each} after ${i}`).toBe(true);
      // A change of our own making ends what is to be read now.
      host.set(`mark-${++mark}`, "x", { ttl: NEVER });
      while (note(await changes.next()) !== `mark-${mark}`);
      host.delete(`mark-${mark}`);
      passes(100);
      for (const each of host.inspect().keys.keys()) {
        const overdue =
          model.find(each) === undefined && model.now - (model.expiredAt.get(each) ?? 0) > KEPT_MS;
        expect(overdue, `TIDEMARK_SEED=${SEED}, ${each} is kept after ${i}`).toBe(false);
      }
    }
    // What is left stays, so that the last tick is not a race with the last deadline.
    for (const each of model.keys()) host.persist(each);
    time.run(100);
    host.set("end", "x");
    while (note(await changes.next()) !== "end");
    expect([...told].sort(), `TIDEMARK_SEED=${SEED}`).toEqual([...model.expired].sort());
    expect(told.size).toBeGreaterThan(KEYS / 2);
    await host.close();
  });
});
