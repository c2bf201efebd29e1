/**
 * The configuration file of `tidemark serve`: a key for every flag, named users, and limits, as JSON. Its schema
 * (`docs/config.schema.json`) comes from the same table as the flags.
 */
import { readFile, stat } from "node:fs/promises";
import { checkOptions, invalid } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import type { RespLimits } from "../providers/resp/limits.ts";
import type { RespUser } from "../providers/resp/resp.ts";
import { kindOf } from "./config-kinds.ts";
import { checkedLimits, checkedUsers, LIMITS_SCHEMA, USERS_SCHEMA } from "./config-users.ts";
import { FLAGS, type Given, variableOf } from "./flag-table.ts";

/** What a configuration file says. */
export interface Config {
  /** By the name of the flag. */
  readonly given: ReadonlyMap<string, Given>;
  readonly users: readonly RespUser[] | undefined;
  readonly limits: Partial<RespLimits>;
}

/** No file. */
export const NO_CONFIG: Config = { given: new Map(), users: undefined, limits: {} };

const LARGEST_BYTES = 1024 * 1024;
const [USERS, LIMITS, SCHEMA] = ["users", "respLimits", "$schema"] as const;
/** `--config` names the file and cannot stand in it. */
const KEYS = FLAGS.filter(({ name }) => name !== "config");

/** Reads and checks a file. Rejects `INVALID_ARGUMENT` with the file and the key that is wrong. */
export async function readConfig(file: string): Promise<Config> {
  try {
    if ((await stat(file)).size > LARGEST_BYTES) throw new Error(`it is larger than ${LARGEST_BYTES} bytes`);
    return parseConfig(await readFile(file, "utf8"), file);
  } catch (cause) {
    if (cause instanceof TidemarkError) throw cause;
    throw wrong(`the configuration file cannot be read: ${(cause as Error).message}`, cause);
  }
}

/** What a text says that stands in `file`. Throws `INVALID_ARGUMENT` with the file and the key that is wrong. */
export function parseConfig(text: string, file: string): Config {
  const values = parsed(text, file);
  checkOptions(values, [SCHEMA, ...KEYS.map(({ name }) => name), USERS, LIMITS], file);
  const { [USERS]: users, [LIMITS]: limits } = values;
  const given = new Map<string, Given>();
  for (const { name, takes } of KEYS) {
    const value = values[name];
    if (value === undefined) continue;
    const kind = kindOf(takes);
    const source = `${file}: ${name}`;
    const flagText = kind.text(value, file);
    if (flagText === undefined)
      throw kind.secret ? wrong(`${source} takes ${kind.takes}`) : invalid(source, value, kind.takes);
    given.set(name, { text: flagText, source });
  }
  return {
    given,
    users: users === undefined ? undefined : checkedUsers(users, `${file}: ${USERS}`),
    limits: limits === undefined ? {} : checkedLimits(limits, `${file}: ${LIMITS}`),
  };
}

/** The JSON Schema of a configuration file. */
export function configSchema(): object {
  const flags = KEYS.map((flag) => [
    flag.name,
    {
      description: `${flag.about}. Flag ${flag.flag.split(" ")[0]}, variable ${variableOf(flag)}.`,
      ...kindOf(flag.takes).schema,
    },
  ]);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "The configuration file of tidemark serve",
    type: "object",
    additionalProperties: false,
    properties: {
      [SCHEMA]: { type: "string", description: "Where this schema is, for editors." },
      ...Object.fromEntries(flags),
      [USERS]: USERS_SCHEMA,
      [LIMITS]: LIMITS_SCHEMA,
    },
  };
}

function parsed(text: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw wrong(
      `${file} is no JSON${placeOf((cause as Error).message, text)}; look for a comma or a quote`,
      cause,
    );
  }
}

/** Where the parser stopped, if it says so. Its own message is not shown: it quotes what may be a password. */
function placeOf(message: string, text: string): string {
  const [, position] = /at position (\d+)/.exec(message) ?? [];
  if (position === undefined) return "";
  const before = text.slice(0, Number(position)).split("\n");
  return `: line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

function wrong(sentence: string, cause?: unknown): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", sentence, { cause });
}
