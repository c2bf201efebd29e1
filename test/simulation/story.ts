/** Tells in words what a failing run did to one key. */

import { valueName } from "./oracle.ts";
import type { RecordedDot, RecordedEntry, RecordedEvent } from "./recorded.ts";

/** Every event that touches a key, in the order of writing, and whether the failing host has applied it. */
export function tellStory(
  written: ReadonlyMap<string, readonly RecordedEvent[]>,
  names: ReadonlyMap<string, string>,
  key: string | undefined,
  vector: ReadonlyMap<string, number> | undefined,
): string[] {
  const events = [...written.values()].flat().filter((event) => key === undefined || touches(event, key));
  events.sort((left, right) => left.writtenAt - right.writtenAt);
  const nameOf = (origin: string): string => names.get(origin) ?? origin;
  return events.map((event) => {
    const applied =
      vector === undefined ? "" : (vector.get(event.origin) ?? 0) >= event.seq ? " " : " (not applied)";
    return `${event.writtenAt.toFixed(0).padStart(8)} ms${applied} ${inWords(event, nameOf)}`;
  });
}

function touches(event: RecordedEvent, key: string): boolean {
  if (event.clear !== null) return key.startsWith(event.clear.prefix);
  return event.sweep !== null || event.key === key;
}

function inWords(event: RecordedEvent, nameOf: (origin: string) => string): string {
  const dot = ({ origin, seq }: RecordedDot): string => `${nameOf(origin)}#${seq}`;
  const parts: string[] = [];
  if (event.add !== null) parts.push(`adds ${entryInWords(event.add, dot)}`);
  const { increment, sweep, clear } = event;
  if (increment !== null) {
    parts.push(`counts from ${increment.before} to ${increment.total} in segment ${increment.segment}`);
  }
  if (event.removesUpTo.length > 0) parts.push(`removes up to ${event.removesUpTo.map(dot).join(", ")}`);
  if (event.removes.length > 0) parts.push(`removes ${event.removes.map(dot).join(", ")}`);
  for (const { origin, segment, upTo, total } of event.resets) {
    parts.push(`resets segment ${dot({ origin, seq: segment })} up to ${upTo} total ${total}`);
  }
  if (sweep !== null) {
    const except = sweep.except.size === 0 ? "" : ` but ${[...sweep.except].join(", ")}`;
    const range = `deadline ${sweep.from} to ${sweep.to}${except}`;
    parts.push(`sweeps values up to ${dot({ origin: sweep.origin, seq: sweep.upTo })} with ${range}`);
  }
  if (clear !== null) {
    const vector = [...clear.vector].map(([origin, seq]) => dot({ origin, seq })).join(", ");
    parts.push(`clears ${JSON.stringify(clear.prefix)} up to ${vector}`);
  }
  const key = sweep === null && clear === null ? ` ${JSON.stringify(event.key)}` : "";
  return `${dot(event)}${key} stamp ${event.stamp}: ${parts.join("; ") || "nothing"}`;
}

function entryInWords(entry: RecordedEntry, dot: (dot: RecordedDot) => string): string {
  switch (entry.kind) {
    case "value": {
      const deadline = entry.deadline === Number.POSITIVE_INFINITY ? "" : ` until ${entry.deadline}`;
      return `value ${valueName(entry.value)}${deadline}${entry.loaded ? ", loaded" : ""}`;
    }
    case "member":
      return `member ${valueName(entry.value)}`;
    case "element":
      return `element ${valueName(entry.value)} at ${entry.position}:${JSON.stringify(entry.fraction)}`;
    case "deadline":
      return `deadline ${entry.at} of ${entry.target === null ? "the key" : dot(entry.target)}`;
    case "commit":
      return `commit of ${entry.value === null ? "nothing" : valueName(entry.value)} by ${entry.by}`;
  }
}
