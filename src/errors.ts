/**
 * The one error class of the product. Every failure a caller can act on carries a stable `code`;
 * the message says what to do about it. A miss is never an error, it is `undefined`.
 */

/** Stable names of what can go wrong; part of the public contract. */
export type ErrorCode =
  | "BACKPRESSURE"
  | "CHECKPOINT_FAILED"
  | "CHECKPOINT_REFUSED"
  | "CLOSED"
  | "CONNECT_FAILED"
  | "DIRTY_LIMIT"
  | "DUMP_REFUSED"
  | "EVICTED"
  | "FENCED"
  | "INVALID_ARGUMENT"
  | "INVALID_STRING"
  | "KEY_TOO_LARGE"
  | "LISTEN_FAILED"
  | "MALFORMED_MESSAGE"
  | "MISSING_PACKAGE"
  | "NATS_SERVER_NOT_FOUND"
  | "NOT_ALLOWED"
  | "NOT_AN_INTEGER"
  | "NOT_READY"
  | "NOT_TEXT"
  | "OUT_OF_RANGE"
  | "REFUSED"
  | "STORE_FULL"
  | "TIMEOUT"
  | "TRANSPORT"
  | "UNCOMMITTED"
  | "UPSTREAM_BUSY"
  | "UPSTREAM_FAILED"
  | "UPSTREAM_TIMEOUT"
  | "VALUE_TOO_LARGE"
  | "WRONG_TYPE";

/** An operation that failed, with a code to branch on and a sentence that says what to do. */
export class TidemarkError extends Error {
  override readonly name = "TidemarkError";
  readonly code: ErrorCode;
  /** The keys it is about, where that is more than the message says: those not committed (`UNCOMMITTED`). */
  readonly keys: readonly string[];

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; keys?: readonly string[] }) {
    super(message, options);
    this.code = code;
    this.keys = options?.keys ?? [];
  }
}
