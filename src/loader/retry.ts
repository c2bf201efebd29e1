/**
 * When to try again: exponential back-off with full jitter (each wait drawn evenly between nothing and the
 * bound, Brooker 2015), which spreads the retries of many hosts after one failure best.
 */

/** How long to wait before try `next` (2 is the first retry), in milliseconds. `random` is within [0, 1). */
export function retryDelay(next: number, baseMs: number, mostMs: number, random: number): number {
  return Math.min(mostMs, baseMs * 2 ** Math.min(30, Math.max(0, next - 2))) * random;
}

/** Whether an error says of itself that trying again may help. */
export function saysRetryable(error: unknown): boolean {
  return typeof error === "object" && error !== null && (error as { retryable?: unknown }).retryable === true;
}
