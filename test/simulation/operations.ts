/**
 * What the clients of a simulated cluster do: operations as plain data, so that a failing run can be told
 * in words, drawn by weight from a seed, and performed on a host.
 */
import type { Value } from "../../src/crdt/entry.ts";
import type { Random } from "../../src/testing/random.ts";
import type { ListEnd, SetOptions, Tidemark, ValueInput } from "../../src/tidemark.ts";

/** One call of a client. */
export type Operation =
  | {
      readonly name: "set";
      readonly key: string;
      readonly value: Value;
      readonly ttl?: number;
      readonly keepTtl?: boolean;
      readonly onlyIf?: "absent" | "present";
      /** As `ttl`, given as a moment; 0 or less is past. */
      readonly untilMs?: number;
    }
  | {
      readonly name: "setMany";
      readonly entries: readonly (readonly [key: string, value: Value])[];
      readonly ttl?: number;
    }
  | { readonly name: "increment"; readonly key: string; readonly delta: number | bigint }
  | { readonly name: "delete"; readonly keys: readonly string[] }
  | { readonly name: "clear"; readonly prefix?: string }
  | { readonly name: "expire"; readonly key: string; readonly ttl: number }
  | { readonly name: "expireAt"; readonly key: string; readonly inMs: number }
  | { readonly name: "persist"; readonly key: string }
  | MoveOperation
  | SetOperation
  | ListOperation;

/** An operation that takes what one key holds to another, or replaces a collection as a whole. */
export type MoveOperation =
  | {
      readonly name: "rename" | "copy";
      readonly from: string;
      readonly to: string;
      readonly onlyIf?: "absent";
    }
  | { readonly name: "setMove"; readonly from: string; readonly to: string; readonly value: Value }
  | {
      readonly name: "listMove";
      readonly from: string;
      readonly to: string;
      readonly ends: { readonly from: ListEnd; readonly to: ListEnd };
    }
  | { readonly name: "setStore" | "listStore"; readonly key: string; readonly values: readonly Value[] };

/** An operation on a set. */
export type SetOperation = {
  readonly name: "setAdd" | "setRemove";
  readonly key: string;
  readonly values: readonly Value[];
};

/** An operation on a list. */
export type ListOperation =
  | { readonly name: "listPush" | "listUnshift"; readonly key: string; readonly values: readonly Value[] }
  | { readonly name: "listPop" | "listShift" | "listClear"; readonly key: string }
  | { readonly name: "listRemove"; readonly key: string; readonly value: Value; readonly count: number }
  | {
      readonly name: "listInsert";
      readonly key: string;
      readonly where: "before" | "after";
      readonly pivot: Value;
      readonly value: Value;
    }
  | { readonly name: "listSet"; readonly key: string; readonly index: number; readonly value: Value }
  | { readonly name: "listTrim"; readonly key: string; readonly start: number; readonly stop: number };

export type OperationName = Operation["name"];

/** How often each operation is drawn when all are. Rare ones undo much. */
export const WEIGHTS: Readonly<Record<OperationName, number>> = {
  set: 10,
  setMany: 2,
  increment: 8,
  delete: 4,
  clear: 0.5,
  expire: 4,
  expireAt: 1,
  persist: 2,
  setAdd: 6,
  setRemove: 3,
  listPush: 5,
  listUnshift: 3,
  listPop: 2,
  listShift: 2,
  listRemove: 1,
  listInsert: 2,
  listSet: 1.5,
  listTrim: 0.5,
  listClear: 0.5,
  rename: 1,
  copy: 1,
  setMove: 1,
  listMove: 1.5,
  setStore: 0.7,
  listStore: 0.7,
};

/** What operations are drawn from. */
export interface Vocabulary {
  readonly keys: readonly string[];
  readonly weights: readonly (readonly [name: OperationName, weight: number])[];
  /** Bytes of the largest values. */
  readonly largest: number;
  /** Milliseconds of the longest time to live. */
  readonly longestTtl: number;
}

/** Draws the next operation. */
export function drawOperation(random: Random, vocabulary: Vocabulary): Operation {
  const name = drawName(random, vocabulary);
  const key = random.pick(vocabulary.keys);
  const value = (): Value => drawValue(random, vocabulary.largest);
  const ttl = (): number => Math.round(random.magnitude(1, vocabulary.longestTtl));
  switch (name) {
    case "set":
      return { name, key, value: value(), ...drawSetOptions(random, ttl) };
    case "setMany": {
      const entries = several(random, (): [string, Value] => [random.pick(vocabulary.keys), value()]);
      return { name, entries, ...(random.chance(0.2) ? { ttl: ttl() } : {}) };
    }
    case "increment":
      return { name, key, delta: drawDelta(random) };
    case "delete":
      return { name, keys: random.chance(0.8) ? [key] : several(random, () => random.pick(vocabulary.keys)) };
    case "clear":
      return random.chance(0.3) ? { name } : { name, prefix: key.slice(0, random.integer(1, key.length)) };
    case "expire":
      return { name, key, ttl: random.chance(0.05) ? Number.POSITIVE_INFINITY : ttl() };
    case "expireAt":
      return { name, key, inMs: random.chance(0.1) ? -random.integer(0, 5_000) : ttl() };
    case "rename":
    case "copy": {
      const onlyIf = random.chance(0.2) ? ({ onlyIf: "absent" } as const) : {};
      return { name, from: key, to: random.pick(vocabulary.keys), ...onlyIf };
    }
    case "setMove":
      return { name, from: key, to: random.pick(vocabulary.keys), value: value() };
    case "listMove": {
      const end = (): ListEnd => random.pick(["head", "tail"]);
      return { name, from: key, to: random.pick(vocabulary.keys), ends: { from: end(), to: end() } };
    }
    case "setStore":
    case "listStore":
      return { name, key, values: random.chance(0.1) ? [] : several(random, value) };
    case "persist":
    case "listPop":
    case "listShift":
    case "listClear":
      return { name, key };
    case "setAdd":
    case "setRemove":
    case "listPush":
    case "listUnshift":
      return { name, key, values: several(random, value) };
    case "listRemove":
      return { name, key, value: value(), count: random.integer(-2, 2) };
    case "listInsert":
      return { name, key, where: random.pick(["before", "after"]), pivot: value(), value: value() };
    case "listSet":
      return { name, key, index: random.integer(-4, 4), value: value() };
    case "listTrim":
      return { name, key, start: random.integer(-5, 2), stop: random.integer(-3, 6) };
  }
}

