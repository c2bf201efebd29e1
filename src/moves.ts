/**
 * Writes that take what one key holds to another, or replace a collection as a whole. Each is one command:
 * all is checked before anything is applied, and its events leave in one go.
 */
import type { Value } from "./crdt/entry.ts";
import type { EventBody, NewEntry } from "./crdt/event.ts";
import type { KeyState, View } from "./crdt/key-state.ts";
import {
  addToCollection,
  deleteKey,
  expectType,
  removeFromCollection,
  type Seen,
  setValue,
} from "./crdt/operations.ts";
import { toKey, toValue } from "./crdt/values.ts";
import { TidemarkError } from "./errors.ts";
import { asValue } from "./store/changes.ts";
import type { ListEnd, MoveOptions, StoreOptions, ValueInput } from "./tidemark.ts";
import { beyond, checkedDeadline, distinct, makeRoom, see, type WritePorts } from "./write-ports.ts";

type Content =
  | { readonly type: "string"; readonly value: Value }
  | { readonly type: "set" | "list"; readonly values: readonly Value[] };

export class Moves {
  readonly #ports: WritePorts;

  constructor(ports: WritePorts) {
    this.#ports = ports;
  }

  rename(givenFrom: string, givenTo: string, options: MoveOptions | undefined): boolean {
    const from = this.#key(givenFrom);
    const to = this.#key(givenTo);
    this.#ports.writable();
    const source = see(this.#ports, from);
    if (source.view === undefined) return false;
    const target = see(this.#ports, to);
    if (prevents(options, target)) return false;
    if (from === to) return true;
    makeRoom(this.#ports, [to]);
    const { view } = source;
    this.#ports.write([...this.#replace(target, contentOf(view), view.deadline), deleteKey(source)]);
    return true;
  }

  copy(givenFrom: string, givenTo: string, options: MoveOptions | undefined): boolean {
    const from = this.#key(givenFrom);
    const to = this.#key(givenTo);
    this.#ports.writable();
    const { view } = see(this.#ports, from);
    if (view === undefined) return false;
    const target = see(this.#ports, to);
    if (prevents(options, target)) return false;
    if (from === to) return true;
    makeRoom(this.#ports, [to]);
    this.#ports.write(this.#replace(target, contentOf(view), view.deadline));
    return true;
  }

  /** Replaces whatever a key holds by a set or a list. */
  store(
    givenKey: string,
    type: "set" | "list",
    given: Iterable<ValueInput>,
    options: StoreOptions | undefined,
  ): number {
    const key = this.#key(givenKey);
    const all = Array.from(given, (value) => this.#value(value));
    const values = type === "set" ? distinct(all) : all;
    const { expiresAt } = options ?? {};
    if (expiresAt !== undefined) checkedDeadline(expiresAt);
    this.#ports.writable();
    const seen = see(this.#ports, key);
    const deadline = expiresAt ?? seen.newDeadline;
    if (values.length === 0 || deadline <= seen.now) {
      if (seen.view !== undefined || seen.evicted !== null) this.#ports.write([deleteKey(seen)]);
      return 0;
    }
    makeRoom(this.#ports, [key]);
    this.#ports.write(this.#replace(seen, { type, values }, deadline));
    return values.length;
  }

  setMove(givenFrom: string, givenTo: string, given: ValueInput): boolean {
    const from = this.#key(givenFrom);
    const to = this.#key(givenTo);
    const member = this.#value(given);
    this.#ports.writable();
    const source = see(this.#ports, from);
    if (source.view === undefined) return false;
    const target = see(this.#ports, to);
    expectType(source, "set");
    expectType(target, "set");
    const state = source.state!;
    const doomed = state.memberEntries(member);
    if (doomed.length === 0) return false;
    if (from === to) return true;
    makeRoom(this.#ports, [to]);
    const replaces = target.view === undefined ? [] : target.state!.memberEntries(member);
    this.#ports.write([
      ...addToCollection(target, "set", [{ entry: { kind: "member", value: member }, replaces }]),
      removeFromCollection(source, doomed, state.members!.size === 1),
    ]);
    return true;
  }

  listMove(givenFrom: string, givenTo: string, ends: { from: ListEnd; to: ListEnd }): Value | undefined {
    const from = this.#key(givenFrom);
    const to = this.#key(givenTo);
    checkEnd(ends.from);
    checkEnd(ends.to);
    this.#ports.writable();
    const source = see(this.#ports, from);
    if (source.view === undefined) return undefined;
    expectType(source, "list");
    const target = see(this.#ports, to);
    expectType(target, "list");
    const elements = source.state!.elements!;
    const taken = elements.at(ends.from === "tail" ? elements.length - 1 : 0)!;
    // Where it stands already: nothing to write.
    if (from === to && (elements.length === 1 || ends.from === ends.to)) return taken.value;
    makeRoom(this.#ports, [to]);
    const others = target.view === undefined ? null : target.state!.elements;
    const distance = beyond(this.#ports, others, ends.to);
    const entry = elementAt(ends.to === "tail" ? distance : -distance, taken.value);
    this.#ports.write([
      ...addToCollection(target, "list", [{ entry, replaces: [] }]),
      removeFromCollection(source, [taken], elements.length === 1),
    ]);
    return taken.value;
  }

  /** The events after which a key holds this, and nothing of what it held. */
  #replace(seen: Seen, content: Content, deadline: number): EventBody[] {
    if (content.type === "string") {
      return [setValue(seen, { kind: "value", value: content.value, deadline, loaded: false })];
    }
    const start = content.type === "list" ? beyond(this.#ports, null, "tail") : 0;
    const additions = content.values.map((value, index) => ({
      entry:
        content.type === "set" ? ({ kind: "member", value } as NewEntry) : elementAt(start + index, value),
      replaces: [],
    }));
    // As for a key without anything to see: the first event removes all that is stored.
    return addToCollection({ ...seen, view: undefined, newDeadline: deadline }, content.type, additions);
  }

  #key(key: string): string {
    return toKey(key, this.#ports.limits.maxKeyBytes);
  }

  #value(value: ValueInput): Value {
    return toValue(value, this.#ports.limits.maxValueBytes);
  }
}

function contentOf(view: View): Content {
  if (view.type === "string") return { type: "string", value: asValue(view.value) };
  if (view.type === "set") return { type: "set", values: membersOf(view.state) };
  const elements = view.state.elements!;
  return {
    type: "list",
    values: Array.from({ length: elements.length }, (_, index) => elements.at(index)!.value),
  };
}

function membersOf(state: KeyState): Value[] {
  return Array.from(state.members!.values(), (same) => same[0]!.value);
}

function elementAt(position: number, value: Value): NewEntry {
  return { kind: "element", position, fraction: "", value };
}

function prevents(options: MoveOptions | undefined, target: Seen): boolean {
  const onlyIf = options?.onlyIf;
  if (onlyIf !== undefined && onlyIf !== "absent") {
    throw new TidemarkError("INVALID_ARGUMENT", `onlyIf takes "absent", not ${JSON.stringify(onlyIf)}`);
  }
  return onlyIf === "absent" && target.view !== undefined;
}

function checkEnd(end: ListEnd): void {
  if (end === "head" || end === "tail") return;
  throw new TidemarkError("INVALID_ARGUMENT", `an end is "head" or "tail", not ${JSON.stringify(end)}`);
}
