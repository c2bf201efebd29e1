/** `tidemark keys`: the keys of a host, as it goes over them step by step, so that none of it has to fit in memory. */
import { type Command, Option } from "commander";
import { type HostClient, listOf, numberOf, textOf } from "../client/host-client.ts";
import { EXIT } from "../failure.ts";
import { shownTtl, shownWord, write, writeJson } from "../output.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson, withHost } from "./command.ts";

interface KeysFlags extends CommonFlags {
  readonly type?: string;
  readonly long?: boolean;
  readonly count?: boolean;
}

/** Keys that are asked for at a time. */
const STEP = 1_000;

const HELP = `
A pattern has * for anything, ? for one character, [a-z] for a range, \\ before
what is meant as it stands. Keys come in no order. One that is there throughout
is listed; while keys are written one may be listed twice.

Examples:
  tidemark keys
  tidemark keys 'user.*' --long
  tidemark keys --type set --count
  tidemark keys --json --long | jq -r 'select(.ttlMs == null) .key'`;

export function addKeys(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "keys",
    summary: "List keys.",
    flags: [
      new Option("--type <type>", "only keys of a type").choices(["string", "list", "set"]),
      new Option("-l, --long", "show type, time to live and bytes of memory, too"),
      new Option("--count", "say only how many there are"),
    ],
    help: HELP,
  })
    .argument("[pattern]", "which keys (default: all)")
    .action(async (pattern: string | undefined, flags: KeysFlags) => {
      const json = wantsJson(flags, env);
      const options = { match: pattern ?? "*", type: flags.type };
      ended(
        await withHost(flags, env, async (host) => {
          if (flags.count) await count(host, options, json);
          else await list(host, options, { json, long: flags.long === true });
          return EXIT.done;
        }),
      );
    });
}

interface Scan {
  readonly match: string;
  readonly type: string | undefined;
}

/** Keys in steps, as the host has them. Rejects as `HostClient.call`. */
export async function* scan(host: HostClient, { match, type }: Scan): AsyncGenerator<string[]> {
  let cursor = "0";
  const only = type === undefined ? [] : ["TYPE", type];
  do {
    const [next, step] = listOf(await host.call("SCAN", cursor, "MATCH", match, "COUNT", STEP, ...only));
    const keys = listOf(step!).map(textOf);
    if (keys.length > 0) yield keys;
    cursor = textOf(next!);
  } while (cursor !== "0");
}

async function count(host: HostClient, scanned: Scan, json: boolean): Promise<void> {
  let keys = 0;
  if (scanned.match === "*" && scanned.type === undefined) keys = numberOf(await host.call("DBSIZE"));
  else for await (const step of scan(host, scanned)) keys += step.length;
  if (json) await writeJson({ keys });
  else await write(`${keys}\n`);
}

async function list(
  host: HostClient,
  scanned: Scan,
  { json, long }: { json: boolean; long: boolean },
): Promise<void> {
  if (long && !json) await write(row("type", "ttl", "bytes", "key"));
  for await (const keys of scan(host, scanned)) {
    if (!long)
      await write(keys.map((key) => (json ? `${JSON.stringify({ key })}\n` : `${shownKey(key)}\n`)).join(""));
    else
      for (const line of await Promise.all(keys.map((key) => described(host, key, json)))) await write(line);
  }
}

/** A line on a key; empty where it has gone since. */
async function described(host: HostClient, key: string, json: boolean): Promise<string> {
  const [type, ttl, bytes] = await Promise.all([
    host.call("TYPE", key),
    host.call("PTTL", key),
    host.call("MEMORY", "USAGE", key),
  ]);
  const held = textOf(type);
  if (held === "none" || bytes === null) return "";
  const ttlMs = numberOf(ttl);
  if (!json) return row(held, shownTtl(ttlMs), textOf(bytes), shownKey(key));
  return `${JSON.stringify({ key, type: held, ttlMs: ttlMs < 0 ? null : ttlMs, bytes: numberOf(bytes) })}\n`;
}

function row(type: string, ttl: string, bytes: string, key: string): string {
  return `${type.padEnd(6)}  ${ttl.padStart(6)}  ${bytes.padStart(10)}  ${key}\n`;
}

/** As it is for programs that read lines, spelt out on a terminal. */
function shownKey(key: string): string {
  return process.stdout.isTTY ? shownWord(key) : key;
}