/** Calls it on a host. */
export function perform(host: Tidemark, operation: Operation): unknown {
  switch (operation.name) {
    case "set": {
      const { ttl, keepTtl, onlyIf, untilMs } = operation;
      const options: SetOptions = {};
      if (ttl !== undefined) options.ttl = ttl;
      if (keepTtl !== undefined) options.keepTtl = keepTtl;
      if (onlyIf !== undefined) options.onlyIf = onlyIf;
      if (untilMs !== undefined) options.expiresAt = momentIn(host, untilMs);
      return host.set(operation.key, operation.value, options);
    }
    case "setMany":
      return host.setMany(operation.entries, operation.ttl === undefined ? {} : { ttl: operation.ttl });
    case "increment":
      return host.increment(operation.key, operation.delta as number);
    case "delete":
      return host.delete(...operation.keys);
    case "clear":
      return host.clear(operation.prefix === undefined ? {} : { prefix: operation.prefix });
    case "expire":
      return host.expire(operation.key, operation.ttl);
    case "expireAt":
      return host.expireAt(operation.key, momentIn(host, operation.inMs));
    case "rename":
    case "copy": {
      const { from, to, onlyIf } = operation;
      return host[operation.name](from, to, onlyIf === undefined ? {} : { onlyIf });
    }
    case "setMove":
      return host.setMove(operation.from, operation.to, operation.value);
    case "listMove":
      return host.listMove(operation.from, operation.to, operation.ends);
    case "setStore":
    case "listStore":
      return host[operation.name](operation.key, operation.values);
    case "setAdd":
    case "setRemove":
    case "listPush":
    case "listUnshift":
      return host[operation.name](operation.key, ...(operation.values as readonly ValueInput[]));
    case "persist":
    case "listPop":
    case "listShift":
    case "listClear":
      return host[operation.name](operation.key);
    case "listRemove":
      return host.listRemove(operation.key, operation.value, operation.count);
    case "listInsert":
      return host.listInsert(operation.key, operation.where, operation.pivot, operation.value);
    case "listSet":
      return host.listSet(operation.key, operation.index, operation.value);
    case "listTrim":
      return host.listTrim(operation.key, operation.start, operation.stop);
  }
}

function momentIn(host: Tidemark, ms: number): number {
  return Math.max(1, Math.floor(host.now()) + ms);
}

/** The keys that an operation may change, among those there are. */
export function keysOf(operation: Operation, keys: readonly string[]): string[] {
  switch (operation.name) {
    case "setMany":
      return [...new Set(operation.entries.map(([key]) => key))];
    case "delete":
      return [...new Set(operation.keys)];
    case "clear":
      return keys.filter((key) => key.startsWith(operation.prefix ?? ""));
    case "rename":
    case "copy":
    case "setMove":
    case "listMove":
      return [...new Set([operation.from, operation.to])];
    default:
      return [operation.key];
  }
}

function drawName(random: Random, { weights }: Vocabulary): OperationName {
  let rest = random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of weights) {
    rest -= weight;
    if (rest < 0) return name;
  }
  return weights[0]![0];
}

type DrawnSetOptions = Omit<SetOptions, "ttl"> & { ttl?: number; untilMs?: number };

function drawSetOptions(random: Random, ttl: () => number): DrawnSetOptions {
  const options: DrawnSetOptions = {};
  const kind = random.next();
  if (kind < 0.35) options.ttl = ttl();
  else if (kind < 0.5) options.keepTtl = true;
  else if (kind < 0.56) options.untilMs = random.chance(0.2) ? -random.integer(0, 5_000) : ttl();
  if (random.chance(0.15)) options.onlyIf = random.pick(["absent", "present"]);
  return options;
}

function drawDelta(random: Random): number | bigint {
  const delta = random.integer(-3, 7);
  if (random.chance(0.1)) return BigInt(delta) * 1_000_000_007n;
  if (random.chance(0.02)) return BigInt(delta) * 1_234_567_890_123_456_789n;
  return delta;
}

/** Few different ones, so that hosts meet on the same; some integers, some bytes, some large. */
function drawValue(random: Random, largest: number): Value {
  const kind = random.next();
  if (kind < 0.55) return random.pick(["red", "green", "blue", "grün"]);
  if (kind < 0.75) return String(random.integer(-5, 20));
  if (kind < 0.85) return new Uint8Array([0xff, random.integer(0, 3)]);
  if (kind < 0.95) return "";
  return "large ".repeat(Math.ceil(random.magnitude(1, Math.max(2, largest)) / 6));
}

function several<T>(random: Random, draw: () => T): T[] {
  return Array.from({ length: random.chance(0.6) ? 1 : random.integer(1, 4) }, draw);
}
