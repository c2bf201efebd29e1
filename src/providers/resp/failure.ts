/** Failures as Redis's clients know them: the first word is what they branch on. */
import { type ErrorCode, TidemarkError } from "../../errors.ts";

/** A reply that says what went wrong; its message is sent as it is, with the word in front. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** What a client sent is no request. It is told, and its connection closed, since nothing can be told apart behind it. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export const SYNTAX = "ERR syntax error";
export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";
export const WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
export const NO_SUCH_KEY = "ERR no such key";

/** Texts of Redis 7 for what the library says in its own words; the others come as `-CODE sentence`. */
const TEXTS: Partial<Record<ErrorCode, (error: TidemarkError) => string>> = {
  WRONG_TYPE: () => WRONG_TYPE,
  NOT_AN_INTEGER: () => NOT_AN_INTEGER,
  OUT_OF_RANGE: () => "ERR increment or decrement would overflow",
  NOT_READY: () => "LOADING Tidemark is catching up with the other hosts",
  STORE_FULL: ({ message }) => `OOM command not allowed when used memory > 'maxmemory': ${message}`,
  INVALID_ARGUMENT: ({ message }) => `ERR ${message}`,
  INVALID_STRING: ({ message }) => `ERR ${message}`,
  KEY_TOO_LARGE: ({ message }) => `ERR ${message}`,
  VALUE_TOO_LARGE: ({ message }) => `ERR string exceeds maximum allowed size: ${message}`,
};

/** The error reply for what a command threw; `undefined` for what is no failure of an operation but a bug. */
export function replyTextOf(error: unknown): string | undefined {
  if (error instanceof ReplyError) return error.message;
  if (!(error instanceof TidemarkError)) return undefined;
  return TEXTS[error.code]?.(error) ?? `${error.code} ${error.message}`;
}
