/** `tidemark dump`: the keys of a host as a file, with types and times to live. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import { type HostClient, numberOf } from "../client/host-client.ts";
import { ALL_CURSORS, type Block, type DumpHead, encodeBlock, MAGIC, refused } from "../dump/format.ts";
import { hostKeys } from "../dump/host-keys.ts";
import { type DumpPlace, openDump } from "../dump/reader.ts";
import { EXIT } from "../failure.ts";
import { shownBytes, shownCount, write, writeJson } from "../output.ts";
import { showProgress } from "../progress.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson, withHost } from "./command.ts";

interface DumpFlags extends CommonFlags {
  readonly match?: string;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
}

interface Settings {
  readonly file: string;
  readonly match: string;
  readonly resume: boolean;
  readonly json: boolean;
}

/** A dump under way. */
interface Begun {
  readonly handle: FileHandle;
  place: DumpPlace;
  position: number;
  entries: number;
}

const HELP = `
The host goes on meanwhile: each key is dumped whole, but keys that are written
during the dump are in it as they were when it came to them. The file is there
under its name once it is complete; until then it is <file>.part, with which
--resume goes on. Format: docs/CLI.md.

Examples:
  tidemark dump sessions.tmk
  tidemark dump users.tmk --match 'user.*'
  tidemark dump sessions.tmk --resume`;

export function addDump(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "dump",
    summary: "Write the keys of a host to a file.",
    flags: [
      new Option("--match <pattern>", "only some keys, as in `tidemark keys`"),
      new Option("--resume", "go on with a dump that was interrupted"),
      new Option("--overwrite", "replace the file if it is there"),
    ],
    help: HELP,
  })
    .argument("<file>")
    .action(async (file: string, flags: DumpFlags) => {
      if (existsSync(file) && !flags.overwrite)
        throw new TidemarkError(
          "INVALID_ARGUMENT",
          `${file} is there; name another file, or add --overwrite`,
        );
      const json = wantsJson(flags, env);
      const settings = { file, match: flags.match ?? "*", resume: flags.resume === true, json };
      ended(await withHost(flags, env, (host) => dump(host, settings)));
    });
}

async function dump(host: HostClient, settings: Settings): Promise<number> {
  const { file, json } = settings;
  const part = `${file}.part`;
  const startedAt = performance.now();
  const begun = settings.resume ? await goOn(part, settings) : await begin(part, host, settings);
  try {
    const progress = showProgress(numberOf(await host.call("DBSIZE")), "keys", json);
    try {
      for await (const keys of hostKeys(host, settings.match, begun.position)) {
        await append(begun, { kind: "keys", keys });
        begun.entries += keys.entries.length;
        progress.at(begun.entries, begun.place.offset);
      }
    } finally {
      progress.end();
    }
    await append(begun, { kind: "end", entries: begun.entries });
    await begun.handle.sync();
  } finally {
    await begun.handle.close();
  }
  await rename(part, file);
  const { entries: keys, place } = begun;
  const tookMs = Math.round(performance.now() - startedAt);
  if (json) await writeJson({ file, keys, bytes: place.offset, tookMs });
  else
    await write(
      `${shownCount(keys)} ${keys === 1 ? "key" : "keys"} in ${file}, ${shownBytes(place.offset)}\n`,
    );
  return EXIT.done;
}

async function begin(part: string, { target }: HostClient, { match }: Settings): Promise<Begun> {
  const handle = await opened(part, "w");
  const head: DumpHead = { id: randomUUID(), url: target.url, match, begunAt: new Date().toISOString() };
  await handle.write(MAGIC);
  const begun: Begun = { handle, place: { offset: MAGIC.length, check: 0 }, position: 0, entries: 0 };
  await append(begun, { kind: "head", head });
  return begun;
}

/** Looks through what there is, cuts off what is not whole, and goes on behind it. */
async function goOn(part: string, { match }: Settings): Promise<Begun> {
  await using reader = await openDump(part);
  if (reader.head.match !== match)
    throw refused(
      `${part} was begun with --match '${reader.head.match}'; go on with the same, or without --resume`,
    );
  let [place, position, entries, counted] = [reader.begin, 0, 0, 0];
  for await (const keys of reader.keys(reader.begin, { lenient: true })) {
    counted += keys.entries.length;
    // A step of which only some parts were written is taken again, so that no key stands there twice.
    if (keys.position > position) [place, position, entries] = [keys.place, keys.position, counted];
  }
  const handle = await opened(part, "r+");
  await handle.truncate(place.offset);
  return { handle, place, position: Math.min(position, ALL_CURSORS), entries };
}

async function append(begun: Begun, block: Block): Promise<void> {
  const { bytes, check } = encodeBlock(block, begun.place.check);
  await begun.handle.write(bytes, 0, bytes.length, begun.place.offset);
  begun.place = { offset: begun.place.offset + bytes.length, check };
}

async function opened(file: string, flags: string): Promise<FileHandle> {
  return open(file, flags).catch((cause: Error) => {
    throw new TidemarkError("INVALID_ARGUMENT", `the dump cannot be written: ${cause.message}`, { cause });
  });
}
