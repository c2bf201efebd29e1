/** Keys, whatever they hold. */
import type { KeyType } from "../../../tidemark.ts";
import { ALL_KEYS, type Command, ONE_KEY, type Session, TWO_KEYS } from "../command.ts";
import { dump, restore } from "../dump.ts";
import { encodingOf } from "../encoding.ts";
import { NO_SUCH_KEY, ReplyError, SYNTAX } from "../failure.ts";
import { expiryAt } from "./expiry.ts";
import { help } from "./help.ts";

const OBJECT: readonly Command[] = [
  object(
    "encoding",
    "Answers how Redis would lay out the value.",
    ({ kv, args, out, service }) =>
      out.bulk(encodingOf(kv, args.key(2), Number(service.configuration.get("set-max-intset-entries")))),
    "What Redis 7 would answer for such a value, not how it is kept here.",
  ),
  object("refcount", "Answers how often the value is referred to.", ({ out }) => out.integer(1), "Always 1."),
  object(
    "idletime",
    "Answers the seconds since the key was last used.",
    () => {
      throw new ReplyError("ERR idle time is not tracked here, as in Redis under an LFU maxmemory policy");
    },
    "Not tracked, and answered with an error.",
  ),
  {
    name: "object|help",
    arity: 2,
    flags: ["loading", "stale"],
    group: "generic",
    since: "6.2.0",
    summary: "Lists the subcommands.",
    run: ({ out }) => help(out, "OBJECT", OBJECT),
  },
];

export const keyCommands: readonly Command[] = [
  removing("del", "1.0.0", "Deletes keys and answers how many there were."),
  removing("unlink", "4.0.0", "Deletes keys and answers how many there were."),
  counting("exists", "1.0.0", "Answers how many of the keys there are."),
  counting("touch", "3.2.1", "Answers how many of the keys there are."),
  {
    name: "type",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "generic",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers what kind of value a key holds.",
    run: ({ kv, args, out }) => out.simple(kv.type(args.key(1)) ?? "none"),
  },
  {
    name: "keys",
    arity: 2,
    flags: ["readonly", "dangerous"],
    group: "generic",
    since: "1.0.0",
    summary: "Answers all keys that match a pattern.",
    differs:
      "Patterns count characters, not bytes, and take at most 1,024 of them unless they are plain prefixes.",
    run: ({ kv, args, out }) => out.bulks([...kv.keys({ match: args.key(1) })]),
  },
  {
    name: "scan",
    arity: -2,
    flags: ["readonly"],
    group: "generic",
    since: "2.8.0",
    summary: "Answers some of the keys, and where to go on.",
    differs:
      "COUNT is a hint: a step answers whole buckets, of which there are 4,096. Patterns as with KEYS.",
    run: scan,
  },
  {
    name: "randomkey",
    arity: 1,
    flags: ["readonly"],
    group: "generic",
    since: "1.0.0",
    summary: "Answers some key.",
    run: ({ kv, out }) => out.bulk(kv.randomKey()),
  },
  {
    name: "rename",
    arity: 3,
    flags: ["write"],
    group: "generic",
    keys: TWO_KEYS,
    since: "1.0.0",
    summary: "Gives a key another name.",
    differs: "What another host writes to the old name meanwhile stays there.",
    run: ({ kv, args, out }) => {
      if (!kv.rename(args.key(1), args.key(2))) throw new ReplyError(NO_SUCH_KEY);
      out.ok();
    },
  },
  {
    name: "renamenx",
    arity: 3,
    flags: ["write", "fast"],
    group: "generic",
    keys: TWO_KEYS,
    since: "1.0.0",
    summary: "Gives a key another name if nothing has it.",
    differs: "Atomic on the host that runs it.",
    run: ({ kv, args, out }) => {
      const from = args.key(1);
      if (!kv.has(from)) throw new ReplyError(NO_SUCH_KEY);
      out.bool(kv.rename(from, args.key(2), { onlyIf: "absent" }));
    },
  },
  {
    name: "copy",
    arity: -3,
    flags: ["write", "denyoom"],
    group: "generic",
    keys: TWO_KEYS,
    since: "6.2.0",
    summary: "Copies a key.",
    differs: "There is only database 0.",
    run: copy,
  },
  {
    name: "dump",
    arity: 2,
    flags: ["readonly"],
    group: "generic",
    keys: ONE_KEY,
    since: "2.6.0",
    summary: "Answers a value as bytes that RESTORE takes.",
    differs: "In a format of its own, which Redis does not read, nor Tidemark Redis's.",
    run: ({ kv, args, out }) => out.bulk(dump(kv, args.key(1))),
  },
  {
    name: "restore",
    arity: -4,
    flags: ["write", "denyoom"],
    group: "generic",
    keys: ONE_KEY,
    since: "2.6.0",
    summary: "Gives a key what DUMP answered.",
    differs: "Takes what DUMP of Tidemark answered. IDLETIME and FREQ are checked and without effect.",
    run: restoreKey,
  },
  {
    name: "object",
    arity: -2,
    flags: [],
    group: "generic",
    since: "2.2.3",
    summary: "About the value of a key.",
    subcommands: OBJECT,
  },
  {
    name: "wait",
    arity: 3,
    flags: ["blocking"],
    group: "generic",
    since: "3.0.0",
    summary: "Waits until so many other hosts have applied what was written, and answers how many have.",
    differs:
      "Counts live hosts of the namespace, and everything written so far on this host, whoever wrote it.",
    run: ({ kv, args }) => {
      const hosts = args.integer(1);
      const timeout = args.integer(2, "ERR timeout is not an integer or out of range");
      if (timeout < 0) throw new ReplyError("ERR timeout is negative");
      return replicated(kv, Math.max(0, hosts), timeout);
    },
  },
];

