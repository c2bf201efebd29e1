/** How a command ends: its exit code, and the one line that says what went wrong. */
import { TidemarkError } from "../errors.ts";

/**
 * 0: done. 1: what was asked for failed. 2: it was asked for wrongly. 3: a plain no: the key is not there, or two
 * things are not the same. 130: interrupted, as shells count it.
 */
export const EXIT = { done: 0, failed: 1, usage: 2, no: 3, interrupted: 130 } as const;

/** A failure as its user is told of it; the stack only for those who ask for it. */
export function failureText(error: unknown, { json, debug }: { json: boolean; debug: boolean }): string {
  const { code, message, stack } = described(error);
  if (json) return JSON.stringify({ event: "error", code, message, ...(debug ? { stack } : {}) });
  return `tidemark: ${code}: ${debug ? stack : message}`;
}

/** The exit code that a failure ends with. */
export function exitCodeOf(error: unknown): number {
  return error instanceof TidemarkError && error.code === "INVALID_ARGUMENT" ? EXIT.usage : EXIT.failed;
}

function described(error: unknown): { code: string; message: string; stack: string } {
  if (!(error instanceof Error)) return { code: "INTERNAL", message: String(error), stack: String(error) };
  const { stack = error.message, message } = error;
  return { code: error instanceof TidemarkError ? error.code : "INTERNAL", message, stack };
}
