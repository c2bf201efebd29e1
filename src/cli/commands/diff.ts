/** `tidemark diff`: what two hosts, or a host and a dump, hold that is not the same. */
import { setTimeout as delay } from "node:timers/promises";
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import { connectHost, type HostClient } from "../client/host-client.ts";
import { durationOf, type Environment, respTarget } from "../client/resp-target.ts";
import {
  compare,
  type Difference,
  differenceOf,
  type Pair,
  type Summary,
  summaryOf,
} from "../dump/compare.ts";
import { ALL_CURSORS, type DumpKeys } from "../dump/format.ts";
import { hostKeys, readKeys } from "../dump/host-keys.ts";
import { openDump } from "../dump/reader.ts";
import { EXIT } from "../failure.ts";
import { shownCount, shownWord, write, writeJson } from "../output.ts";
import { showProgress } from "../progress.ts";
import { type CommonFlags, respCommand, type Surroundings, wantsJson } from "./command.ts";

interface DiffFlags extends CommonFlags {
  readonly match?: string;
  readonly settle?: string;
}

/** One of the two. */
interface Side extends AsyncDisposable {
  /** `undefined`: a dump. */
  readonly host: HostClient | undefined;
  keys(match: string): AsyncIterable<DumpKeys>;
}

const DEFAULT_SETTLE = "500ms";
/** Where much differs waiting for each step would take hours, and would not change it. */
const MOST_WAITS = 10;

const SHOWN: Readonly<Record<Difference, string>> = {
  "only-first": "-  only in the first",
  "only-second": "+  only in the second",
  type: "~  another type",
  value: "~  another value",
  ttl: "~  another time to live",
};

const HELP = `
Each of the two is a host (redis://host:port) or the file of a dump. Keys that
differ are looked at once more after --settle, so that what was merely on its
way is not reported. It ends with 0 where both are the same, with 3 where not.

Examples:
  tidemark diff redis://10.0.0.1:7379 redis://10.0.0.2:7379
  tidemark diff sessions.tmk redis://127.0.0.1:7379 --match 'user.*'
  tidemark diff redis://a:7379 redis://b:7379 --json | jq -r .key`;

export function addDiff(program: Command, { env, ended }: Surroundings): void {
  respCommand(program, {
    name: "diff",
    summary: "Compare two hosts, or a host and a dump.",
    flags: [
      new Option("--match <pattern>", "only some keys, as in `tidemark keys`"),
      new Option("--settle <duration>", `how long to wait before looking again (default ${DEFAULT_SETTLE})`),
    ],
    help: HELP,
  })
    .argument("<first>")
    .argument("<second>")
    .action(async (first: string, second: string, flags: DiffFlags) => {
      const settleMs = durationOf(flags.settle ?? DEFAULT_SETTLE, "--settle");
      await using one = await opened(first, flags, env);
      await using two = await opened(second, flags, env);
      ended(await diff(one, two, { match: flags.match ?? "*", settleMs, json: wantsJson(flags, env) }));
    });
}

interface Settings {
  readonly match: string;
  readonly settleMs: number;
  readonly json: boolean;
}

async function diff(one: Side, two: Side, { match, settleMs, json }: Settings): Promise<number> {
  let [same, different, waits] = [0, 0, 0];
  const progress = showProgress(ALL_CURSORS, `of ${shownCount(ALL_CURSORS)} parts`, json);
  const again = async (pairs: readonly Pair[]): Promise<Pair[]> => {
    if (settleMs > 0 && waits++ < MOST_WAITS) await delay(settleMs);
    const keys = pairs.map(({ key }) => key);
    const [first, second] = await Promise.all([summaries(one, keys), summaries(two, keys)]);
    return pairs.map((pair) => ({
      key: pair.key,
      first: first === undefined ? pair.first : first.get(pair.key),
      second: second === undefined ? pair.second : second.get(pair.key),
    }));
  };
  let settled = 0;
  for await (const step of compare(one.keys(match), two.keys(match))) {
    same = step.same;
    progress.at(step.position, 0);
    if (step.pairs.length === 0) continue;
    for (const pair of await again(step.pairs)) {
      const difference = differenceOf(pair);
      if (difference === undefined) settled += pair.first === undefined ? 0 : 1;
      else {
        different++;
        progress.end();
        if (json) await writeJson({ key: pair.key, difference });
        else await write(`${SHOWN[difference].padEnd(24)} ${shownWord(pair.key)}\n`);
      }
    }
  }
  progress.end();
  if (json) await writeJson({ same: same + settled, different });
  else await write(`${shownCount(same + settled)} the same, ${shownCount(different)} different\n`);
  return different === 0 ? EXIT.done : EXIT.no;
}

/** As the host holds them now; `undefined` for a dump, which stays as it is. */
async function summaries({ host }: Side, keys: readonly string[]): Promise<Map<string, Summary> | undefined> {
  if (host === undefined) return undefined;
  const found = new Map<string, Summary>();
  for await (const entries of readKeys(host, keys))
    for (const entry of entries) found.set(entry.key, summaryOf(entry));
  return found;
}

async function opened(what: string, flags: DiffFlags, env: Environment): Promise<Side> {
  if (/^rediss?:\/\//.test(what)) {
    const host = await connectHost(respTarget({ ...flags, url: what }, env));
    return {
      host,
      keys: (match) => hostKeys(host, match),
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    };
  }
  const dump = await openDump(what);
  return {
    host: undefined,
    keys: (match) => {
      if (match !== "*" && match !== dump.head.match)
        throw new TidemarkError(
          "INVALID_ARGUMENT",
          `--match: ${what} is of --match '${dump.head.match}'; give the same`,
        );
      return present(dump.keys());
    },
    [Symbol.asyncDispose]: () => dump[Symbol.asyncDispose](),
  };
}

/** What has expired since is on no host any more. */
async function* present(blocks: AsyncIterable<DumpKeys>): AsyncGenerator<DumpKeys> {
  for await (const { position, entries } of blocks) {
    const now = Date.now();
    yield { position, entries: entries.filter(({ expiresAt }) => expiresAt === 0 || expiresAt > now) };
  }
}
