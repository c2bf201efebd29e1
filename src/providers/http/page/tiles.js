// @ts-check
/**
 * The tiles: how the host fares at a glance, with the last minute drawn below.
 *
 * @typedef {import("../report.ts").Report} Report
 * @typedef {import("../findings.ts").Tone} Tone
 */

import { brief, bytes, element, several, the, whole } from "./words.js";

const HISTORY = 60;
/** Rates are of the last so many reports: one alone would jump. */
const RATE_OVER = 5;

/** The last minute, to draw and to make rates of. @type {Report[]} */
let reports = [];

/** @param {Report} report */
export function remember(report) {
  // Another start of the host counts from 0.
  if (reports.at(-1)?.incarnation !== report.incarnation) reports = [];
  reports.push(report);
  if (reports.length > HISTORY) reports.shift();
}

/** Per second, at one report of the history. @param {(report: Report) => number} read @param {number} index */
function rateAt(read, index) {
  const before = reports[Math.max(0, index - RATE_OVER)];
  const now = reports[index];
  if (before === undefined || now === undefined || now.at <= before.at) return undefined;
  // Counts begin anew where the process did.
  return Math.max(0, ((read(now) - read(before)) * 1_000) / (now.at - before.at));
}

/** @param {(report: Report) => number} read */
const rate = (read) => rateAt(read, reports.length - 1);

/** @param {(report: Report) => number} read */
const rates = (read) => reports.map((_, index) => rateAt(read, index) ?? 0).slice(1);

/** @param {number | undefined} value */
const perSecond = (value, unit = "") =>
  value === undefined ? "…" : unit === "" ? `${brief(value)}/s` : `${brief(value)} ${unit}/s`;

/** Of the reads of the last reports, or of all where there were none; `undefined`: there were never any. */
function hitRatio() {
  const now = reports.at(-1)?.reads;
  const before = reports.at(-1 - RATE_OVER)?.reads ?? reports[0]?.reads;
  if (now === undefined || before === undefined) return undefined;
  const hits = now.hits - before.hits;
  const all = hits + now.misses - before.misses;
  if (all > 0) return hits / all;
  return now.hits + now.misses > 0 ? now.hits / (now.hits + now.misses) : undefined;
}

/**
 * @param {string} title @param {string} value @param {string} detail
 * @param {{ line?: number[], tone?: Tone | undefined }} [more]
 */
function tile(title, value, detail, { line, tone } = {}) {
  const made = element(
    "article",
    { class: "tile" },
    element("h3", { text: title }),
    element("p", { class: "value", text: value, tone }),
    element("p", { class: "detail", text: detail }),
  );
  if (line !== undefined && line.length > 1) made.append(sparkline(line));
  return made;
}

/** @param {number[]} values */
function sparkline(values) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${HISTORY - 1} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const most = Math.max(...values, 1e-9);
  const first = HISTORY - values.length;
  const points = values.map((value, index) => `${first + index},${(19 - (value / most) * 16).toFixed(2)}`);
  for (const [kind, path] of [
    ["area", `M${first},20 L${points.join(" L")} L${HISTORY - 1},20 Z`],
    ["edge", `M${points.join(" L")}`],
  ]) {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "path");
    drawn.setAttribute("class", /** @type {string} */ (kind));
    drawn.setAttribute("d", /** @type {string} */ (path));
    svg.append(drawn);
  }
  return svg;
}

/** @param {Report} report */
export function tiles(report) {
  const { counts, process, bounds, redis, loader } = report;
  const ratio = hitRatio();
  const reads = rate(({ reads: { hits, misses } }) => hits + misses);
  const written = (/** @type {Report} */ { counts: { eventsWritten } }) => eventsWritten;
  const applied = (/** @type {Report} */ { counts: { eventsApplied } }) => eventsApplied;
  const sent = rate(({ counts: { bytesSent } }) => bytesSent);
  const heard = rate(({ counts: { bytesReceived } }) => bytesReceived);
  const made = [
    tile("Keys", brief(report.keys), report.partial ? "a part: some were let go" : "all of them, in memory", {
      line: reports.map(({ keys }) => keys),
    }),
    tile(
      "Hit ratio",
      ratio === undefined ? "–" : `${(ratio * 100).toFixed(ratio === 1 ? 0 : 1)} %`,
      readsDetail(ratio, reads),
      { line: rates(({ reads: { hits, misses } }) => hits + misses) },
    ),
    tile("Writes here", perSecond(rate(written)), several(counts.eventsWritten, "event"), {
      line: rates(written),
    }),
    tile("Applied from others", perSecond(rate(applied)), several(counts.eventsApplied, "event"), {
      line: rates(applied),
    }),
  ];
  if (redis !== undefined) {
    const commands = (/** @type {Report} */ each) => each.redis?.commands ?? 0;
    const detail = `${several(redis.clients, "client")}, ${several(redis.errors, "error")}`;
    made.push(tile("Redis commands", perSecond(rate(commands)), detail, { line: rates(commands) }));
  }
  if (report.state !== "standalone") {
    const load = sent === undefined || heard === undefined ? undefined : sent + heard;
    const detail = report.connected ? `${bytes(report.unconfirmedBytes)} unconfirmed` : "not connected";
    made.push(
      tile("NATS, in and out", load === undefined ? "…" : `${bytes(load)}/s`, detail, {
        line: rates(({ counts: { bytesSent, bytesReceived } }) => bytesSent + bytesReceived),
        tone: report.connected ? undefined : "warn",
      }),
    );
  }
  if (loader !== undefined) {
    made.push(
      tile("To be committed", whole(loader.dirty), `${several(loader.loading, "load")} under way`, {
        line: reports.map((each) => each.loader?.dirty ?? 0),
      }),
    );
  }
  made.push(
    tile(
      "Memory",
      bytes(process.residentBytes),
      bounds === undefined
        ? `heap ${bytes(process.heapUsedBytes)}, log ${bytes(report.logBytes)}`
        : `kept ${bounds.bytes > 0 ? bytes(bounds.bytes) : brief(report.keys)}, ${whole(bounds.evicted)} let go`,
      {
        line: reports.map(({ process: { residentBytes } }) => residentBytes),
        tone: bounds?.exceeded ? "warn" : undefined,
      },
    ),
    tile("Divergences", whole(counts.divergences), divergenceDetail(counts), {
      tone: counts.divergences > 0 ? "bad" : "good",
    }),
  );
  the("tiles").replaceChildren(...made);
}

/** @param {number | undefined} ratio @param {number | undefined} reads */
function readsDetail(ratio, reads) {
  if (ratio === undefined) return "no reads over Redis, no loads yet";
  return reads === 0 ? "since start; no reads now" : `of ${perSecond(reads, "reads")}`;
}

/** @param {Report["counts"]} counts */
function divergenceDetail({ divergences, healed, audits }) {
  return divergences > 0 ? `${whole(healed)} mended here` : `${whole(audits)} digests compared`;
}
