/** COMMAND: the table of commands, for clients that want to know. */
import { compileGlob } from "../../../crdt/glob.ts";
import { type Command, fits, type Handler, keyIndexes, type Session } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";
import type { ReplyWriter } from "../reply.ts";
import { help } from "./help.ts";

/** The table holds this family too, so that it has to be handed in. */
export interface Table {
  readonly commands: readonly Command[];
  find(name: string): Command | undefined;
  every(): Iterable<Command>;
}

let table: Table | undefined;

/** To be called once, with the table that this family is part of. */
export function describe(whole: Table): void {
  table = whole;
}

const sub = (name: string, arity: number, since: string, summary: string, run: Handler): Command => ({
  name: `command|${name}`,
  arity,
  flags: ["loading", "stale"],
  group: "server",
  since,
  summary,
  run,
});

const SUBCOMMANDS: readonly Command[] = [
  sub("count", 2, "2.8.13", "Answers how many commands there are.", ({ out }) =>
    out.integer(table!.commands.length),
  ),
  sub("info", -2, "2.8.13", "Describes commands by name.", ({ args, out }) => {
    if (args.count === 2) {
      all(out);
      return;
    }
    out.array(args.count - 2);
    for (let index = 2; index < args.count; index++) {
      const command = table!.find(args.raw(index));
      if (command === undefined) out.nullArray();
      else described(out, command);
    }
  }),
  sub("docs", -2, "7.0.0", "Documents commands by name.", ({ args, out }) => {
    const names = args.count === 2 ? table!.commands.map(({ name }) => name) : rawFrom(args, 2);
    const found = names.map((name) => table!.find(name)).filter((command) => command !== undefined);
    out.map(found.length);
    for (const command of found) documented(out, command);
  }),
  sub("list", -2, "7.0.0", "Lists the names of commands.", list),
  sub("getkeys", -4, "2.8.13", "Answers which arguments of a command are keys.", getKeys),
  sub("help", 2, "5.0.0", "Lists the subcommands.", ({ out }) => help(out, "COMMAND", SUBCOMMANDS)),
];

export const commandCommands: readonly Command[] = [
  {
    name: "command",
    arity: -1,
    flags: ["loading", "stale"],
    group: "server",
    since: "2.8.13",
    summary: "Describes all commands.",
    run: ({ out }) => all(out),
    subcommands: SUBCOMMANDS,
  },
];

function rawFrom(args: Session["args"], first: number): string[] {
  const raw: string[] = [];
  for (let index = first; index < args.count; index++) raw.push(args.raw(index));
  return raw;
}

function all(out: ReplyWriter): void {
  out.array(table!.commands.length);
  for (const command of table!.commands) described(out, command);
}

function described(out: ReplyWriter, command: Command): void {
  const { first, last, step } = positions(command);
  out.array(10);
  out.bulk(command.name);
  out.integer(command.arity);
  const flags = command.flags.filter((flag) => flag !== "dangerous");
  out.set(flags.length);
  for (const flag of flags) out.simple(flag);
  out.integer(first);
  out.integer(last);
  out.integer(step);
  const categories = categoriesOf(command);
  out.set(categories.length);
  for (const category of categories) out.simple(`@${category}`);
  out.array(0);
  keySpecs(out, command);
  const subcommands = command.subcommands ?? [];
  out.array(subcommands.length);
  for (const subcommand of subcommands) described(out, subcommand);
}

function positions({ keys }: Command): { first: number; last: number; step: number } {
  if (keys === undefined || "numkeysAt" in keys) return { first: 0, last: 0, step: 0 };
  return keys;
}

function keySpecs(out: ReplyWriter, { keys, flags }: Command): void {
  if (keys === undefined) {
    out.array(0);
    return;
  }
  out.array(1);
  out.map(3);
  out.bulk("flags");
  out.array(1);
  out.simple(flags.includes("write") ? "RW" : "RO");
  const numbered = "numkeysAt" in keys;
  out.bulk("begin_search");
  out.map(2);
  out.bulk("type");
  out.bulk("index");
  out.bulk("spec");
  out.map(1);
  out.bulk("index");
  out.integer(numbered ? keys.numkeysAt : keys.first);
  out.bulk("find_keys");
  out.map(2);
  out.bulk("type");
  out.bulk(numbered ? "keynum" : "range");
  out.bulk("spec");
  const spec = numbered
    ? { keynumidx: 0, firstkey: 1, keystep: 1 }
    : { lastkey: keys.last < 0 ? keys.last : keys.last - keys.first, keystep: keys.step, limit: 0 };
  out.map(3);
  for (const [name, value] of Object.entries(spec)) {
    out.bulk(name);
    out.integer(value);
  }
}

const GROUP_CATEGORIES: Readonly<Record<Command["group"], string>> = {
  connection: "connection",
  server: "admin",
  generic: "keyspace",
  string: "string",
  set: "set",
  list: "list",
  scripting: "scripting",
};

/** The categories that Redis's ACL would put a command in. */
function categoriesOf({ flags, group }: Command): string[] {
  const categories: string[] = [];
  if (flags.includes("write")) categories.push("write");
  if (flags.includes("readonly")) categories.push("read");
  if (group !== "server") categories.push(GROUP_CATEGORIES[group]);
  categories.push(flags.includes("fast") ? "fast" : "slow");
  if (flags.includes("blocking")) categories.push("blocking");
  if (flags.includes("admin")) categories.push("admin", "dangerous");
  else if (flags.includes("dangerous")) categories.push("dangerous");
  return categories;
}

function documented(out: ReplyWriter, command: Command): void {
  const subcommands = command.subcommands ?? [];
  out.bulk(command.name);
  out.map(subcommands.length > 0 ? 4 : 3);
  out.bulk("summary");
  out.bulk(command.summary);
  out.bulk("since");
  out.bulk(command.since);
  out.bulk("group");
  out.bulk(command.group);
  if (subcommands.length === 0) return;
  out.bulk("subcommands");
  out.map(subcommands.length);
  for (const subcommand of subcommands) documented(out, subcommand);
}

function list({ args, out }: Session): void {
  let keep: (command: Command) => boolean = () => true;
  if (args.count > 2) {
    if (args.count !== 5 || args.word(2) !== "FILTERBY") throw new ReplyError(SYNTAX);
    const by = args.word(3);
    const value = args.raw(4);
    if (by === "MODULE") keep = () => false;
    else if (by === "ACLCAT") keep = (command) => categoriesOf(command).includes(value.toLowerCase());
    else if (by === "PATTERN") {
      const matches = compileGlob(value.toLowerCase());
      keep = ({ name }) => matches(name);
    } else throw new ReplyError(SYNTAX);
  }
  const names: string[] = [];
  for (const command of table!.every()) if (keep(command)) names.push(command.name);
  out.bulkSet(names);
}

function getKeys({ args, out }: Session): void {
  let command = table!.find(args.raw(2));
  if (command === undefined) throw new ReplyError("ERR Invalid command specified");
  if (command.subcommands !== undefined && args.count > 3)
    command = table!.find(`${command.name}|${args.raw(3)}`) ?? command;
  const asked = args.from(2);
  if (command.keys === undefined) throw new ReplyError("ERR The command has no key arguments");
  if (!fits(command, asked.count))
    throw new ReplyError("ERR Invalid number of arguments specified for command");
  out.bulks(keyIndexes(command, asked).map((index) => asked.bytes(index)));
}
