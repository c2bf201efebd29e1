/** `tidemark set`: gives a key a value, from the command line, a file or a pipe. */
import { open } from "node:fs/promises";
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import type { Argument } from "../client/host-client.ts";
import { durationOf } from "../client/resp-target.ts";
import { EXIT } from "../failure.ts";
import { note, shownWord, writeJson } from "../output.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson, withHost } from "./command.ts";

interface SetFlags extends CommonFlags {
  readonly file?: string;
  readonly ttl?: string;
  readonly keepTtl?: boolean;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
}

/** As much as a host may be told to take; what is longer is not read to its end. */
const LARGEST_BYTES = 64 * 1024 * 1024;

const HELP = `
Without a value, what is piped in becomes the value, byte for byte.
--if-absent and --if-present are decided by the host that is asked; where they
prevent the write it ends with 3. A value that begins with - stands behind --.

Examples:
  tidemark set user.1 ada --ttl 10m
  tidemark set photo.1 --file photo.png
  date | tidemark set now --json
  tidemark set -- temperature -5`;

export function addSet(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "set",
    summary: "Give a key a value.",
    flags: [
      new Option("--file <path>", "take the value from a file; - for standard input"),
      new Option("--ttl <duration>", "time to live, such as 250ms, 10s, 5m (default: as the host has it)"),
      new Option("--keep-ttl", "keep the time to live the key has"),
      new Option("--if-absent", "only if the key is not there"),
      new Option("--if-present", "only if the key is there"),
    ],
    help: HELP,
  })
    .argument("<key>")
    .argument("[value]")
    .action(async (key: string, value: string | undefined, flags: SetFlags) => {
      const options = optionsOf(flags);
      const bytes = await givenValue(value, flags.file);
      const done = await withHost(flags, env, async (host) => {
        const answer = await host.call("SET", key, bytes, ...options);
        return answer === null ? EXIT.no : EXIT.done;
      });
      const set = done === EXIT.done;
      if (wantsJson(flags, env)) await writeJson({ key, set, bytes: bytes.length });
      else if (!set)
        note(`${shownWord(key)} was left as it is: it is ${flags.ifAbsent ? "there" : "not there"}`);
      ended(done);
    });
}

/** The options of SET. Throws `INVALID_ARGUMENT`. */
function optionsOf({ ttl, keepTtl, ifAbsent, ifPresent }: SetFlags): Argument[] {
  if (ifAbsent && ifPresent)
    throw wrong("give one of --if-absent and --if-present: both at once is never true");
  if (keepTtl && ttl !== undefined) throw wrong("give one of --ttl and --keep-ttl");
  const options: Argument[] = [];
  if (ttl !== undefined) {
    const ms = durationOf(ttl, "--ttl");
    if (ms < 1) throw wrong(`--ttl takes a duration above 0, not ${ttl}; \`tidemark del\` removes a key`);
    options.push("PX", ms);
  }
  if (keepTtl) options.push("KEEPTTL");
  if (ifAbsent) options.push("NX");
  if (ifPresent) options.push("XX");
  return options;
}

async function givenValue(value: string | undefined, file: string | undefined): Promise<Buffer> {
  if (value !== undefined && file !== undefined)
    throw wrong("give the value once: as an argument, or with --file");
  if (value !== undefined) return Buffer.from(value);
  if (file !== undefined && file !== "-") return await readFrom(file);
  if (file === undefined && process.stdin.isTTY)
    throw wrong("give a value, name a file with --file, or pipe one in");
  return await collected(process.stdin);
}

async function readFrom(file: string): Promise<Buffer> {
  try {
    await using opened = await open(file);
    return await collected(opened.createReadStream({ autoClose: false }));
  } catch (cause) {
    if (cause instanceof TidemarkError) throw cause;
    throw new TidemarkError("INVALID_ARGUMENT", `--file: ${(cause as Error).message}`, { cause });
  }
}

async function collected(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > LARGEST_BYTES)
      throw new TidemarkError(
        "VALUE_TOO_LARGE",
        `the value is larger than ${LARGEST_BYTES} bytes, which no host takes`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function wrong(sentence: string): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", sentence);
}
