/** Results for people and for programs: tables on the terminal, JSON in `bench/results/`. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

const RESULTS = new URL("../results/", import.meta.url);

/**
 * A goal of the project, met or not. `atLeast` or `atMost` says which way it points; a goal without a
 * value could not be judged, as for want of a peer.
 */
export function goal(name, what, value, { atLeast, atMost }) {
  const wanted = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
  const known = value !== undefined && Number.isFinite(value);
  const reached = known ? (atLeast === undefined ? value <= atMost : value >= atLeast) : undefined;
  return {
    goal: name,
    what,
    value: known ? Number(value.toPrecision(4)) : null,
    wanted,
    reached: reached ?? null,
  };
}

export function environment() {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: `${cpus().length} x ${cpu?.model ?? "?"}`,
  };
}

export async function save(results, name) {
  await mkdir(RESULTS, { recursive: true });
  const file = new URL(`${name}.json`, RESULTS);
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
  return `bench/results/${name}.json`;
}

export function render({ name, command, date, node, cpu, versions, tables }) {
  const programs = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  const head = [`${name}   ${date}   ${cpu}   node ${node}   ${programs.join("   ")}`, command];
  return `\n${head.join("\n")}\n\n${tables.map(renderTable).join("\n")}`;
}

function renderTable({ title, columns, rows, goals, notes }) {
  const cells = [columns, ...rows].map((row) => row.map(shown));
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join("  "),
  );
  lines.splice(1, 0, "-".repeat(lines[0].length));
  const judged = goals.map(({ goal: label, what, value, wanted, reached }) => {
    const verdict = reached === null ? "NOT JUDGED" : reached ? "reached" : "MISSED";
    return `${label}  ${what}: ${shown(value)} (${wanted})  ${verdict}`;
  });
  return [title, ...lines, ...notes, ...judged]
    .map((line) => `  ${line}\n`)
    .join("")
    .slice(2);
}

/** A number with as many digits as it is worth; text as it is. */
export function shown(cell) {
  if (typeof cell !== "number") return cell ?? "-";
  if (!Number.isFinite(cell)) return "-";
  const size = Math.abs(cell);
  if (size >= 1_000) return Math.round(cell).toLocaleString("en-US");
  return cell.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** The version of an installed package. */
export async function packageVersion(name) {
  const entry = fileURLToPath(import.meta.resolve(name));
  const folder = entry.slice(
    0,
    entry.lastIndexOf(`/node_modules/${name}/`) + `/node_modules/${name}/`.length,
  );
  return JSON.parse(await readFile(`${folder}package.json`, "utf8")).version;
}
