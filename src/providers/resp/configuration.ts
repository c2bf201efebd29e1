/**
 * What CONFIG GET tells and CONFIG SET changes: the limits of this door, what is true of Tidemark by its nature,
 * and hints on memory layout, which clients and tests set and Tidemark only remembers.
 */
import type { Access } from "./access.ts";
import { ReplyError } from "./failure.ts";
import type { RespLimits } from "./limits.ts";
import { parseInt64 } from "./numbers.ts";

interface Parameter {
  readonly get: () => string;
  /** Checks a text, and returns what puts it in force. Absent: it cannot be changed. Throws a sentence. */
  readonly set?: (text: string) => () => void;
}

/** Layouts that Redis chooses between. `OBJECT ENCODING` names them by these numbers. */
const LAYOUT: Readonly<Record<string, string>> = {
  "list-max-listpack-size": "-2",
  "list-max-ziplist-size": "-2",
  "list-compress-depth": "0",
  "set-max-intset-entries": "512",
  "hash-max-listpack-entries": "512",
  "hash-max-ziplist-entries": "512",
  "hash-max-listpack-value": "64",
  "hash-max-ziplist-value": "64",
  "zset-max-listpack-entries": "128",
  "zset-max-ziplist-entries": "128",
  "zset-max-listpack-value": "64",
  "zset-max-ziplist-value": "64",
};

/** What Tidemark has no counterpart of, said in Redis's words. */
const NATURE: Readonly<Record<string, string>> = {
  appendonly: "no",
  databases: "1",
  "maxmemory-policy": "noeviction",
  save: "",
};

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1_000,
  kb: 1_024,
  m: 1_000_000,
  mb: 1_024 ** 2,
  g: 1_000_000_000,
  gb: 1_024 ** 3,
};

export class Configuration {
  readonly #parameters = new Map<string, Parameter>();

  constructor(limits: RespLimits, access: Access, port: () => number) {
    const parameters = this.#parameters;
    const number = (name: string, key: keyof RespLimits, least: number, factor = 1) =>
      parameters.set(name, {
        get: () => String(Math.round(limits[key] / factor)),
        set: (text) => {
          const value = numberOf(text, least);
          return () => {
            limits[key] = value * factor;
          };
        },
      });
    const bytes = (name: string, key: keyof RespLimits, least: number) =>
      parameters.set(name, {
        get: () => String(limits[key]),
        set: (text) => {
          const value = bytesOf(text, least);
          return () => {
            limits[key] = value;
          };
        },
      });
    number("maxclients", "maxClients", 1);
    number("timeout", "idleTimeoutMs", 0, 1_000);
    number("max-requests-per-second", "maxRequestsPerSecond", 0);
    bytes("proto-max-bulk-len", "maxArgumentBytes", 1024);
    bytes("client-query-buffer-limit", "maxRequestBytes", 1024);
    parameters.set("client-output-buffer-limit", outputLimit(limits));
    let password = "";
    parameters.set("requirepass", {
      // The password in force at the start is not known here, and not for everybody to read anyway.
      get: () => password,
      set: (text) => () => {
        password = text;
        access.setPassword(Buffer.from(text, "latin1"));
      },
    });
    parameters.set("port", { get: () => String(port()) });
    for (const [name, text] of Object.entries(NATURE))
      parameters.set(name, { get: () => text, set: only(text) });
    const layout = new Map(Object.entries(LAYOUT));
    for (const name of layout.keys()) {
      parameters.set(name, {
        get: () => layout.get(name)!,
        set: (text) => {
          if (parseInt64(text) === undefined) throw new Error("argument couldn't be parsed into an integer");
          return () => layout.set(name, text);
        },
      });
    }
  }

  get(name: string): string | undefined {
    return this.#parameters.get(name)?.get();
  }

  /** Names and texts of all that match. */
  matching(matches: (name: string) => boolean): [name: string, text: string][] {
    return [...this.#parameters]
      .filter(([name]) => matches(name))
      .map(([name, { get }]) => [name, get()] as [string, string])
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** All or none of them. Throws the reply. */
  set(pairs: readonly (readonly [name: string, text: string])[]): void {
    const names = new Set<string>();
    const changes: (() => void)[] = [];
    for (const [name, text] of pairs) {
      const parameter = this.#parameters.get(name);
      if (parameter === undefined)
        throw new ReplyError(`ERR Unknown option or number of arguments for CONFIG SET - '${name}'`);
      if (names.has(name)) throw failed(name, "duplicate parameter");
      names.add(name);
      if (parameter.set === undefined) throw failed(name, "can't set immutable config");
      try {
        changes.push(parameter.set(text));
      } catch (error) {
        throw failed(name, (error as Error).message);
      }
    }
    for (const change of changes) change();
  }
}

function failed(name: string, why: string): ReplyError {
  return new ReplyError(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`);
}

function only(text: string): (given: string) => () => void {
  return (given) => {
    if (given !== text) throw new Error(`Tidemark has no other than '${text}'`);
    return () => undefined;
  };
}

function numberOf(text: string, least: number): number {
  const number = parseInt64(text);
  if (number === undefined) throw new Error("argument couldn't be parsed into an integer");
  if (number < least || number > 2 ** 31 - 1)
    throw new Error(`argument must be between ${least} and 2147483647 inclusive`);
  return Number(number);
}

function bytesOf(text: string, least: number): number {
  const [, digits = "", unit = ""] = /^(\d+)([a-z]*)$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (digits === "" || factor === undefined) throw new Error("argument must be a memory value");
  const value = Number(digits) * factor;
  if (value < least || value > 2 ** 40)
    throw new Error(`argument must be between ${least} and 1099511627776 inclusive`);
  return value;
}

/** `normal <hard> <soft> <seconds>`: hard is what may wait, seconds how long a reader may stand still. */
function outputLimit(limits: RespLimits): Parameter {
  return {
    get: () => `normal ${limits.maxOutputBytes} 0 ${Math.round(limits.outputTimeoutMs / 1_000)}`,
    set: (text) => {
      const [kind = "", hard = "", soft = "", seconds = "", ...more] = text.trim().split(/\s+/);
      if (kind !== "normal" || more.length > 0) throw new Error("takes 'normal <bytes> 0 <seconds>' here");
      const most = bytesOf(hard, 0);
      bytesOf(soft, 0);
      const wait = numberOf(seconds, 0);
      return () => {
        limits.maxOutputBytes = most === 0 ? Number.MAX_SAFE_INTEGER : most;
        if (wait > 0) limits.outputTimeoutMs = wait * 1_000;
      };
    },
  };
}
