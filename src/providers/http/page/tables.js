// @ts-check
/**
 * The verdict, the hosts, the last events and the counts since start.
 *
 * @typedef {import("../report.ts").Report} Report
 * @typedef {import("../report.ts").HostReport} HostReport
 * @typedef {import("../timeline.ts").TimelineEntry} TimelineEntry
 * @typedef {import("../findings.ts").Tone} Tone
 */

import { brief, clockTime, element, say, sign, span, the, tune, whole } from "./words.js";

/** @param {Report} report */
export function verdict({ findings: [first, ...rest] }) {
  if (first === undefined) return;
  // Numbers in the sentence change each second; read aloud it is when it says something else.
  if (the("verdict").dataset.tone !== first.tone) say("announcement", first.text);
  tune("verdict", first.tone);
  say("verdict-text", first.text);
  the("findings").replaceChildren(
    ...rest.map(({ tone, text }) => element("li", { tone }, sign(), document.createTextNode(` ${text}`))),
  );
}

/** @type {Record<HostReport["state"], Tone>} */
const STATES = { ready: "good", joining: "wait", leaving: "wait", gone: "wait", silent: "warn" };
/** @type {Record<HostReport["agreement"], [Tone, string, string]>} */
const AGREEMENTS = {
  same: ["good", "same", "The same events and the same digest"],
  differs: ["bad", "differs", "The same events and another digest"],
  moving: ["wait", "in motion", "Not the same events yet, so that digests cannot be compared"],
  partial: ["wait", "partial", "One of the two has let entries go for room: its digest is its own"],
};

/** A host tells once a second what it has, so that what it lacks for so long says nothing. */
const ON_THE_WAY_MS = 3_000;
/** A clock that is off by so much is told of. */
const FAR_OFF_MS = 5_000;

/** @param {Report} report */
export function hosts(report) {
  const others = report.hosts.map((host) => hostRow(host));
  the("hosts").replaceChildren(ownRow(report), ...others);
  say("hosts-number", String(report.hosts.length + report.hostsLeftOut + 1));
  say(
    "hosts-left-out",
    report.hostsLeftOut > 0
      ? `${whole(report.hostsLeftOut)} more, all of them better off; /status has them.`
      : "",
  );
}

/** @param {string} name @param {string} [note] */
function nameCell(name, note) {
  const cell = element("th", { text: note === undefined ? name : `${name} ` });
  cell.scope = "row";
  if (note !== undefined) cell.append(element("small", { text: note }));
  return cell;
}

/** @param {string} text @param {Tone} [tone] @param {string} [title] */
const marked = (text, tone, title) =>
  tone === undefined
    ? element("td", { text })
    : element(
        "td",
        {},
        element(
          "span",
          title === undefined ? { tone } : { tone, title },
          sign(),
          document.createTextNode(` ${text}`),
        ),
      );

/** @param {string} text @param {Tone} [tone] */
const number = (text, tone) => element("td", { class: "number", text, tone });

/** @param {Report} report */
function ownRow(report) {
  const ready = report.state === "ready" || report.state === "standalone";
  return element(
    "tr",
    {},
    nameCell(report.node, "this host"),
    marked(report.state, ready ? "good" : report.findings[0]?.tone === "bad" ? "bad" : "wait"),
    ...["–", "–"].map((text) => element("td", { text })),
    number(whole(report.counts.eventsWritten)),
    ...["–", "–"].map((text) => number(text)),
    number(whole(report.keys)),
    ...["–", "–", "–"].map((text) => number(text)),
  );
}

/** @param {HostReport} host */
function hostRow(host) {
  const [tone, data, why] = AGREEMENTS[host.agreement];
  const there = host.state !== "gone" && host.state !== "silent";
  return element(
    "tr",
    {},
    nameCell(host.node),
    marked(host.state, STATES[host.state]),
    host.state === "gone" ? element("td", { text: "–" }) : element("td", {}, level(host, there)),
    there ? marked(data, tone, why) : element("td", { text: "–" }),
    number(whole(host.written)),
    number(whole(host.appliedHere), host.aheadEvents > 0 ? "wait" : undefined),
    number(whole(host.appliedThere)),
    number(whole(host.keys)),
    number(`${(host.heartbeatAgeMs / 1_000).toFixed(host.heartbeatAgeMs < 100_000 ? 1 : 0)} s ago`),
    clockCell(host.clockOffsetMs),
    number(whole(host.refused), host.refused > 0 ? "warn" : undefined),
  );
}

