/**
 * Writes the parts of `docs/REDIS.md` that come from data: the commands from the table of commands, and the tests
 * of Redis that are left out from `suite.json`. A test holds the file against it, so that neither can drift.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command, Group } from "../../src/providers/resp/command.ts";
import { refusals } from "../../src/providers/resp/commands/refused.ts";
import { COMMANDS } from "../../src/providers/resp/table.ts";

const FILE = new URL("../../docs/REDIS.md", import.meta.url);
const MARKS = { commands: "commands", refused: "refused", tests: "tests" } as const;

interface Suite {
  readonly units: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly skipped: readonly {
    readonly why: string;
    readonly tests: Readonly<Record<string, readonly string[]>>;
  }[];
}

const TITLES: Readonly<Record<Group, string>> = {
  string: "Strings and counters",
  generic: "Keys",
  set: "Sets",
  list: "Lists",
  connection: "Connection",
  server: "Server",
  scripting: "Functions",
};

/** The document with its generated parts as they should be. */
export function documented(text: string): string {
  const suite = JSON.parse(readFileSync(new URL("suite.json", import.meta.url), "utf8")) as Suite;
  return [
    [MARKS.commands, commandParts()] as const,
    [MARKS.refused, refusedParts()] as const,
    [MARKS.tests, testParts(suite)] as const,
  ].reduce((document, [mark, part]) => replacePart(document, mark, part), text);
}

export function readDocument(): string {
  return readFileSync(FILE, "utf8");
}

function replacePart(text: string, mark: string, part: string): string {
  const [begin, end] = [`<!-- ${mark} -->\n`, `<!-- end of ${mark} -->\n`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/REDIS.md has no part ${begin.trim()} … ${end.trim()}`);
  return `${text.slice(0, from + begin.length)}\n${part}\n${text.slice(to)}`;
}

function commandParts(): string {
  return Object.entries(TITLES)
    .map(([group, title]) => {
      const rows = COMMANDS.filter((command) => command.group === group)
        .flatMap((command) => [command, ...(command.subcommands ?? [])])
        .filter((command) => command.run !== undefined)
        .map(row);
      return `### ${title}\n\n| command | what it does | what differs |\n|---|---|---|\n${rows.join("\n")}\n`;
    })
    .join("\n");
}

function row({ name, summary, differs = "" }: Command): string {
  return `| \`${name.toUpperCase().replace("|", " ")}\` | ${summary} | ${differs} |`;
}

function refusedParts(): string {
  const byReason = new Map<string, string[]>();
  for (const [name, instead] of refusals) byReason.set(instead, [...(byReason.get(instead) ?? []), name]);
  const rows = Array.from(
    byReason,
    ([instead, names]) => `| ${names.join(", ").toUpperCase()} | ${instead} |`,
  );
  return `| not served | instead |\n|---|---|\n${rows.join("\n")}\n`;
}

function testParts({ units, tags, skipped }: Suite): string {
  const tagRows = Object.entries(tags).map(([tag, why]) => `- \`${tag}\`: ${why}`);
  const lists = skipped.map(({ why, tests }) => {
    const names = Object.entries(tests).flatMap(([unit, all]) =>
      all.map((name) => `- ${unit}: ${escaped(name)}`),
    );
    return `**${why}** (${names.length})\n\n${names.join("\n")}\n`;
  });
  return `Units: ${[...units].sort().join(", ")}.\n\nLeft out by tag:\n\n${tagRows.join("\n")}\n\nLeft out by name:\n\n${lists.join("\n")}`;
}

/** Names of tests hold what Markdown takes for its own. */
function escaped(name: string): string {
  return name.replace(/([*_<>|])/g, "\\$1");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, documented(readDocument()));
