/** The host behind the door. */
import { compileGlob } from "../../../crdt/glob.ts";
import type { Command, Handler, Session } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";
import { infoText } from "../info.ts";
import { help } from "./help.ts";

const sub = (
  name: string,
  arity: number,
  flags: Command["flags"],
  summary: string,
  run: Handler,
): Command => ({
  name,
  arity,
  flags,
  group: "server",
  since: "2.0.0",
  summary,
  run,
});
const ADMIN = ["admin", "noscript", "loading", "stale"] as const;

const CONFIG: readonly Command[] = [
  sub("config|get", -3, ADMIN, "Answers settings by pattern.", configGet),
  sub("config|set", -4, ADMIN, "Changes settings until the end of the process, all or none.", configSet),
  sub("config|resetstat", 2, ADMIN, "Sets the counts of INFO back.", ({ service, out }) => {
    service.resetCounts();
    out.ok();
  }),
  sub("config|rewrite", 2, ADMIN, "Refused: what is set by CONFIG SET is not kept.", () => {
    throw new ReplyError("ERR The server is running without a config file");
  }),
  sub("config|help", 2, ["loading", "stale"], "Lists the subcommands.", ({ out }) =>
    help(out, "CONFIG", CONFIG),
  ),
];

const MEMORY: readonly Command[] = [
  {
    ...sub("memory|usage", -3, ["readonly"], "Answers about how many bytes a key takes.", memoryUsage),
    keys: { first: 2, last: 2, step: 1 },
    differs: "Counts the bytes of key and values and what is kept beside each; an estimate.",
  },
  sub("memory|help", 2, ["loading", "stale"], "Lists the subcommands.", ({ out }) =>
    help(out, "MEMORY", MEMORY),
  ),
];

const FUNCTION: readonly Command[] = [
  sub("function|list", -2, ["noscript"], "Answers the functions, of which there are none.", ({ out }) =>
    out.array(0),
  ),
  sub(
    "function|flush",
    -2,
    ["noscript", "write"],
    "Deletes all functions, of which there are none.",
    ({ out }) => out.ok(),
  ),
];

export const serverCommands: readonly Command[] = [
  {
    name: "info",
    arity: -1,
    flags: ["loading", "stale"],
    group: "server",
    since: "1.0.0",
    summary: "Describes the host in lines of name and value.",
    differs:
      "Sections server, clients, memory, stats, replication, tidemark, commandstats, errorstats, keyspace.",
    run: ({ args, out, service }) => {
      const sections: string[] = [];
      for (let index = 1; index < args.count; index++) sections.push(args.raw(index).toLowerCase());
      out.verbatim(infoText(service, sections));
    },
  },
  {
    name: "config",
    arity: -2,
    flags: [],
    group: "server",
    since: "2.0.0",
    summary: "About settings.",
    differs: "Serves the limits of this door. Settings of Redis's memory layout are kept and without effect.",
    subcommands: CONFIG,
  },
  {
    name: "memory",
    arity: -2,
    flags: [],
    group: "server",
    since: "4.0.0",
    summary: "About memory.",
    subcommands: MEMORY,
  },
  {
    name: "function",
    arity: -2,
    flags: [],
    group: "scripting",
    since: "7.0.0",
    summary: "About functions, of which there are none.",
    differs: "Only LIST and FLUSH, which are true of a server without functions.",
    subcommands: FUNCTION,
  },
  {
    name: "time",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group: "server",
    since: "2.6.0",
    summary: "Answers seconds since 1970, and microseconds.",
    differs: "The time of the fleet, which deadlines are compared with.",
    run: ({ kv, out }) => {
      const micros = Math.floor(kv.now() * 1_000);
      out.array(2);
      out.bulk(String(Math.floor(micros / 1_000_000)));
      out.bulk(String(micros % 1_000_000));
    },
  },
  {
    name: "dbsize",
    arity: 1,
    flags: ["readonly", "fast"],
    group: "server",
    since: "1.0.0",
    summary: "Answers how many keys there are.",
    differs: "Keys that have expired count until they are removed, some seconds later.",
    run: ({ kv, out }) => out.integer(kv.size),
  },
  flush("flushdb"),
  flush("flushall"),
  {
    name: "shutdown",
    arity: -1,
    flags: ["admin", "noscript", "loading", "stale"],
    group: "server",
    since: "1.0.0",
    summary: "Ends the host, as SIGTERM does.",
    differs:
      "SAVE is refused: hosts keep their data in each other's memory. It hands over what was written, and leaves.",
    run: shutDown,
  },
];

function configGet({ args, out, service }: Session): void {
  const matchers: ((name: string) => boolean)[] = [];
  for (let index = 2; index < args.count; index++) matchers.push(compileGlob(args.key(index).toLowerCase()));
  const found = service.configuration.matching((name) => matchers.some((matches) => matches(name)));
  out.map(found.length);
  for (const [name, text] of found) {
    out.bulk(name);
    out.bulk(text);
  }
}

function configSet({ args, out, service }: Session): void {
  if (args.count % 2 !== 0) throw new ReplyError("ERR wrong number of arguments for 'config|set' command");
  const pairs: [string, string][] = [];
  for (let index = 2; index < args.count; index += 2)
    pairs.push([args.raw(index).toLowerCase(), args.raw(index + 1)]);
  service.configuration.set(pairs);
  out.ok();
}

/** What is kept beside a key, a plain value, a member and an element, in bytes. */
const KEY_BYTES = 67;
const ENTRY_BYTES = 160;

function memoryUsage({ kv, args, out }: Session): void {
  const key = args.key(2);
  if (args.count > 3) {
    if (args.count !== 5 || args.word(3) !== "SAMPLES") throw new ReplyError(SYNTAX);
    args.integerIn(4, 0, Number.MAX_VALUE, SYNTAX);
  }
  const type = kv.type(key);
  if (type === undefined) {
    out.null();
    return;
  }
  let bytes = KEY_BYTES + key.length;
  if (type === "string") bytes += kv.getValue(key)!.length;
  else {
    const values = type === "set" ? kv.setMembers(key) : kv.listRange(key);
    for (const value of values) bytes += ENTRY_BYTES + value.length;
  }
  out.integer(bytes);
}

function flush(name: string): Command {
  return {
    name,
    arity: -1,
    flags: ["write", "dangerous"],
    group: "server",
    since: "1.0.0",
    summary: "Deletes all keys.",
    differs: "On every host, what this host has seen: a concurrent write of another host survives.",
    run: ({ kv, args, out }) => {
      if (args.count > 2 || (args.count === 2 && !/^(SYNC|ASYNC)$/.test(args.word(1))))
        throw new ReplyError(SYNTAX);
      kv.clear();
      out.ok();
    },
  };
}

function shutDown(session: Session): void {
  const { args, service } = session;
  const words: string[] = [];
  for (let index = 1; index < args.count; index++) words.push(args.word(index));
  if (words.includes("SAVE")) throw new ReplyError("ERR there is nothing to save to; use SHUTDOWN NOSAVE");
  if (words.some((word) => !/^(NOSAVE|NOW|FORCE)$/.test(word))) throw new ReplyError(SYNTAX);
  if (service.shutDown === undefined) throw new ReplyError("ERR this host is not for clients to end");
  // As in Redis the connection is closed without a reply.
  session.end();
  service.shutDown();
}
