/** `tidemark del`: removes keys, on every host. */
import type { Command } from "commander";
import { numberOf } from "../client/host-client.ts";
import { EXIT } from "../failure.ts";
import { write, writeJson } from "../output.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson, withHost } from "./command.ts";

/** Keys removed by one command. */
const STEP = 1_000;

const HELP = `
It removes what the host that is asked has seen of the keys: a write that
another host makes at the same moment survives.

Examples:
  tidemark del user.1 user.2
  tidemark keys 'session.*' | xargs tidemark del`;

export function addDel(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, { name: "del", summary: "Remove keys.", help: HELP })
    .argument("<key...>")
    .action(async (keys: string[], flags: CommonFlags) => {
      let deleted = 0;
      await withHost(flags, env, async (host) => {
        for (let from = 0; from < keys.length; from += STEP)
          deleted += numberOf(await host.call("DEL", ...keys.slice(from, from + STEP)));
        return EXIT.done;
      });
      if (wantsJson(flags, env)) await writeJson({ keys: keys.length, deleted });
      else
        await write(
          `${deleted} of ${keys.length} ${keys.length === 1 ? "key was" : "keys were"} there and removed\n`,
        );
      ended(EXIT.done);
    });
}
