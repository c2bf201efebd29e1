/**
 * Writing: from a call to the events that do it. Everything is checked before anything is applied; what is
 * applied is applied here at once, and replicates.
 */

import { checkOptions, type Duration, parseDuration } from "./arguments.ts";
import type { ElementList } from "./crdt/element-list.ts";
import type { Entry, Value } from "./crdt/entry.ts";
import type { EventBody, NewEntry } from "./crdt/event.ts";
import { insertBetween, replaceAt } from "./crdt/list-places.ts";
import {
  addToCollection,
  deleteKey,
  expectType,
  increment,
  removeFromCollection,
  type Seen,
  setDeadline,
  setValue,
} from "./crdt/operations.ts";
import { sameValue, toKey, toValue } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import { bounds, checkIndex } from "./reads.ts";
import { evictedOf } from "./store/evicted.ts";
import type { Store } from "./store/store.ts";
import type { SetOptions, ValueInput } from "./tidemark.ts";
import {
  beyond,
  checkedDeadline,
  distinct,
  makeRoom,
  newDeadline,
  refuseEvicted,
  see,
  type WritePorts,
} from "./write-ports.ts";

const NEVER = Number.POSITIVE_INFINITY;
const SET_OPTIONS = ["ttl", "expiresAt", "keepTtl", "onlyIf"];

export class Writes {
  readonly #ports: WritePorts;
  readonly #store: Store;

  constructor(ports: WritePorts) {
    this.#ports = ports;
    this.#store = ports.store;
  }

