/** What one host says to another about a load. */
import { type ErrorCode, TidemarkError } from "../errors.ts";
import { upstreamFailed } from "./calls.ts";
import type { Stored } from "./upstream.ts";

/** What became of a load that another host was asked for; `messages.ts` of replication carries it. */
export type Answer =
  | { readonly outcome: "loading" }
  | { readonly outcome: "held"; readonly value: Stored }
  | { readonly outcome: "entered"; readonly seq: number }
  | { readonly outcome: "absent"; readonly forMs: number }
  | { readonly outcome: "failed"; readonly code: string; readonly message: string }
  | { readonly outcome: "refused" };

/** An answer that ends a load. */
export type FinalAnswer = Exclude<Answer, { outcome: "loading" | "entered" | "refused" }>;

export function failedAnswer(error: unknown): Answer {
  if (error instanceof TidemarkError && error.code === "CLOSED") return { outcome: "refused" };
  const { code, message } = upstreamFailed("the host that was asked failed", error);
  return { outcome: "failed", code, message };
}

/** The codes that a load may fail with on another host. */
export function codeOf(code: string): ErrorCode {
  return code === "UPSTREAM_BUSY" || code === "UPSTREAM_TIMEOUT" || code === "WRONG_TYPE"
    ? code
    : "UPSTREAM_FAILED";
}
