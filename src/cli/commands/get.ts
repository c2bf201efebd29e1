/** `tidemark get`: what a key holds, whatever its type. */
import { isUtf8 } from "node:buffer";
import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import { type Held, read } from "../client/held.ts";
import { type HostClient, numberOf } from "../client/host-client.ts";
import { EXIT } from "../failure.ts";
import { jsonValue, note, shownWord, write, writeJson } from "../output.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson, withHost } from "./command.ts";

interface GetFlags extends CommonFlags {
  readonly file?: string;
}

const HELP = `
Text is followed by the end of a line; members and elements have a line each.
--file writes the bytes and nothing else. A key that is not there ends with 3.

Examples:
  tidemark get user.1
  tidemark get photo.1 --file photo.png
  tidemark get online --json | jq -r '.value[]'`;

export function addGet(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "get",
    summary: "Show what a key holds.",
    flags: [new Option("--file <path>", "write the bytes of a string to a file; - for standard output")],
    help: HELP,
  })
    .argument("<key>")
    .action(async (key: string, flags: GetFlags) => {
      const json = wantsJson(flags, env);
      ended(await withHost(flags, env, (host) => get(host, key, { json, file: flags.file })));
    });
}

async function get(
  host: HostClient,
  key: string,
  { json, file }: { json: boolean; file: string | undefined },
): Promise<number> {
  const held = await read(host, key);
  if (held === undefined) {
    if (json) await writeJson({ key, type: null, value: null });
    else note(`there is no key ${shownWord(key)}`);
    return EXIT.no;
  }
  if (file !== undefined) await toFile(key, held, file);
  else if (json) await writeJson(await asJson(host, key, held));
  else await forPeople(key, held);
  return EXIT.done;
}

async function toFile(key: string, held: Held, file: string): Promise<void> {
  if (held.type !== "string")
    throw new TidemarkError(
      "WRONG_TYPE",
      `${shownWord(key)} is a ${held.type}, not one value; leave out --file`,
    );
  if (file === "-") await write(held.value);
  else {
    await writeFile(file, held.value).catch((cause: Error) => {
      throw new TidemarkError("INVALID_ARGUMENT", `--file: ${cause.message}`, { cause });
    });
  }
}

async function asJson(host: HostClient, key: string, held: Held): Promise<object> {
  const ttl = numberOf(await host.call("PTTL", key));
  const value = held.type === "string" ? jsonValue(held.value) : held.values.map(jsonValue);
  return { key, type: held.type, ttlMs: ttl < 0 ? null : ttl, value };
}

async function forPeople(key: string, held: Held): Promise<void> {
  const values = held.type === "string" ? [held.value] : held.values;
  const odd = values.find((value) => !isUtf8(value));
  if (odd !== undefined) {
    const how =
      held.type === "string" ? "--file writes it to a file, --json writes base64" : "--json writes base64";
    throw new TidemarkError(
      "NOT_TEXT",
      `${shownWord(key)} holds ${odd.length} bytes that are no text; ${how}`,
    );
  }
  for (const value of values) await write(Buffer.concat([value, Buffer.from("\n")]));
}
