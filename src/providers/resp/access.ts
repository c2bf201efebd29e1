/**
 * Who may do what. Without a password and without users everybody is the default user and may do everything.
 * Passwords are compared in constant time, as digests, so that neither their content nor their length shows in
 * how long a wrong one takes.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { compileGlob } from "../../crdt/glob.ts";
import { TidemarkError } from "../../errors.ts";
import { type Command, keyIndexes } from "./command.ts";
import { ReplyError } from "./failure.ts";
import type { Request } from "./request.ts";

/** A named user, as a configuration gives it. */
export interface RespUser {
  /** `default` is who logs in without a name. */
  readonly name: string;
  readonly password: string;
  /** Globs of the keys it may name; commands that reach all keys are refused to it. Absent: every key. */
  readonly keys?: readonly string[];
  /** `read`: no writes. `write`: reads and writes. `admin` (default): also CONFIG, CLIENT KILL, FLUSHALL, SHUTDOWN. */
  readonly rights?: "read" | "write" | "admin";
}

export interface User {
  readonly name: string;
  readonly digest: Buffer | undefined;
  readonly matches: ((key: string) => boolean) | undefined;
  readonly rights: "read" | "write" | "admin";
  /** Whether every command on every key is its to use: then nothing is looked up. */
  readonly free: boolean;
}

export const DEFAULT_USER = "default";
const MIN_PASSWORD_LENGTH = 1;

export class Access {
  readonly #users = new Map<string, User>();
  #open = false;

  /** Throws `INVALID_ARGUMENT`. */
  constructor(password: string | undefined, users: readonly RespUser[]) {
    for (const user of users) {
      if (this.#users.has(user.name))
        throw wrong(`there are two users "${user.name}"; give each its own name`);
      this.#users.set(user.name, checked(user));
    }
    if (password !== undefined && this.#users.has(DEFAULT_USER))
      throw wrong('give the password of "default" once: as the password, or among the users');
    if (password !== undefined) this.setPassword(password);
    else if (users.length === 0) this.setPassword("");
  }

  /** Who a connection is from the beginning; `undefined` where it has to log in. */
  get initial(): User | undefined {
    return this.#open ? this.#users.get(DEFAULT_USER) : undefined;
  }

  /** Gives the default user a password; an empty one lets everybody in. */
  setPassword(password: string | Uint8Array): void {
    const digest = password.length === 0 ? undefined : digestOf(password);
    this.#open = digest === undefined;
    this.#users.set(DEFAULT_USER, {
      name: DEFAULT_USER,
      digest,
      matches: undefined,
      rights: "admin",
      free: true,
    });
  }

  has(name: string): boolean {
    return this.#users.has(name);
  }

  /** The user that logs in; throws the reply to who may not. */
  logIn(name: string | undefined, password: Uint8Array): User {
    const user = this.#users.get(name ?? DEFAULT_USER);
    if (name === undefined && user !== undefined && user.digest === undefined) {
      throw new ReplyError(
        "ERR AUTH <password> called without any password configured for the default user. " +
          "Are you sure your configuration is correct?",
      );
    }
    const given = digestOf(password);
    // Compared for unknown users too: how long it takes must not tell which names there are.
    const same = timingSafeEqual(given, user?.digest ?? given);
    if (user === undefined || !same)
      throw new ReplyError("WRONGPASS invalid username-password pair or user is disabled.");
    return user;
  }
}

/** Throws the reply when this is not the user's to do. */
export function checkRights(user: User, command: Command, args: Request): void {
  const { flags } = command;
  if (flags.includes("no_auth")) return;
  const needs =
    flags.includes("admin") || flags.includes("dangerous")
      ? "admin"
      : flags.includes("write")
        ? "write"
        : "read";
  const allowed = user.rights === "admin" || user.rights === needs || needs === "read";
  if (!allowed || (user.matches !== undefined && reachesAllKeys(command))) {
    throw new ReplyError(`NOPERM this user has no permissions to run the '${command.name}' command`);
  }
  if (user.matches === undefined) return;
  for (const index of keyIndexes(command, args)) {
    if (!user.matches(args.key(index)))
      throw new ReplyError("NOPERM this user has no permissions to access one of the keys used as arguments");
  }
}

/** Without keys among its arguments it may still tell of keys, or change them. */
function reachesAllKeys({ keys, group, name }: Command): boolean {
  return (
    keys === undefined && (group === "generic" || /^(dbsize|flushdb|flushall)$/.test(name)) && name !== "wait"
  );
}

function checked({ name, password, keys, rights = "admin" }: RespUser): User {
  if (typeof name !== "string" || !/^[^\s]{1,64}$/.test(name))
    throw wrong("the name of a user has 1 to 64 characters and no spaces");
  if (typeof password !== "string" || password.length < MIN_PASSWORD_LENGTH)
    throw wrong(`user "${name}" needs a password`);
  if (rights !== "read" && rights !== "write" && rights !== "admin")
    throw wrong(`rights of user "${name}" takes "read", "write" or "admin"`);
  if (keys !== undefined && (!Array.isArray(keys) || keys.length === 0))
    throw wrong(`keys of user "${name}" takes a list of patterns, such as ["session:*"]`);
  const globs = keys?.map((pattern) => compileGlob(pattern));
  const matches = globs === undefined ? undefined : (key: string) => globs.some((glob) => glob(key));
  return {
    name,
    digest: digestOf(password),
    matches,
    rights,
    free: rights === "admin" && matches === undefined,
  };
}

function digestOf(password: string | Uint8Array): Buffer {
  return createHash("sha256").update(password).digest();
}

function wrong(message: string): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", message);
}
