/** How far a long command is: a bar for whoever looks at a terminal, and nothing for anybody else. */
import { shownBytes, shownCount, shownTtl } from "./output.ts";

export interface Progress {
  /** Says how much is done. */
  at(done: number, bytes: number): void;
  /** Takes the bar away. */
  end(): void;
}

const EVERY_MS = 100;
const BAR = 24;
const CLEAR_LINE = "\r\x1b[K";

/** A bar on standard error; `total` may be an estimate. */
export function showProgress(total: number, unit: string, json: boolean): Progress {
  if (json || !process.stderr.isTTY) return { at: () => undefined, end: () => undefined };
  const startedAt = performance.now();
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    at(done, bytes) {
      const now = performance.now();
      if (now - shownAt < EVERY_MS) return;
      shownAt = now;
      process.stderr.write(
        `${CLEAR_LINE}${progressLine({ done, total, bytes, unit, tookMs: now - startedAt })}`,
      );
    },
    end: () => void process.stderr.write(CLEAR_LINE),
  };
}

/** `[#####……]  45 %  450,000 keys  12.3 MiB/s  2m left`. */
export function progressLine(at: {
  readonly done: number;
  readonly total: number;
  readonly bytes: number;
  readonly unit: string;
  readonly tookMs: number;
}): string {
  const share = at.total > 0 ? Math.min(1, at.done / at.total) : 1;
  const bar = "#".repeat(Math.round(share * BAR)).padEnd(BAR, "·");
  const rate = shownBytes((1_000 * at.bytes) / Math.max(1, at.tookMs));
  const left = share > 0 ? shownTtl(Math.round((at.tookMs * (1 - share)) / share)) : "?";
  return `[${bar}] ${String(Math.floor(100 * share)).padStart(3)} %  ${shownCount(at.done)} ${at.unit}  ${rate}/s  ${left} left`;
}
