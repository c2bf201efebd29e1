/**
 * The plain sequential meaning of every operation on what one host shows: what it answers and what is
 * there afterwards. Concurrency is the oracle's business; this says that a client who is alone sees a
 * plain map of strings, counters, sets and lists.
 */
import type { Value } from "../../src/crdt/entry.ts";
import type { ErrorCode } from "../../src/errors.ts";
import type { Tidemark } from "../../src/tidemark.ts";
import type { ListOperation, MoveOperation, Operation, SetOperation } from "./operations.ts";
import { valueName } from "./oracle.ts";

/** What a key holds, and its milliseconds left; `undefined` where nobody says. */
export type Content = (
  | { readonly type: "string"; readonly value: Value }
  | { readonly type: "set" | "list"; readonly values: readonly Value[] }
) & { readonly ttl: number | undefined };

type Contents = Map<string, Content>;

/** What an operation does when nothing interferes. */
export type Outcome =
  | { readonly result: unknown; readonly contents: Contents }
  /** `orError`: just as good, where what a reader sees does not tell them apart. */
  | { readonly error: ErrorCode; readonly orError?: ErrorCode };

/** Reads what a host shows of a key. */
export function readContent(host: Tidemark, key: string): Content | undefined {
  const ttl = host.ttl(key);
  switch (host.type(key)) {
    case undefined:
      return undefined;
    case "set":
      return { type: "set", values: host.setMembers(key), ttl };
    case "list":
      return { type: "list", values: host.listRange(key), ttl };
    case "string": {
      const bytes = host.getBytes(key)!;
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      return { type: "string", value: Buffer.from(text).equals(bytes) ? text : bytes, ttl };
    }
  }
}

/** One name per content, to compare them; times to live are compared apart. */
export function contentName(content: Content | undefined): string {
  if (content === undefined) return "nothing";
  if (content.type === "string") return `string ${valueName(content.value)}`;
  const names = content.values.map(valueName);
  return `${content.type} ${(content.type === "set" ? names.sort() : names).join(", ")}`;
}

/** Fleet time has fractions, times to live are told in whole milliseconds. */
export function sameTtl(left: number | undefined, right: number | undefined): boolean {
  if (left === undefined || right === undefined || left === right) return true;
  return Math.abs(left - right) <= 1;
}

/**
 * What `operation` does to `contents`, which it may keep. `defaultTtl` is that of the namespace. `Error`
 * outcomes leave everything as it was.
 */
export function expectedOutcome(operation: Operation, contents: Contents, defaultTtl: number): Outcome {
  const after = new Map(contents);
  const done = (result?: unknown): Outcome => ({ result, contents: after });
  switch (operation.name) {
    case "set": {
      const { key, value, ttl, keepTtl, onlyIf, untilMs } = operation;
      const before = contents.get(key);
      if (onlyIf === (before === undefined ? "present" : "absent")) return done(false);
      if (untilMs !== undefined && untilMs <= 0) {
        after.delete(key);
        return done(true);
      }
      const kept = keepTtl === true && before !== undefined ? before.ttl : defaultTtl;
      after.set(key, { type: "string", value, ttl: ttl ?? untilMs ?? kept });
      return done(true);
    }
    case "setMany":
      for (const [key, value] of operation.entries) {
        after.set(key, { type: "string", value, ttl: operation.ttl ?? defaultTtl });
      }
      return done();
    case "delete": {
      let count = 0;
      for (const key of operation.keys) if (after.delete(key)) count++;
      return done(count);
    }
    case "clear":
      for (const key of contents.keys()) if (key.startsWith(operation.prefix ?? "")) after.delete(key);
      return done();
    case "increment":
      return incremented(operation.key, operation.delta, after, defaultTtl);
    case "expire":
    case "persist": {
      const before = contents.get(operation.key);
      const ttl = operation.name === "expire" ? operation.ttl : Number.POSITIVE_INFINITY;
      if (before === undefined) return done(false);
      if (operation.name === "persist" && before.ttl === Number.POSITIVE_INFINITY) return done(false);
      after.set(operation.key, { ...before, ttl });
      return done(true);
    }
    case "expireAt": {
      const before = contents.get(operation.key);
      if (before === undefined) return done(false);
      if (operation.inMs <= 0) after.delete(operation.key);
      else after.set(operation.key, { ...before, ttl: operation.inMs });
      return done(true);
    }
    case "rename":
    case "copy":
    case "setMove":
    case "listMove":
    case "setStore":
    case "listStore":
      return moved(operation, after, defaultTtl);
    case "setAdd":
    case "setRemove":
      return ofSet(operation, after, defaultTtl);
    default:
      return ofList(operation, after, defaultTtl);
  }
}

