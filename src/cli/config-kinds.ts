/**
 * What the values of a configuration file may be, by the kind of the flag that they stand for: as JSON Schema, as a
 * sentence, and as the text that the flag would take. A file holds what JSON has a type for: 1000, true, a list.
 */
import { dirname, resolve } from "node:path";
import type { Takes } from "./flag-table.ts";

type Json = Readonly<Record<string, unknown>>;

export interface Kind {
  readonly schema: Json;
  /** What an error says that it takes. */
  readonly takes: string;
  /** Never to be shown, not even where it is wrong. */
  readonly secret?: boolean;
  /** As the flag would take it; `undefined` for what it does not. `file` is the file that it stands in. */
  text(value: unknown, file: string): string | true | undefined;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const DURATION = /^\d+(\.\d+)?(ms|s|m|h|d)$/;
const SIZE = /^\d+(\.\d+)?(b|kb|mb|gb)$/;
const ADDRESS = /^(off|((\[[^\]]+\]|[^:\s]+):)?\d{1,5})$/;
const HIGHEST_PORT = 65_535;

const KINDS: Readonly<Record<Exclude<Takes, readonly string[]>, Kind>> = {
  text: textKind({ minLength: 1 }, "a text that is not empty"),
  secret: { ...textKind({ minLength: 1 }, "a text that is not empty"), secret: true },
  name: textKind({ pattern: NAME.source }, "1 to 64 of the characters A-Z a-z 0-9 _ -"),
  file: {
    ...textKind({ minLength: 1 }, "the name of a file, from the folder of this one"),
    text: (value, file) => (isText(value) ? resolve(dirname(file), value) : undefined),
  },
  switch: {
    schema: { type: "boolean" },
    takes: "true or false",
    text: (value) => (typeof value === "boolean" ? value || "false" : undefined),
  },
  count: {
    schema: { type: "integer", minimum: 1 },
    takes: "a whole number from 1",
    text: (value) => (Number.isSafeInteger(value) && (value as number) >= 1 ? String(value) : undefined),
  },
  duration: amountKind(DURATION, 'milliseconds, or text such as "250ms", "10s", "5m", "2h"'),
  size: amountKind(SIZE, 'bytes, or text such as "64kb", "512mb", "2gb"'),
  address: {
    schema: {
      anyOf: [
        { type: "integer", minimum: 0, maximum: HIGHEST_PORT },
        { type: "string", pattern: ADDRESS.source },
      ],
    },
    takes: '"host:port", a port, or "off"',
    text: (value) => {
      if (typeof value === "string") return ADDRESS.test(value) ? value : undefined;
      const isPort = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= HIGHEST_PORT;
      return isPort ? String(value) : undefined;
    },
  },
  servers: {
    schema: {
      anyOf: [
        { type: "string", minLength: 1 },
        { type: "array", items: { type: "string", minLength: 1 }, minItems: 1 },
      ],
    },
    takes: 'a URL such as "nats://127.0.0.1:4222", or a list of them',
    text: (value) => {
      const urls = Array.isArray(value) ? value : [value];
      return urls.length > 0 && urls.every(isText) ? urls.join(",") : undefined;
    },
  },
};

/** The kind of a flag. */
export function kindOf(takes: Takes): Kind {
  if (typeof takes === "string") return KINDS[takes];
  const words = takes.map((word) => JSON.stringify(word));
  return {
    schema: { enum: takes },
    takes: `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    text: (value) => (isText(value) && takes.includes(value) ? value : undefined),
  };
}

function textKind(schema: Json, takes: string): Kind {
  const pattern = typeof schema.pattern === "string" ? new RegExp(schema.pattern) : undefined;
  return {
    schema: { type: "string", ...schema },
    takes,
    text: (value) => (isText(value) && (pattern?.test(value) ?? true) ? value : undefined),
  };
}

function amountKind(pattern: RegExp, takes: string): Kind {
  return {
    schema: {
      anyOf: [
        { type: "number", minimum: 0 },
        { type: "string", pattern: pattern.source },
      ],
    },
    takes,
    text: (value) => {
      if (typeof value === "number") return value >= 0 ? String(value) : undefined;
      return typeof value === "string" && pattern.test(value) ? value : undefined;
    },
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
