/** Named users and the limits of a client, as a configuration file holds them: checked, and as JSON Schema. */
import { checkOptions, invalid } from "../arguments.ts";
import { TidemarkError } from "../errors.ts";
import { DEFAULT_LIMITS, type RespLimits } from "../providers/resp/limits.ts";
import type { RespUser } from "../providers/resp/resp.ts";

const NAME = /^\S{1,64}$/;
const RIGHTS = ["read", "write", "admin"] as const;
const LIMITS = Object.keys(DEFAULT_LIMITS) as (keyof RespLimits)[];
/** Those that are switched off by 0. */
const MAY_BE_ZERO: readonly (keyof RespLimits)[] = ["idleTimeoutMs", "maxRequestsPerSecond"];

export const USERS_SCHEMA = {
  description: "Named users of the Redis protocol; a list in a file of its own is what --resp-users takes.",
  type: "array",
  minItems: 1,
  items: {
    type: "object",
    additionalProperties: false,
    required: ["name", "password"],
    properties: {
      name: { type: "string", pattern: NAME.source, description: '"default" is who logs in without a name.' },
      password: { type: "string", minLength: 1 },
      keys: {
        type: "array",
        minItems: 1,
        items: { type: "string" },
        description: "Patterns of the keys that the user may name; default: every key.",
      },
      rights: { enum: RIGHTS, description: 'Default "admin".' },
    },
  },
} as const;

export const LIMITS_SCHEMA = {
  description: "How much one client of the Redis protocol may take; docs/REDIS.md has what each limit does.",
  type: "object",
  additionalProperties: false,
  properties: Object.fromEntries(LIMITS.map((name) => [name, { type: "integer", minimum: leastOf(name) }])),
} as const;

/** Checks a list of users. Throws `INVALID_ARGUMENT` with the place, such as `users[1].rights`. */
export function checkedUsers(value: unknown, place: string): readonly RespUser[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid(place, value, 'a list such as [{ "name": "app", "password": "…", "keys": ["app:*"] }]');
  for (const [index, user] of value.entries()) checkUser(user, `${place}[${index}]`);
  const names = (value as RespUser[]).map(({ name }) => name);
  const twice = names.findIndex((name, index) => names.indexOf(name) < index);
  if (twice >= 0)
    throw wrong(`${place}[${twice}].name: there is another user "${names[twice]}"; give each its own name`);
  return value as RespUser[];
}

/** Checks limits. Throws `INVALID_ARGUMENT` with the place. */
export function checkedLimits(value: unknown, place: string): Partial<RespLimits> {
  if (!isObject(value)) throw invalid(place, value, `an object of ${LIMITS.join(", ")}`);
  checkOptions(value, LIMITS, place);
  for (const name of LIMITS) {
    const limit = value[name];
    if (limit === undefined || (Number.isSafeInteger(limit) && (limit as number) >= leastOf(name))) continue;
    throw invalid(`${place}.${name}`, limit, `a whole number from ${leastOf(name)}`);
  }
  return value;
}

function checkUser(user: unknown, place: string): void {
  if (!isObject(user)) throw invalid(place, user, 'an object with "name" and "password"');
  checkOptions(user, ["name", "password", "keys", "rights"], place);
  const { name, password, keys, rights } = user;
  if (typeof name !== "string" || !NAME.test(name))
    throw invalid(`${place}.name`, name, "1 to 64 characters without spaces");
  // What stands there is never shown.
  if (typeof password !== "string" || password === "")
    throw wrong(`${place}.password takes a text that is not empty`);
  const areKeys = Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key === "string");
  if (keys !== undefined && !areKeys)
    throw invalid(`${place}.keys`, keys, 'a list of patterns such as ["app:*"]');
  if (rights !== undefined && !(RIGHTS as readonly unknown[]).includes(rights))
    throw invalid(`${place}.rights`, rights, '"read", "write" or "admin"');
}

function leastOf(name: keyof RespLimits): number {
  return MAY_BE_ZERO.includes(name) ? 0 : 1;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(sentence: string): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", sentence);
}
