/** `tidemark restore`: gives a host the keys of a dump. */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { HostClient } from "../client/host-client.ts";
import { refused } from "../dump/format.ts";
import { type PutCounts, putKeys } from "../dump/put-keys.ts";
import { type DumpPlace, type DumpReader, openDump } from "../dump/reader.ts";
import { EXIT } from "../failure.ts";
import { shownCount, write, writeJson } from "../output.ts";
import { showProgress } from "../progress.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson, withHost } from "./command.ts";

interface RestoreFlags extends CommonFlags {
  readonly replace?: boolean;
  readonly resume?: boolean;
}

/** How far a restore got, in a file beside the dump. */
interface Kept extends DumpPlace {
  readonly id: string;
  readonly url: string;
  readonly counts: PutCounts;
}

const KEPT_EVERY_MS = 500;

const HELP = `
The whole file is checked before the first key is written. Keys that are there
are left as they are; --replace replaces them. Times to live go on as they were:
what has expired since the dump stays away. How far it got stands in
<file>.restoring until it is done, and --resume goes on from there.

Examples:
  tidemark restore sessions.tmk
  tidemark restore sessions.tmk --replace --url redis://10.0.0.7:7379
  tidemark restore sessions.tmk --resume`;

export function addRestore(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "restore",
    summary: "Give a host the keys of a dump.",
    flags: [
      new Option("--replace", "replace keys that are there"),
      new Option("--resume", "go on with a restore that was interrupted"),
    ],
    help: HELP,
  })
    .argument("<file>")
    .action(async (file: string, flags: RestoreFlags) => {
      await using dump = await openDump(file);
      const keys = await checked(dump);
      const json = wantsJson(flags, env);
      ended(await withHost(flags, env, (host) => restore(host, dump, { file, keys, flags, json })));
    });
}

/** Reads it to its end, so that no key is written of a dump that is damaged. Resolves to how many there are. */
async function checked(dump: DumpReader): Promise<number> {
  let keys = 0;
  for await (const { entries } of dump.keys()) keys += entries.length;
  return keys;
}

interface Restoring {
  readonly file: string;
  readonly keys: number;
  readonly flags: RestoreFlags;
  readonly json: boolean;
}

async function restore(
  host: HostClient,
  dump: DumpReader,
  { file, keys, flags, json }: Restoring,
): Promise<number> {
  const beside = `${file}.restoring`;
  const { id } = dump.head;
  const { url } = host.target;
  const kept = flags.resume ? await keptPlace(beside, id, url) : undefined;
  const counts = kept?.counts ?? { restored: 0, left: 0, expired: 0 };
  const done = () => counts.restored + counts.left + counts.expired;
  const startedAt = performance.now();
  let keptAt = startedAt;
  let place: DumpPlace = kept ?? dump.begin;
  const keep = async () => {
    const { offset, check } = place;
    await writeFile(`${beside}.new`, JSON.stringify({ offset, check, id, url, counts } satisfies Kept));
    // In one step, so that an interruption never leaves half of it.
    await rename(`${beside}.new`, beside);
  };
  const progress = showProgress(keys, "keys", json);
  try {
    for await (const block of dump.keys(place)) {
      await putKeys(host, block.entries, flags.replace === true, counts);
      place = block.place;
      progress.at(done(), place.offset - (kept?.offset ?? 0));
      if (performance.now() - keptAt < KEPT_EVERY_MS) continue;
      keptAt = performance.now();
      await keep();
    }
  } catch (error) {
    await keep();
    throw error;
  } finally {
    progress.end();
  }
  await rm(beside, { force: true });
  const tookMs = Math.round(performance.now() - startedAt);
  if (json) await writeJson({ file, keys, ...counts, tookMs });
  else await write(summary(counts));
  return EXIT.done;
}

function summary({ restored, left, expired }: PutCounts): string {
  const kept =
    left > 0 ? `, ${shownCount(left)} were there and left as they are (--replace replaces them)` : "";
  const gone = expired > 0 ? `, ${shownCount(expired)} have expired since` : "";
  return `${shownCount(restored)} ${restored === 1 ? "key" : "keys"} restored${kept}${gone}\n`;
}

async function keptPlace(beside: string, id: string, url: string): Promise<Kept> {
  const again = "leave out --resume to begin anew, which does no harm";
  const text = await readFile(beside, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "is not there: no restore was interrupted" : "cannot be read";
    throw refused(`${beside} ${why}; ${again}`, cause);
  });
  const kept = parsedKept(text);
  if (kept?.id === id && kept.url === url) return kept;
  throw refused(`${beside} is of another dump or of another host; ${again}`);
}

function parsedKept(text: string): Kept | undefined {
  try {
    const kept = JSON.parse(text) as Kept;
    const { restored, left, expired } = kept.counts;
    const numbers = [kept.offset, kept.check, restored, left, expired];
    return numbers.every((number) => Number.isSafeInteger(number) && number >= 0) ? kept : undefined;
  } catch {
    // Somebody else has written there; the caller says what to do.
    return undefined;
  }
}