/** The longest that a host waits for; WAIT 0 means for ever. */
const LONGEST_WAIT_MS = 86_400_000;

async function replicated(kv: Session["kv"], hosts: number, timeout: number) {
  const limit = timeout === 0 ? LONGEST_WAIT_MS : Math.min(timeout, LONGEST_WAIT_MS);
  // Nobody to wait for: how many have it now.
  const options = hosts === 0 ? { hosts: 1, timeout: 1 } : { hosts, timeout: limit };
  const count = await kv.replicated(options);
  return (out: Session["out"]) => out.integer(count);
}

function removing(name: string, since: string, summary: string): Command {
  return {
    name,
    arity: -2,
    flags: ["write"],
    group: "generic",
    keys: ALL_KEYS,
    since,
    summary,
    differs: "Deletes what this host has seen of a key: a concurrent write of another host survives.",
    run: ({ kv, args, out }) =>
      out.integer(args.count === 2 ? kv.delete(args.key(1)) : kv.delete(...args.keys(1))),
  };
}

function counting(name: string, since: string, summary: string): Command {
  return {
    name,
    arity: -2,
    flags: ["readonly", "fast"],
    group: "generic",
    keys: ALL_KEYS,
    since,
    summary,
    run: ({ kv, args, out }) => {
      let count = 0;
      for (let index = 1; index < args.count; index++) if (kv.has(args.key(index))) count++;
      out.integer(count);
    },
  };
}

function object(name: string, summary: string, run: Command["run"], differs: string): Command {
  return {
    name: `object|${name}`,
    arity: 3,
    flags: ["readonly"],
    group: "generic",
    keys: { first: 2, last: 2, step: 1 },
    since: "2.2.3",
    summary,
    differs,
    run: (session) => {
      const { kv, args, out } = session;
      if (kv.has(args.key(2))) return run!(session);
      out.null();
      return undefined;
    },
  };
}

function scan({ kv, args, out }: Session): void {
  const cursor = args.integerIn(1, 0, Number.MAX_SAFE_INTEGER, "ERR invalid cursor");
  const options: { match?: string; count?: number; type?: KeyType } = {};
  let nothing = false;
  for (let index = 2; index < args.count; index += 2) {
    const word = args.word(index);
    if (index + 1 >= args.count) throw new ReplyError(SYNTAX);
    if (word === "MATCH") options.match = args.key(index + 1);
    else if (word === "COUNT") {
      const count = args.integer(index + 1);
      if (count < 1) throw new ReplyError(SYNTAX);
      options.count = count;
    } else if (word === "TYPE") {
      const type = args.raw(index + 1).toLowerCase();
      if (type === "string" || type === "set" || type === "list") options.type = type;
      else nothing = true;
    } else throw new ReplyError(SYNTAX);
  }
  // Cursors of Redis may be any number; those that are none of ours are at the end.
  const step = nothing || cursor > 4_095 ? { cursor: 0, keys: [] } : kv.scan(cursor, options);
  out.array(2);
  out.bulk(String(step.cursor));
  out.bulks(step.keys);
}

function copy({ kv, args, out }: Session): void {
  const [from, to] = [args.key(1), args.key(2)];
  let replace = false;
  for (let index = 3; index < args.count; index++) {
    const word = args.word(index);
    if (word === "REPLACE") replace = true;
    else if (word === "DB" && index + 1 < args.count) {
      if (args.int64(++index) !== 0) throw new ReplyError("ERR DB index is out of range");
    } else throw new ReplyError(SYNTAX);
  }
  if (from === to) throw new ReplyError("ERR source and destination objects are the same");
  out.bool(kv.copy(from, to, replace ? undefined : { onlyIf: "absent" }));
}

function restoreKey({ kv, args, out }: Session): void {
  const key = args.key(1);
  let replace = false;
  let absolute = false;
  for (let index = 4; index < args.count; index++) {
    const word = args.word(index);
    if (word === "REPLACE") replace = true;
    else if (word === "ABSTTL") absolute = true;
    else if (word === "IDLETIME" && index + 1 < args.count) {
      args.integerIn(++index, 0, Number.MAX_VALUE, "ERR Invalid IDLETIME value, must be >= 0");
    } else if (word === "FREQ" && index + 1 < args.count) {
      args.integerIn(++index, 0, 255, "ERR Invalid FREQ value, must be >= 0 and <= 255");
    } else throw new ReplyError(SYNTAX);
  }
  if (!replace && kv.has(key)) throw new ReplyError("BUSYKEY Target key name already exists.");
  const ttl = args.int64(2);
  if (ttl < 0) throw new ReplyError("ERR Invalid TTL value, must be >= 0");
  const expiresAt =
    Number(ttl) === 0
      ? Number.POSITIVE_INFINITY
      : expiryAt(kv.now(), absolute ? "PXAT" : "PX", ttl, "restore", false);
  restore(kv, key, args.bytes(3), expiresAt);
  out.ok();
}
