/**
 * A command as data. Arity errors, rights, COMMAND, statistics and `docs/REDIS.md` all come from these fields;
 * a family of commands is one file in `commands/`.
 */
import type { Tidemark } from "../../tidemark.ts";
import type { ReplyWriter } from "./reply.ts";
import type { Request } from "./request.ts";
import type { Service } from "./service.ts";
import type { SessionState } from "./session.ts";

/** What a handler works with: it reads `args`, does one thing to `kv`, writes one reply to `out`. */
export interface Session {
  readonly kv: Tidemark;
  readonly args: Request;
  readonly out: ReplyWriter;
  readonly service: Service;
  readonly state: SessionState;
  /** Ends the connection once the replies are out. */
  end(): void;
}

/** The reply of a command that had to wait. */
export type LateReply = (out: ReplyWriter) => void;
export type Handler = (session: Session) => void | Promise<LateReply>;

/** As Redis calls them; those of them that mean something here. */
export type Flag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "noscript"
  | "loading"
  | "stale"
  | "fast"
  | "no_auth"
  | "blocking"
  | "movablekeys"
  | "dangerous";

export type Group = "connection" | "server" | "generic" | "string" | "set" | "list" | "scripting";

/** Where the keys stand: first, last (negative: from the end), step; or behind their number. */
export type KeyPositions =
  | { readonly first: number; readonly last: number; readonly step: number }
  | { readonly numkeysAt: number };

export interface Command {
  /** Lower case; of a subcommand with its command, as in `client|id`. */
  readonly name: string;
  /** Number of arguments with the name; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly Flag[];
  readonly group: Group;
  readonly keys?: KeyPositions;
  /** Since which version of Redis. */
  readonly since: string;
  readonly summary: string;
  /** What differs from Redis, for `docs/REDIS.md`. */
  readonly differs?: string;
  /** Absent: only its subcommands do something. */
  readonly run?: Handler;
  readonly subcommands?: readonly Command[];
}

export const ONE_KEY: KeyPositions = { first: 1, last: 1, step: 1 };
export const TWO_KEYS: KeyPositions = { first: 1, last: 2, step: 1 };
export const ALL_KEYS: KeyPositions = { first: 1, last: -1, step: 1 };

/** Indexes of the arguments that are keys. Empty where their number is none. */
export function keyIndexes(command: Command, args: Request): number[] {
  const { keys } = command;
  if (keys === undefined) return [];
  let { first, last, step } = { first: 0, last: 0, step: 1 };
  if ("numkeysAt" in keys) {
    const count = keys.numkeysAt < args.count ? Number(args.raw(keys.numkeysAt)) : Number.NaN;
    if (!Number.isInteger(count) || count < 1) return [];
    first = keys.numkeysAt + 1;
    last = Math.min(keys.numkeysAt + count, args.count - 1);
  } else {
    ({ first, last, step } = keys);
    if (last < 0) last += args.count;
  }
  const indexes: number[] = [];
  for (let index = first; index <= last && index < args.count; index += step) indexes.push(index);
  return indexes;
}

/** Whether the number of arguments is right. */
export function fits({ arity }: Command, count: number): boolean {
  return arity < 0 ? count >= -arity : count === arity;
}
