/** Columns for people: as wide as what stands in them, numbers to the right. */
import { stripVTControlCharacters } from "node:util";

export interface Column {
  readonly head: string;
  readonly right?: boolean;
}

/** The lines of a table, its head first. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const all = [columns.map(({ head }) => head), ...rows];
  const widths = columns.map((_, index) => Math.max(...all.map((row) => width(row[index] ?? ""))));
  return all.map((row) =>
    columns
      .map(({ right }, index) => {
        const cell = row[index] ?? "";
        const room = " ".repeat(widths[index]! - width(cell));
        return right ? room + cell : cell + room;
      })
      .join("  ")
      .trimEnd(),
  );
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
