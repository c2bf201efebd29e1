/** What commands say: lines for people, or JSON a line for scripts, and never faster than it is read. */
import { isUtf8 } from "node:buffer";

/** A value in JSON: text as it is, else its bytes in base64. */
export type JsonValue = string | { readonly base64: string };

/**
 * Writes text or bytes to standard output, and waits until they are out: the process ends with its command, and
 * would take with it what a pipe has not taken yet.
 */
export function write(what: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(what, (error) => (error ? reject(error) : resolve()));
  });
}

/** A line of JSON. */
export async function writeJson(value: unknown): Promise<void> {
  await write(`${JSON.stringify(value)}\n`);
}

/** A note to whoever runs the command, beside what it answers. */
export function note(text: string): void {
  process.stderr.write(`tidemark: ${text}\n`);
}

export function jsonValue(bytes: Buffer): JsonValue {
  return isUtf8(bytes) ? bytes.toString("utf8") : { base64: bytes.toString("base64") };
}

/** A key or a word on one line: what could move the cursor or end the line is spelt out. */
export function shownWord(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (unit) => {
    const code = unit.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}

/** A time to live for people; `none` without one. */
export function shownTtl(ms: number): string {
  if (ms < 0) return "none";
  if (ms < 1_000) return `${ms}ms`;
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
  ] as const;
  const [unit, size] = units.find(([, least]) => ms >= 2 * least) ?? units[3];
  return `${Math.round(ms / size)}${unit}`;
}

/** `1,234,567`. */
export function shownCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A size for people, in powers of 1,024. */
export function shownBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let [amount, unit] = [bytes, 0];
  for (; amount >= 1_024 && unit < units.length - 1; unit++) amount /= 1_024;
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}