  set(givenKey: string, given: ValueInput, options: SetOptions | undefined): boolean {
    const key = this.#key(givenKey);
    const value = this.#value(given);
    if (options !== undefined) checkOptions(options, SET_OPTIONS, "set");
    const deadline = this.#deadlineOf(key, options);
    this.#ports.writable();
    if (options?.keepTtl || options?.onlyIf === "absent") refuseEvicted(this.#store, key);
    if (options?.onlyIf !== undefined && !this.#allows(key, options.onlyIf)) return false;
    if (options?.expiresAt !== undefined && deadline <= this.#ports.now()) {
      this.#deleteSeen([key]);
      return true;
    }
    // Found once, for both.
    const dot = this.#store.plainDot(key);
    this.#store.bounds?.makeRoom(dot === null ? 1 : 0);
    const evicted = evictedOf(this.#store, key);
    if (dot !== undefined) this.#ports.writeValue(key, value, deadline, dot, evicted);
    else this.#ports.write([this.#setBody(key, value, deadline)]);
    return true;
  }

  setMany(entries: Iterable<readonly [key: string, value: ValueInput]>, ttl: Duration | undefined): void {
    if (typeof entries?.[Symbol.iterator] !== "function") {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        "setMany takes pairs of key and value, such as a Map; see Object.entries",
      );
    }
    // The last of several writes to one key is the one that stays, as in any other order of calls.
    const last = new Map<string, Value>();
    for (const pair of entries) {
      if (!Array.isArray(pair) || pair.length !== 2) {
        throw new TidemarkError(
          "INVALID_ARGUMENT",
          "setMany takes pairs of key and value, such as [[key, value]]",
        );
      }
      last.set(this.#key(pair[0]), this.#value(pair[1]));
    }
    const deadline = ttl === undefined ? this.#newDeadline() : this.#after(ttl);
    this.#ports.writable();
    this.#makeRoom([...last.keys()]);
    const bodies: EventBody[] = [];
    for (const [key, value] of last) bodies.push(this.#setBody(key, value, deadline));
    this.#ports.write(bodies);
  }

  increment(givenKey: string, delta: number | bigint): number | bigint {
    const key = this.#key(givenKey);
    if (typeof delta !== "bigint" && !Number.isSafeInteger(delta)) {
      throw new TidemarkError("NOT_AN_INTEGER", `delta takes a safe integer or a bigint, not ${delta}`);
    }
    this.#ports.writable();
    const seen = this.#see(key);
    refuseEvicted(this.#store, key);
    const { body, value } = increment(seen, delta);
    if (typeof delta === "number" && typeof value === "bigint") {
      throw new TidemarkError(
        "OUT_OF_RANGE",
        `"${key}" would be ${value}, which no number holds; give a bigint delta`,
      );
    }
    // Only now: what is refused lets nobody go.
    this.#makeRoom([key]);
    this.#ports.write([body]);
    return typeof delta === "bigint" ? BigInt(value) : value;
  }

  expire(givenKey: string, ttl: Duration): boolean {
    const key = this.#key(givenKey);
    const ms = parseDuration(ttl, "ttl");
    this.#ports.writable();
    const seen = this.#see(key);
    if (seen.view === undefined) return false;
    if (ms === 0) this.#ports.write([deleteKey(seen)]);
    else this.#ports.write(setDeadline(seen, ms === NEVER ? NEVER : Math.floor(seen.now) + ms));
    return true;
  }

  expireAt(givenKey: string, at: number): boolean {
    const key = this.#key(givenKey);
    const deadline = checkedDeadline(at);
    this.#ports.writable();
    const seen = this.#see(key);
    if (seen.view === undefined) return false;
    this.#ports.write(deadline <= seen.now ? [deleteKey(seen)] : setDeadline(seen, deadline));
    return true;
  }

  persist(givenKey: string): boolean {
    const key = this.#key(givenKey);
    this.#ports.writable();
    const seen = this.#see(key);
    if (seen.view === undefined || seen.view.deadline === NEVER) return false;
    this.#ports.write(setDeadline(seen, NEVER));
    return true;
  }

  delete(givenKeys: readonly string[]): number {
    const keys = givenKeys.map((key) => this.#key(key));
    this.#ports.writable();
    return this.#deleteSeen(keys);
  }

  #deleteSeen(keys: readonly string[]): number {
    const bodies: EventBody[] = [];
    let deleted = 0;
    for (const key of new Set(keys)) {
      const seen = this.#see(key);
      if (seen.view !== undefined) deleted++;
      // What was let go here goes everywhere, although nothing of it can be seen.
      if (seen.view !== undefined || seen.evicted !== null) bodies.push(deleteKey(seen));
    }
    if (bodies.length > 0) this.#ports.write(bodies);
    return deleted;
  }

  clear(givenPrefix: string | undefined): void {
    const prefix = this.#key(givenPrefix ?? "");
    this.#ports.writable();
    const bodies: EventBody[] = [
      { key: "", clear: { prefix, vector: [...this.#store.vector.entries()].flat() } },
    ];
    // Counters are reset by name: how far a segment had come cannot be told from a vector.
    for (const key of this.#store.counters.keysUnder(prefix)) {
      bodies.push({ key, resets: this.#store.state(key)!.resets() });
    }
    this.#ports.write(bodies);
  }

  setAdd(givenKey: string, given: readonly ValueInput[]): number {
    const key = this.#key(givenKey);
    const members = distinct(given.map((member) => this.#value(member)));
    this.#ports.writable();
    const seen = this.#see(key);
    expectType(seen, "set");
    if (members.length === 0) return 0;
    this.#makeRoom([key]);
    let added = 0;
    const additions = members.map((value) => {
      const replaces = seen.view === undefined ? [] : seen.state!.memberEntries(value);
      if (replaces.length === 0) added++;
      return { entry: { kind: "member", value } as NewEntry, replaces };
    });
    this.#ports.write(addToCollection(seen, "set", additions));
    return added;
  }

  setRemove(givenKey: string, given: readonly ValueInput[]): number {
    const key = this.#key(givenKey);
    const members = distinct(given.map((member) => this.#value(member)));
    this.#ports.writable();
    const seen = this.#see(key);
    expectType(seen, "set");
    if (seen.view === undefined) return 0;
    const state = seen.state!;
    const found = members.filter((member) => state.memberEntries(member).length > 0);
    if (found.length === 0) return 0;
    const doomed = found.flatMap((member) => [...state.memberEntries(member)]);
    this.#ports.write([removeFromCollection(seen, doomed, found.length === state.members!.size)]);
    return found.length;
  }

  /** Appends, or prepends one after the other. */
  listAdd(givenKey: string, given: readonly ValueInput[], end: "head" | "tail"): number {
    const key = this.#key(givenKey);
    const values = given.map((value) => this.#value(value));
    this.#ports.writable();
    const seen = this.#see(key);
    expectType(seen, "list");
    const elements = seen.view === undefined ? null : seen.state!.elements;
    const length = elements?.length ?? 0;
    if (values.length === 0) return length;
    this.#makeRoom([key]);
    const start = beyond(this.#ports, elements, end);
    const additions = values.map((value, index) => {
      const position = end === "tail" ? start + index : -(start + index);
      return { entry: { kind: "element", position, fraction: "", value } as NewEntry, replaces: [] };
    });
    this.#ports.write(addToCollection(seen, "list", additions));
    return length + values.length;
  }

  listTake(givenKey: string, end: "head" | "tail"): Value | undefined {
    const seen = this.#seeList(givenKey);
    if (seen === undefined) return undefined;
    const elements = seen.state!.elements!;
    const taken = elements.at(end === "tail" ? elements.length - 1 : 0)!;
    this.#removeElements(seen, [taken]);
    return taken.value;
  }

  listRemove(givenKey: string, given: ValueInput, count: number): number {
    const value = this.#value(given);
    if (!Number.isInteger(count))
      throw new TidemarkError("INVALID_ARGUMENT", `count takes an integer, not ${count}`);
    const seen = this.#seeList(givenKey);
    if (seen === undefined) return 0;
    const elements = seen.state!.elements!;
    const limit = count === 0 ? elements.length : Math.abs(count);
    const doomed: Entry[] = [];
    for (let i = 0; i < elements.length && doomed.length < limit; i++) {
      const element = elements.at(count < 0 ? elements.length - 1 - i : i)!;
      if (sameValue(element.value, value)) doomed.push(element);
    }
    if (doomed.length > 0) this.#removeElements(seen, doomed);
    return doomed.length;
  }

  listInsert(givenKey: string, where: "before" | "after", givenPivot: ValueInput, given: ValueInput): number {
    if (where !== "before" && where !== "after") {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        `listInsert takes "before" or "after", not ${JSON.stringify(where)}`,
      );
    }
    const pivot = this.#value(givenPivot);
    const value = this.#value(given);
    const seen = this.#seeList(givenKey);
    if (seen === undefined) return 0;
    const elements = seen.state!.elements!;
    let index = 0;
    while (index < elements.length && !sameValue(elements.at(index)!.value, pivot)) index++;
    if (index === elements.length) return -1;
    const left = where === "after" ? index : index - 1;
    if (left < 0) return this.listAdd(seen.key, [given], "head");
    if (left === elements.length - 1) return this.listAdd(seen.key, [given], "tail");
    const length = elements.length + 1;
    this.#ports.write(addToCollection(seen, "list", insertBetween(elements, left, value)));
    return length;
  }

  listSet(givenKey: string, givenIndex: number, given: ValueInput): boolean {
    const value = this.#value(given);
    checkIndex(givenIndex);
    const seen = this.#seeList(givenKey);
    if (seen === undefined) return false;
    const elements = seen.state!.elements!;
    const index = givenIndex < 0 ? elements.length + givenIndex : givenIndex;
    const old = elements.at(index);
    if (old === undefined) return false;
    const placements = replaceAt(elements, index, value) ?? [
      { entry: this.#elementAtEnd(elements, index === 0 ? "head" : "tail", value), replaces: [old] },
    ];
    this.#ports.write(addToCollection(seen, "list", placements));
    return true;
  }

  listTrim(givenKey: string, start: number, stop: number): void {
    bounds(start, stop, 0);
    const seen = this.#seeList(givenKey);
    if (seen === undefined) return;
    const elements = seen.state!.elements!;
    const [from, to] = bounds(start, stop, elements.length);
    const doomed: Entry[] = [];
    for (let i = 0; i < elements.length; i++) if (i < from || i > to) doomed.push(elements.at(i)!);
    if (doomed.length > 0) this.#removeElements(seen, doomed);
  }

  listClear(givenKey: string): number {
    const seen = this.#seeList(givenKey);
    if (seen === undefined) return 0;
    const { length } = seen.state!.elements!;
    this.#ports.write([deleteKey(seen)]);
    return length;
  }

  #elementAtEnd(elements: ElementList, end: "head" | "tail", value: Value): NewEntry {
    const distance = beyond(this.#ports, elements, end);
    return { kind: "element", position: end === "tail" ? distance : -distance, fraction: "", value };
  }

  #removeElements(seen: Seen, doomed: readonly Entry[]): void {
    this.#ports.write([removeFromCollection(seen, doomed, doomed.length === seen.state!.elements!.length)]);
  }

  /** A list to be changed; `undefined` when absent. Throws `WRONG_TYPE` and what refuses writes. */
  #seeList(givenKey: string): Seen | undefined {
    const key = this.#key(givenKey);
    this.#ports.writable();
    const seen = this.#see(key);
    expectType(seen, "list");
    return seen.view === undefined ? undefined : seen;
  }

  #see(key: string): Seen {
    return see(this.#ports, key);
  }

  #setBody(key: string, value: Value, deadline: number): EventBody {
    const add: NewEntry = { kind: "value", value, deadline, loaded: false };
    const dot = this.#store.plainDot(key);
    if (dot === undefined) return setValue(this.#see(key), add);
    return { key, removesUpTo: dot, evicted: evictedOf(this.#store, key), add };
  }

  #deadlineOf(key: string, options: SetOptions | undefined): number {
    if (options === undefined) return this.#newDeadline();
    const { ttl, keepTtl, expiresAt } = options;
    if (Number(ttl !== undefined) + Number(Boolean(keepTtl)) + Number(expiresAt !== undefined) > 1) {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        "give one of ttl, expiresAt and keepTtl: two set the deadline, one keeps it",
      );
    }
    if (expiresAt !== undefined) return checkedDeadline(expiresAt);
    if (keepTtl) {
      return this.#store.view(key)?.deadline ?? this.#newDeadline();
    }
    return ttl === undefined ? this.#newDeadline() : this.#after(ttl);
  }

  #after(ttl: Duration): number {
    const ms = parseDuration(ttl, "ttl");
    if (ms === 0)
      throw new TidemarkError("INVALID_ARGUMENT", "ttl takes a duration above 0; use delete to remove a key");
    return ms === NEVER ? NEVER : Math.floor(this.#ports.now()) + ms;
  }

  #newDeadline(): number {
    return newDeadline(this.#ports);
  }

  #allows(key: string, onlyIf: "absent" | "present"): boolean {
    const present = this.#store.read(key) !== undefined;
    if (onlyIf === "absent") return !present;
    if (onlyIf === "present") return present;
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `onlyIf takes "absent" or "present", not ${JSON.stringify(onlyIf)}`,
    );
  }

  #makeRoom(keys: readonly string[]): void {
    makeRoom(this.#ports, keys);
  }

  #key(key: string): string {
    return toKey(key, this.#ports.limits.maxKeyBytes);
  }

  #value(value: ValueInput): Value {
    return toValue(value, this.#ports.limits.maxValueBytes);
  }
}
