/** `tidemark watch`: what happens to keys, as it happens, a line for each change. */
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import { bytesOf, type HostClient, listOf, numberOf, type Reply, textOf } from "../client/host-client.ts";
import { EXIT } from "../failure.ts";
import { jsonValue, shownWord, write } from "../output.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson, withHost } from "./command.ts";

interface WatchFlags extends CommonFlags {
  readonly all?: boolean;
  readonly count?: string;
}

type Fields = ReadonlyMap<string, Reply>;

/** Changes that are asked for at a time, and how long the host waits for the first of them. */
const STEP = 1_000;
const WAIT_MS = 5_000;
/** Of a value so many characters are shown to people. */
const SHOWN = 60;

const HELP = `
A pattern is as in \`tidemark keys\`. Each change is one line: when (by the clock
of its writer), set, delete, expire or evict, the key, and the value or the
members that came (+) and went (-). It goes on until Ctrl-C. Where changes come
faster than they are read, those of one key are folded into one, which says so.

Examples:
  tidemark watch
  tidemark watch 'user.*' --all
  tidemark watch 'job.*' --count 1 --json | jq -r .key`;

export function addWatch(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "watch",
    summary: "Show changes of keys as they happen.",
    flags: [
      new Option("-a, --all", "show what is there before, too"),
      new Option("--count <changes>", "end after so many"),
    ],
    help: HELP,
  })
    .argument("[pattern]", "which keys (default: all)")
    .action(async (pattern: string | undefined, flags: WatchFlags) => {
      const limit = limitOf(flags.count);
      const line = wantsJson(flags, env) ? jsonLine : peopleLine;
      ended(
        await withHost(flags, env, async (host) => {
          await host.call("TIDEMARK.WATCH", "OPEN", pattern ?? "*", ...(flags.all ? ["ALL"] : []));
          await follow(host, limit, line);
          return EXIT.done;
        }),
      );
    });
}

async function follow(host: HostClient, limit: number, line: (change: Fields) => string): Promise<void> {
  const wait = Math.min(WAIT_MS, Math.ceil(host.target.timeoutMs / 2));
  for (let shown = 0; shown < limit; ) {
    const asked = Math.min(STEP, limit - shown);
    const changes = listOf(await host.call("TIDEMARK.WATCH", "NEXT", asked, wait)).map(fieldsOf);
    const lines = changes.map(line).filter((each) => each !== "");
    if (lines.length > 0) await write(lines.join(""));
    shown += changes.filter((change) => typeOf(change) !== "synced").length;
  }
}

function fieldsOf(reply: Reply): Fields {
  const flat = listOf(reply);
  const fields = new Map<string, Reply>();
  for (let index = 0; index + 1 < flat.length; index += 2) fields.set(textOf(flat[index]!), flat[index + 1]!);
  return fields;
}

const typeOf = (change: Fields): string => textOf(change.get("type")!);

function jsonLine(change: Fields): string {
  const type = typeOf(change);
  if (type === "synced") return `${JSON.stringify({ type })}\n`;
  const told = Object.fromEntries(
    Array.from(change, ([name, value]) => [name, name === "key" ? textOf(value) : asJson(value)]),
  );
  return `${JSON.stringify(told)}\n`;
}

function asJson(value: Reply): unknown {
  if (value === null || typeof value === "number") return value;
  return Buffer.isBuffer(value) ? jsonValue(value) : listOf(value).map(asJson);
}

function peopleLine(change: Fields): string {
  const type = typeOf(change);
  if (type === "synced") return "";
  const at = new Date(numberOf(change.get("at")!)).toISOString().slice(11, 23);
  const folded = numberOf(change.get("folded")!);
  const more = folded > 0 ? `  (and ${folded} before)` : "";
  return `${at}  ${type.padEnd(6)}  ${shownWord(textOf(change.get("key")!))}${detail(change)}${more}\n`;
}

function detail(change: Fields): string {
  const value = change.get("value") ?? null;
  const previous = change.get("previous") ?? null;
  const members = (["added", "removed"] as const).flatMap((name, index) =>
    listOf(change.get(name) ?? []).map(
      (member) => `${index === 0 ? "+" : "-"}${shownValue(bytesOf(member))}`,
    ),
  );
  if (typeOf(change) !== "set") return "";
  if (value === null)
    return `  ${members.slice(0, 10).join(" ")}${members.length > 10 ? ` and ${members.length - 10} more` : ""}`;
  return `  ${shownValue(bytesOf(value))}${previous === null ? "" : `  was ${shownValue(bytesOf(previous))}`}`;
}

/** Text in quotes, cut where it is long; how many bytes where it is no text. */
function shownValue(bytes: Buffer): string {
  const value = jsonValue(bytes);
  if (typeof value !== "string") return `<${bytes.length} bytes>`;
  return shownWord(JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value));
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new TidemarkError("INVALID_ARGUMENT", `--count takes a whole number from 1, not ${text}`);
}