function moved(operation: MoveOperation, after: Contents, defaultTtl: number): Outcome {
  const done = (result: unknown): Outcome => ({ result, contents: after });
  switch (operation.name) {
    case "setStore":
    case "listStore": {
      const { name, key, values } = operation;
      after.delete(key);
      const kept = name === "listStore" ? values : distinct(values);
      put(key, { type: name === "setStore" ? "set" : "list", values: kept, ttl: defaultTtl }, after);
      return done(kept.length);
    }
    case "rename":
    case "copy": {
      const { name, from, to, onlyIf } = operation;
      const content = after.get(from);
      if (content === undefined || (onlyIf === "absent" && after.has(to))) return done(false);
      if (name === "rename") after.delete(from);
      after.set(to, content);
      return done(true);
    }
    case "setMove": {
      const { from, to, value } = operation;
      const source = after.get(from);
      const target = after.get(to);
      if (source === undefined) return done(false);
      if (source.type !== "set" || (target !== undefined && target.type !== "set")) return WRONG_TYPE;
      const rest = source.values.filter((member) => valueName(member) !== valueName(value));
      if (rest.length === source.values.length) return done(false);
      if (from === to) return done(true);
      put(from, { ...source, values: rest }, after);
      const values = distinct([...(target?.values ?? []), value]);
      put(to, { type: "set", values, ttl: target?.ttl ?? defaultTtl }, after);
      return done(true);
    }
    case "listMove": {
      const { from, to, ends } = operation;
      const source = after.get(from);
      if (source === undefined) return done(undefined);
      if (source.type !== "list" || (after.get(to)?.type ?? "list") !== "list") return WRONG_TYPE;
      const rest = source.values.slice();
      const taken = (ends.from === "head" ? rest.shift() : rest.pop())!;
      if (from === to) {
        put(from, { ...source, values: ends.to === "head" ? [taken, ...rest] : [...rest, taken] }, after);
        return done(taken);
      }
      const target = after.get(to) as (Content & { readonly values: readonly Value[] }) | undefined;
      const others = target?.values ?? [];
      const values = ends.to === "head" ? [taken, ...others] : [...others, taken];
      put(from, { ...source, values: rest }, after);
      put(to, { type: "list", values, ttl: target?.ttl ?? defaultTtl }, after);
      return done(taken);
    }
  }
}

const WRONG_TYPE: Outcome = { error: "WRONG_TYPE" };

function distinct(values: readonly Value[]): Value[] {
  return [...new Map(values.map((value) => [valueName(value), value])).values()];
}

function incremented(key: string, delta: number | bigint, after: Contents, defaultTtl: number): Outcome {
  const before = after.get(key);
  if (before !== undefined && before.type !== "string") return { error: "WRONG_TYPE" };
  const text = before?.value ?? "0";
  if (typeof text !== "string" || !/^(0|-?[1-9][0-9]*)$/.test(text)) return { error: "NOT_AN_INTEGER" };
  const old = BigInt(text);
  // A sum that concurrent increments brought there, or text that was copied from one: they look the same.
  if (old !== BigInt.asIntN(64, old)) return { error: "OUT_OF_RANGE", orError: "NOT_AN_INTEGER" };
  const sum = old + BigInt(delta);
  if (sum !== BigInt.asIntN(64, sum)) return { error: "OUT_OF_RANGE" };
  if (typeof delta === "number" && !Number.isSafeInteger(Number(sum))) return { error: "OUT_OF_RANGE" };
  after.set(key, { type: "string", value: String(sum), ttl: before === undefined ? defaultTtl : before.ttl });
  return { result: typeof delta === "number" ? Number(sum) : sum, contents: after };
}

function ofSet(operation: SetOperation, after: Contents, defaultTtl: number): Outcome {
  const before = after.get(operation.key);
  if (before !== undefined && before.type !== "set") return { error: "WRONG_TYPE" };
  const members = new Map(before?.values.map((value) => [valueName(value), value]));
  const size = members.size;
  for (const value of operation.values) {
    if (operation.name === "setAdd") members.set(valueName(value), value);
    else members.delete(valueName(value));
  }
  put(operation.key, { type: "set", values: [...members.values()], ttl: before?.ttl ?? defaultTtl }, after);
  return { result: Math.abs(members.size - size), contents: after };
}

function ofList(operation: ListOperation, after: Contents, defaultTtl: number): Outcome {
  const before = after.get(operation.key);
  if (before !== undefined && before.type !== "list") return { error: "WRONG_TYPE" };
  const values = before?.values.slice() ?? [];
  const result = changeList(operation, values);
  put(operation.key, { type: "list", values, ttl: before?.ttl ?? defaultTtl }, after);
  return { result, contents: after };
}

function changeList(operation: ListOperation, values: Value[]): unknown {
  switch (operation.name) {
    case "listPush":
      return values.push(...operation.values);
    case "listUnshift":
      return values.unshift(...operation.values.toReversed());
    case "listPop":
      return values.pop();
    case "listShift":
      return values.shift();
    case "listClear":
      return values.splice(0).length;
    case "listRemove":
      return removeFrom(values, operation.value, operation.count);
    case "listInsert": {
      if (values.length === 0) return 0;
      const index = values.findIndex((value) => valueName(value) === valueName(operation.pivot));
      if (index === -1) return -1;
      values.splice(operation.where === "before" ? index : index + 1, 0, operation.value);
      return values.length;
    }
    case "listSet": {
      const index = operation.index < 0 ? values.length + operation.index : operation.index;
      if (index < 0 || index >= values.length) return false;
      values[index] = operation.value;
      return true;
    }
    case "listTrim": {
      const start = Math.max(0, operation.start < 0 ? values.length + operation.start : operation.start);
      const stop = operation.stop < 0 ? values.length + operation.stop : operation.stop;
      values.splice(0, values.length, ...values.slice(start, Math.max(start, stop + 1)));
      return undefined;
    }
  }
}

function removeFrom(values: Value[], value: Value, count: number): number {
  const most = count === 0 ? values.length : Math.abs(count);
  const places = [...values.keys()].filter((index) => valueName(values[index]!) === valueName(value));
  const chosen = count < 0 ? places.slice(-most) : places.slice(0, most);
  for (const index of chosen.toReversed()) values.splice(index, 1);
  return chosen.length;
}

/** An empty set or list is no key. */
function put(key: string, content: Content & { readonly values: readonly Value[] }, after: Contents): void {
  if (content.values.length === 0) after.delete(key);
  else after.set(key, content);
}
