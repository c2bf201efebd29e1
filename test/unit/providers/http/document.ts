/**
 * Writes the tables of `docs/METRICS.md` from the metrics themselves. A test holds the file against them, so that
 * neither can drift.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { doorMetrics, processMetrics } from "../../../../src/providers/http/metrics/door-metrics.ts";
import { hostMetrics } from "../../../../src/providers/http/metrics/host-metrics.ts";
import { loaderMetrics } from "../../../../src/providers/http/metrics/loader-metrics.ts";
import type { Metric } from "../../../../src/providers/http/metrics/metric.ts";
import { replicationMetrics } from "../../../../src/providers/http/metrics/replication-metrics.ts";

const FILE = new URL("../../../../docs/METRICS.md", import.meta.url);
const [BEGIN, END] = ["<!-- metrics -->\n", "<!-- end of metrics -->\n"];

const TABLES: Readonly<Record<string, readonly Metric[]>> = {
  "The host": hostMetrics,
  Replication: replicationMetrics,
  "Loads and commits": loaderMetrics,
  Doors: doorMetrics,
  "The process": processMetrics,
};

/** The document with its tables as they should be. */
export function documented(text: string): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/METRICS.md has no ${BEGIN.trim()} … ${END.trim()}`);
  const tables = Object.entries(TABLES).map(
    ([title, metrics]) =>
      `### ${title}\n\n| name | kind | labels | what it tells |\n|---|---|---|---|\n${metrics.map(row).join("\n")}\n`,
  );
  return `${text.slice(0, from + BEGIN.length)}\n${tables.join("\n")}\n${text.slice(to)}`;
}

export function readDocument(): string {
  return readFileSync(FILE, "utf8");
}

function row({ name, kind, labels, help }: Metric): string {
  return `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, documented(readDocument()));
