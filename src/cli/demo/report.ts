/**
 * What the demo says: for people as sections, sentences and columns, coloured only on a terminal that wants
 * it; for programs as JSON lines. Each thing is told once for either, and a failed check counts in both.
 */
import { stripVTControlCharacters, styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** What a terminal has at least. */
const WIDTH = 80;

export interface ReportOptions {
  readonly json: boolean;
  readonly write: (line: string) => void;
  readonly colours: boolean;
}

export interface Column {
  readonly head: string;
  readonly width: number;
  readonly right?: boolean;
}

export class Report {
  readonly failures: string[] = [];
  readonly #options: ReportOptions;
  #sections = 0;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  title(text: string): void {
    this.#print(this.paint(text, "bold"));
  }

  section(text: string): void {
    this.#print("");
    this.#print(this.paint(`${++this.#sections}  ${text}`, ["bold", "cyan"]));
  }

  say(text: string, style: Style = "reset"): void {
    this.#wrapped("   ", text, style);
  }

  /** A line that is left whole, to be copied. */
  command(text: string): void {
    this.#print(`     ${text}`);
  }

  /** Something that was promised and looked at: said, and remembered where it does not hold. */
  check(holds: boolean, promise: string, otherwise = promise): void {
    if (holds) this.#wrapped(`   ${this.paint("✓", "green")} `, promise);
    else {
      this.failures.push(otherwise);
      this.#wrapped(`   ${this.paint("✗", ["bold", "red"])} `, otherwise, ["bold", "red"]);
    }
    this.fact("check", { holds, text: holds ? promise : otherwise });
  }

  /** Prints the head of a table and gives what prints its rows, one by one as they come. */
  table(columns: readonly Column[]): (...cells: string[]) => void {
    const heads = columns.map(({ head }) => head);
    this.#print(this.paint(`   ${aligned(columns, heads)}`, "dim"));
    return (...cells) => this.#print(`   ${aligned(columns, cells)}`);
  }

  /** For programs: an event with its data. */
  fact(event: string, data: Record<string, unknown>): void {
    if (this.#options.json) this.#options.write(JSON.stringify({ event, ...data }, plain));
  }

  paint(text: string, style: Style): string {
    // Whether the terminal wants colours has been decided by the caller.
    return this.#options.colours ? styleText(style, text, { validateStream: false }) : text;
  }

  #wrapped(lead: string, text: string, style: Style = "reset"): void {
    const indent = stripVTControlCharacters(lead).length;
    for (const [index, line] of wrapped(text, WIDTH - indent).entries()) {
      this.#print(
        (index === 0 ? lead : " ".repeat(indent)) + (style === "reset" ? line : this.paint(line, style)),
      );
    }
  }

  #print(line: string): void {
    if (!this.#options.json) this.#options.write(line.trimEnd());
  }
}

/** Whether a stream shows colours, as its user has set it (no-color.org). */
export function wantsColours(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}

/** A time between two readings of the monotonic clock, in milliseconds. */
export function msBetween(from: bigint, to: bigint): number {
  return Number(to - from) / 1e6;
}

export function shownMs(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)} s`;
  return ms >= 100 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

export function shownCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** `1 key`, `2 keys`. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${shownCount(count)} ${count === 1 ? one : more}`;
}

function aligned(columns: readonly Column[], cells: readonly string[]): string {
  const padded = columns.map(({ width, right }, index) => {
    const cell = cells[index] ?? "";
    const room = " ".repeat(Math.max(0, width - stripVTControlCharacters(cell).length));
    return right ? room + cell : cell + room;
  });
  return padded.join("  ").trimEnd();
}

/** Lines of whole words; a word that is longer than a line is left whole. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
