/** HELP of a command with subcommands, from their data. */
import type { Command } from "../command.ts";
import type { ReplyWriter } from "../reply.ts";

export function help(out: ReplyWriter, name: string, subcommands: readonly Command[]): void {
  out.array(1 + subcommands.length * 2);
  out.simple(`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
  for (const { name: full, summary } of subcommands) {
    out.simple(full.slice(full.indexOf("|") + 1).toUpperCase());
    out.simple(`    ${summary}`);
  }
}
