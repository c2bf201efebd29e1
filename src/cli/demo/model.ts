/**
 * What every host must hold in the end: a plain map that takes the same writes, one after the other. Times
 * play no part in it; that a key has expired it is told.
 */
import { ABSENT, contentOf, type Holding } from "./content.ts";
import type { Write } from "./writes.ts";

const text = (value: string): Uint8Array => Buffer.from(value);

export class Model {
  readonly #keys = new Map<string, Holding>();

  get size(): number {
    return this.#keys.size;
  }

  /** Takes a write and answers with what a host must return. */
  apply(write: Write): unknown {
    switch (write.op) {
      case "set": {
        const value = typeof write.value === "string" ? text(write.value) : write.value;
        this.#keys.set(write.key, { type: "string", value, expires: write.ttl !== undefined });
        return true;
      }
      case "setMany":
        for (const [key, value] of write.entries) this.apply({ op: "set", key, value });
        return undefined;
      case "increment":
        return this.#increment(write.key, write.times);
      case "setAdd":
      case "setRemove":
        return this.#changeSet(write);
      case "listPush":
      case "listUnshift":
        return this.#extendList(write);
      case "listPop":
        return this.#popList(write.key);
      case "expire": {
        const held = this.#keys.get(write.key);
        if (held !== undefined) this.#keys.set(write.key, { ...held, expires: true });
        return held !== undefined;
      }
      case "delete":
        return this.#keys.delete(write.key) ? 1 : 0;
      case "clear":
        for (const key of [...this.#keys.keys()]) if (key.startsWith(write.prefix)) this.#keys.delete(key);
        return undefined;
      default:
        return write satisfies never;
    }
  }

  /** A key whose time was over. */
  expired(key: string): void {
    this.#keys.delete(key);
  }

  /** What a host must show of a key. */
  content(key: string): string {
    const held = this.#keys.get(key);
    return held === undefined ? ABSENT : contentOf(held);
  }

  /** Keys on which a host's contents differ from these, either way. */
  differences(shown: ReadonlyMap<string, string>): string[] {
    const missing = [...this.#keys.keys()].filter((key) => !shown.has(key));
    return [
      ...missing,
      ...[...shown].filter(([key, held]) => held !== this.content(key)).map(([key]) => key),
    ];
  }

  #increment(key: string, by: number): number {
    const held = this.#keys.get(key);
    const before = held?.type === "string" ? Number(Buffer.from(held.value).toString()) : 0;
    const value = text(String(before + by));
    this.#keys.set(key, { type: "string", value, expires: held?.expires ?? false });
    return before + by;
  }

  #changeSet({ op, key, members }: Write & { op: "setAdd" | "setRemove" }): number {
    const before = new Set(this.#values(key));
    const after = new Set(before);
    for (const member of members) op === "setAdd" ? after.add(member) : after.delete(member);
    this.#hold("set", key, [...after]);
    return Math.abs(after.size - before.size);
  }

  #extendList({ op, key, values }: Write & { op: "listPush" | "listUnshift" }): number {
    const before = this.#values(key);
    const after = op === "listPush" ? [...before, ...values] : [...[...values].reverse(), ...before];
    this.#hold("list", key, after);
    return after.length;
  }

  #popList(key: string): string | undefined {
    const before = this.#values(key);
    if (before.length > 0) this.#hold("list", key, before.slice(0, -1));
    return before.at(-1);
  }

  #values(key: string): readonly string[] {
    const held = this.#keys.get(key);
    return held === undefined || held.type === "string" ? [] : held.values;
  }

  #hold(type: "set" | "list", key: string, values: readonly string[]): void {
    const expires = this.#keys.get(key)?.expires ?? false;
    if (values.length === 0) this.#keys.delete(key);
    else this.#keys.set(key, { type, values, expires });
  }
}