/** @param {number} offsetMs */
function clockCell(offsetMs) {
  if (Math.abs(offsetMs) < 50) return number("in step");
  return number(
    `${offsetMs > 0 ? "+" : ""}${span(offsetMs)}`,
    Math.abs(offsetMs) >= FAR_OFF_MS ? "warn" : undefined,
  );
}

/** @param {HostReport} host @param {boolean} there */
function level({ behindEvents, behindMs, aheadEvents }, there) {
  const late = behindEvents > 0 && (behindMs > ON_THE_WAY_MS || !there);
  const fill = element("span");
  fill.style.width = late ? `${Math.max(4, 100 - 28 * Math.log10(Math.max(1, behindMs / 1_000)))}%` : "100%";
  const gauge = element("span", { class: "gauge" }, fill);
  gauge.setAttribute("aria-hidden", "true");
  const text = [];
  if (late) text.push(`${brief(behindEvents)} behind, ${span(behindMs)}`);
  else if (behindEvents > 0) text.push(`${brief(behindEvents)} on the way`);
  if (aheadEvents > 0) text.push(`${brief(aheadEvents)} ahead`);
  const words = element("span", { text: text.join(", ") || "level" });
  return element("div", { class: "level", tone: late ? "warn" : undefined }, gauge, words);
}

const MOST_EVENTS = 100;
let lastEvent = 0;

/** A stream begins with all events that are kept; of another start they count from 1. */
export function forgetTimeline() {
  lastEvent = 0;
  the("events").replaceChildren();
}

/** @param {TimelineEntry[]} entries */
export function timeline(entries) {
  const list = the("events");
  for (const { id, at, tone, text } of entries) {
    if (id <= lastEvent) continue;
    lastEvent = id;
    const time = element("time", { text: clockTime(at) });
    time.dateTime = new Date(at).toISOString();
    list.prepend(element("li", { tone }, time, sign(), element("span", { text })));
  }
  while (list.childElementCount > MOST_EVENTS) list.lastElementChild?.remove();
  the("events-none").hidden = list.childElementCount > 0;
}

/** What has to stay 0 says so where it does not. @type {[keyof Report["counts"], string, Tone?][]} */
const COUNTS = [
  ["gaps", "gaps found"],
  ["replaysRequested", "replays asked for"],
  ["snapshotsInstalled", "snapshots taken over"],
  ["replaysServed", "replays served"],
  ["snapshotsServed", "snapshots given"],
  ["audits", "digests compared"],
  ["scrubs", "scrubs of all data"],
  ["divergences", "divergences", "bad"],
  ["healed", "divergences mended"],
  ["duplicates", "duplicate frames"],
  ["reordered", "reordered frames"],
  ["rejected", "messages refused", "warn"],
  ["dropped", "messages dropped", "warn"],
  ["backpressure", "writes held off", "warn"],
  ["disconnects", "NATS disconnects"],
  ["republished", "frames sent again"],
  ["finals", "events given up", "warn"],
  ["futureStamps", "stamps in the future", "warn"],
];

/** @param {Report} report */
export function counts({ counts, lastRepair, checkpoint }) {
  const repair =
    lastRepair === undefined
      ? "Nothing had to be repaired."
      : `Last repair: ${whole(lastRepair.events)} events by ${lastRepair.kind} from ${lastRepair.node} at ${clockTime(lastRepair.at)}, in ${span(lastRepair.tookMs)}.`;
  const saved = checkpoint?.at === undefined ? "" : ` Last checkpoint at ${clockTime(checkpoint.at)}.`;
  say("repair", repair + saved);
  the("counts").replaceChildren(
    ...COUNTS.map(([name, words, tone]) =>
      element(
        "div",
        {},
        element("dt", { text: words }),
        element("dd", { text: whole(counts[name]), tone: counts[name] > 0 ? tone : undefined }),
      ),
    ),
  );
}
