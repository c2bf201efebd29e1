/** All commands by name, and what is not served with what to use instead. */
import { type Command, fits } from "./command.ts";
import { clientCommands } from "./commands/client.ts";
import { commandCommands, describe } from "./commands/command.ts";
import { connectionCommands } from "./commands/connection.ts";
import { expiryCommands } from "./commands/expiry.ts";
import { keyCommands } from "./commands/keys.ts";
import { listMoveCommands } from "./commands/list-moves.ts";
import { listCommands } from "./commands/lists.ts";
import { refusals } from "./commands/refused.ts";
import { serverCommands } from "./commands/server.ts";
import { setAlgebraCommands } from "./commands/set-algebra.ts";
import { setCommands } from "./commands/sets.ts";
import { stringPartCommands } from "./commands/string-parts.ts";
import { stringCommands } from "./commands/strings.ts";
import { watchingCommands } from "./commands/watching.ts";
import { ReplyError } from "./failure.ts";
import type { Request } from "./request.ts";

export const COMMANDS: readonly Command[] = [
  ...connectionCommands,
  ...clientCommands,
  ...commandCommands,
  ...serverCommands,
  ...stringCommands,
  ...stringPartCommands,
  ...keyCommands,
  ...expiryCommands,
  ...setCommands,
  ...setAlgebraCommands,
  ...listCommands,
  ...listMoveCommands,
  ...watchingCommands,
];

/** Of an unknown command this much is given back, so that a reply does not grow with what was sent. */
const SHOWN = 128;

const byName = new Map<string, Command>();
for (const command of COMMANDS) {
  byName.set(command.name, command);
  // Spelt as nearly everybody does, so that no name has to be converted for each request.
  byName.set(command.name.toUpperCase(), command);
}
const bySubcommand = new Map<string, Command>();
for (const { subcommands = [] } of COMMANDS) {
  for (const subcommand of subcommands) bySubcommand.set(subcommand.name, subcommand);
}

/** A command by name in any case, or `command|subcommand`. */
export function findCommand(name: string): Command | undefined {
  const lower = name.toLowerCase();
  return byName.get(lower) ?? bySubcommand.get(lower);
}

/** Every command and every subcommand, each behind its command. */
export function* everyCommand(): Generator<Command> {
  for (const command of COMMANDS) {
    yield command;
    yield* command.subcommands ?? [];
  }
}

/** The command that a request asks for. Throws `ReplyError` for unknown ones and wrong numbers of arguments. */
export function commandOf(args: Request): Command {
  const name = args.raw(0);
  const command = byName.get(name) ?? byName.get(name.toLowerCase());
  if (command === undefined) throw unknownCommand(args);
  if (command.subcommands === undefined) {
    if (!fits(command, args.count)) throw wrongArity(command.name);
    return command;
  }
  if (args.count === 1) {
    if (command.run === undefined) throw wrongArity(command.name);
    return command;
  }
  const subcommand = bySubcommand.get(`${command.name}|${args.raw(1).toLowerCase()}`);
  if (subcommand === undefined) {
    const asked = args.raw(1).slice(0, SHOWN);
    throw new ReplyError(`ERR unknown subcommand '${asked}'. Try ${command.name.toUpperCase()} HELP.`);
  }
  if (!fits(subcommand, args.count)) throw wrongArity(subcommand.name);
  return subcommand;
}

function wrongArity(name: string): ReplyError {
  return new ReplyError(`ERR wrong number of arguments for '${name}' command`);
}

function unknownCommand(args: Request): ReplyError {
  const name = args.raw(0).slice(0, SHOWN);
  const instead = refusals.get(name.toLowerCase());
  let shown = "";
  for (let index = 1; index < args.count && shown.length < SHOWN; index++)
    shown += `'${args.raw(index).slice(0, SHOWN - shown.length)}' `;
  const text = `ERR unknown command '${name}', with args beginning with: ${shown}`;
  return new ReplyError(instead === undefined ? text : `${text.trimEnd()} (not served here: ${instead})`);
}

describe({ commands: COMMANDS, find: findCommand, every: everyCommand });
