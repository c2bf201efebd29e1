/** Strings as wholes, and counters. */
import { ALL_KEYS, type Command, ONE_KEY, type Session } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";
import { addDecimals, parseFloat64 } from "../numbers.ts";
import { type ExpiryUnit, expiryAt } from "./expiry.ts";

const LOCAL =
  "Atomic on the host that runs it; a concurrent write on another host wins or loses as any write does.";
const WRITES = ["write", "denyoom"] as const;
const PAIRS = { first: 1, last: -1, step: 2 } as const;

export const stringCommands: readonly Command[] = [
  {
    name: "get",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers the value of a key.",
    run: ({ kv, args, out, service }) => out.bulk(service.counted(kv.getValue(args.key(1)))),
  },
  {
    name: "set",
    arity: -3,
    flags: WRITES,
    group: "string",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Gives a key a value, whatever it held.",
    differs: `With NX or XX: ${LOCAL}`,
    run: set,
  },
  {
    name: "setnx",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Gives a key a value if it has none.",
    differs: LOCAL,
    run: ({ kv, args, out }) => out.bool(kv.set(args.key(1), args.value(2), { onlyIf: "absent" })),
  },
  {
    name: "setex",
    arity: 4,
    flags: WRITES,
    group: "string",
    keys: ONE_KEY,
    since: "2.0.0",
    summary: "Gives a key a value and a time to live in seconds.",
    run: (session) => setFor(session, "EX"),
  },
  {
    name: "psetex",
    arity: 4,
    flags: WRITES,
    group: "string",
    keys: ONE_KEY,
    since: "2.6.0",
    summary: "Gives a key a value and a time to live in milliseconds.",
    run: (session) => setFor(session, "PX"),
  },
  {
    name: "getset",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Gives a key a value and answers the one it had.",
    differs: LOCAL,
    run: ({ kv, args, out }) => {
      const key = args.key(1);
      const old = kv.getValue(key);
      kv.set(key, args.value(2));
      out.bulk(old);
    },
  },
  {
    name: "getdel",
    arity: 2,
    flags: ["write", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "6.2.0",
    summary: "Answers the value of a key and deletes it.",
    differs: LOCAL,
    run: ({ kv, args, out }) => {
      const key = args.key(1);
      const old = kv.getValue(key);
      // Also where nothing can be seen: this host may have let it go for room, and others not.
      kv.delete(key);
      out.bulk(old);
    },
  },
  {
    name: "getex",
    arity: -2,
    flags: ["write", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "6.2.0",
    summary: "Answers the value of a key and changes when it expires.",
    run: getEx,
  },
  {
    name: "mget",
    arity: -2,
    flags: ["readonly", "fast"],
    group: "string",
    keys: ALL_KEYS,
    since: "1.0.0",
    summary: "Answers the values of several keys.",
    run: ({ kv, args, out, service }) => {
      out.array(args.count - 1);
      for (let index = 1; index < args.count; index++) {
        const key = args.key(index);
        out.bulk(service.counted(kv.type(key) === "string" ? kv.getValue(key) : undefined));
      }
    },
  },
  {
    name: "mset",
    arity: -3,
    flags: WRITES,
    group: "string",
    keys: PAIRS,
    since: "1.0.1",
    summary: "Gives several keys values, visible together.",
    differs: "On other hosts visible together as long as they fit 512 KiB.",
    run: ({ kv, args, out }) => {
      kv.setMany(pairs(args, "mset"));
      out.ok();
    },
  },
  {
    name: "msetnx",
    arity: -3,
    flags: WRITES,
    group: "string",
    keys: PAIRS,
    since: "1.0.1",
    summary: "Gives several keys values if none of them has one.",
    differs: LOCAL,
    run: ({ kv, args, out }) => {
      const entries = pairs(args, "msetnx");
      const free = entries.every(([key]) => !kv.has(key));
      if (free) kv.setMany(entries);
      out.bool(free);
    },
  },
  counter("incr", 2, "Adds 1 to an integer.", () => 1),
  counter("decr", 2, "Takes 1 from an integer.", () => -1),
  counter("incrby", 3, "Adds to an integer.", ({ args }) => args.int64(2)),
  counter("decrby", 3, "Takes from an integer.", ({ args }) => {
    const delta = args.int64(2);
    if (delta === -(2n ** 63n)) throw new ReplyError("ERR decrement would overflow");
    return typeof delta === "number" ? 0 - delta : -delta;
  }),
  {
    name: "incrbyfloat",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "2.6.0",
    summary: "Adds to a decimal number.",
    differs:
      "Adds exactly in decimals and rounds to 17 of them. It is a read and a write: of two concurrent ones on two " +
      "hosts the last stays, where INCR and INCRBY add up.",
    run: incrByFloat,
  },
];

function set({ kv, args, out }: Session): void {
  const key = args.key(1);
  if (args.count === 3) {
    kv.set(key, args.value(2));
    out.ok();
    return;
  }
  const chosen = options(args, 3, SET_WORDS);
  const onlyIf = chosen.NX ? "absent" : chosen.XX ? "present" : undefined;
  const expiry = chosen.KEEPTTL ? { keepTtl: true } : expiryOption(kv.now(), chosen, "set");
  // The old value is looked at first: of another type it must stop everything.
  const old = chosen.GET ? kv.getValue(key) : undefined;
  const written = kv.set(key, args.value(2), { ...expiry, ...(onlyIf === undefined ? {} : { onlyIf }) });
  if (chosen.GET) out.bulk(old);
  else if (written) out.ok();
  else out.null();
}

function setFor({ kv, args, out }: Session, unit: ExpiryUnit): void {
  const name = unit === "EX" ? "setex" : "psetex";
  const expiresAt = expiryAt(kv.now(), unit, args.int64(2), name, true);
  kv.set(args.key(1), args.value(3), { expiresAt });
  out.ok();
}

function getEx({ kv, args, out, service }: Session): void {
  const key = args.key(1);
  const chosen = options(args, 2, GETEX_WORDS);
  const value = service.counted(kv.getValue(key));
  const { expiresAt } = expiryOption(kv.now(), chosen, "getex");
  if (value !== undefined) {
    if (chosen.PERSIST) kv.persist(key);
    else if (expiresAt !== undefined) kv.expireAt(key, expiresAt);
  }
  out.bulk(value);
}

type OptionWord = "NX" | "XX" | "GET" | "KEEPTTL" | "PERSIST" | ExpiryUnit;
type Options = { [word in OptionWord]?: number | bigint | true };

/** Words that exclude one another share a number. */
const SET_WORDS: { readonly [word in OptionWord]?: number } = {
  NX: 1,
  XX: 1,
  GET: 2,
  KEEPTTL: 3,
  EX: 3,
  PX: 3,
  EXAT: 3,
  PXAT: 3,
};
const GETEX_WORDS: typeof SET_WORDS = { PERSIST: 3, EX: 3, PX: 3, EXAT: 3, PXAT: 3 };
const UNITS: readonly ExpiryUnit[] = ["EX", "PX", "EXAT", "PXAT"];

function options(args: Session["args"], first: number, words: typeof SET_WORDS): Options {
  const chosen: Options = {};
  const taken = new Set<number>();
  for (let index = first; index < args.count; index++) {
    const word = args.word(index) as OptionWord;
    const kind = Object.hasOwn(words, word) ? words[word] : undefined;
    if (kind === undefined || (taken.has(kind) && chosen[word] === undefined)) throw new ReplyError(SYNTAX);
    const timed = UNITS.includes(word as ExpiryUnit);
    if (timed && taken.has(kind)) throw new ReplyError(SYNTAX);
    taken.add(kind);
    chosen[word] = timed ? args.int64(args.need(++index)) : true;
  }
  return chosen;
}

function expiryOption(now: number, chosen: Options, command: string): { expiresAt?: number } {
  for (const unit of UNITS) {
    const amount = chosen[unit];
    if (amount !== undefined && amount !== true)
      return { expiresAt: expiryAt(now, unit, amount, command, true) };
  }
  return {};
}

function pairs(args: Session["args"], name: string): [string, ReturnType<typeof args.value>][] {
  if (args.count % 2 === 0) throw new ReplyError(`ERR wrong number of arguments for '${name}' command`);
  const entries: [string, ReturnType<typeof args.value>][] = [];
  for (let index = 1; index < args.count; index += 2) entries.push([args.key(index), args.value(index + 1)]);
  return entries;
}

function counter(
  name: string,
  arity: number,
  summary: string,
  deltaOf: (session: Session) => number | bigint,
): Command {
  return {
    name,
    arity,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "1.0.0",
    summary,
    run: (session) => {
      const { kv, args, out } = session;
      // As a bigint only where it has to be: it costs ten times as much.
      const delta = deltaOf(session);
      out.integer(add(kv, args.key(1), delta));
    },
  };
}

function add(kv: Session["kv"], key: string, delta: number | bigint): number | bigint {
  if (typeof delta === "bigint") return kv.increment(key, delta);
  try {
    return kv.increment(key, delta);
  } catch (error) {
    // The number would no longer be exact: nothing was changed, and a bigint can hold it.
    if (!(error instanceof Error && "code" in error && error.code === "OUT_OF_RANGE")) throw error;
    return kv.increment(key, BigInt(delta));
  }
}

function incrByFloat({ kv, args, out }: Session): void {
  const key = args.key(1);
  const old = kv.getValue(key);
  if (parseFloat64(args.raw(2)) === undefined) throw new ReplyError("ERR value is not a valid float");
  if (old !== undefined && typeof old !== "string") throw new ReplyError("ERR value is not a valid float");
  const sum = addDecimals(old ?? "0", args.raw(2));
  if (sum === undefined) throw new ReplyError("ERR value is not a valid float");
  if (sum === "infinite") throw new ReplyError("ERR increment would produce NaN or Infinity");
  kv.set(key, sum, { keepTtl: true });
  out.bulk(sum);
}
