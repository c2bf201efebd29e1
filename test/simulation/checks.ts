/** What must hold on a host at any moment, compared with the oracle. The names are those of the protocol's invariants. */
import type { Host, Inspection } from "../../src/host.ts";
import { contentName, readContent, sameTtl } from "./model.ts";
import { type KeyState, type KeyView, stateAt, valueName, viewAt } from "./oracle.ts";
import type { RecordedEvent } from "./recorded.ts";

/** A host that is not as it must be: the run of this seed has failed. */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
  readonly invariant: string;
  readonly key: string | undefined;
  readonly vector: ReadonlyMap<string, number> | undefined;

  constructor(
    invariant: string,
    message: string,
    where: { key?: string; vector?: ReadonlyMap<string, number> } = {},
  ) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
    this.key = where.key;
    this.vector = where.vector;
  }
}

/** What went wrong in a run: in a sentence, or with the stack of what was thrown. */
export function inWords(error: unknown): string {
  if (error instanceof SimulationFailure) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** All events of a run, by the incarnation that made them. */
export type Written = ReadonlyMap<string, readonly RecordedEvent[]>;

/**
 * Compares one host with the oracle: what it physically holds, and what it shows. `equal`: all hosts have
 * applied the same, and long enough ago for all to know it.
 */
export function checkHost(host: Host, written: Written, keys: readonly string[], equal: boolean): Inspection {
  const inspection = host.inspect();
  const { vector } = inspection;
  const applied = eventsUpTo(written, vector);
  if ((vector.get(host.incarnation) ?? 0) !== (written.get(host.incarnation)?.length ?? 0)) {
    const [row, made] = [vector.get(host.incarnation) ?? 0, written.get(host.incarnation)?.length ?? 0];
    throw new SimulationFailure("I9", `${host.node} made ${made} events and its own row is ${row}`);
  }
  // Parts of an image that is still coming: shown by a host that is not ready, and given to nobody.
  if (inspection.building) return inspection;
  const expected = stateAt(applied, vector);
  if (inspection.evicted.size > 0) {
    checkPartial(host, inspection, expected, equal);
    return inspection;
  }
  for (const key of new Set([...inspection.keys.keys(), ...expected.keys()])) {
    checkState(host.node, key, inspection, expected.get(key));
    checkShown(host, key, viewAt(expected.get(key), host.fleetNow()), vector);
  }
  const visible = [...expected].flatMap(([key, state]) => (viewAt(state, host.fleetNow()) ? [key] : []));
  const listed = [...host.keys()];
  if (listed.toSorted().join("\n") !== visible.toSorted().join("\n")) {
    throw new SimulationFailure("view", `${host.node} lists the keys ${listed}, expected ${visible}`, {
      vector,
    });
  }
  for (const key of keys) if (!visible.includes(key)) checkShown(host, key, undefined, vector);
  return inspection;
}

/** Fails if a row is smaller than it was. */
export function checkGrown(
  node: string,
  before: ReadonlyMap<string, number>,
  now: Inspection["vector"],
): void {
  for (const [origin, seq] of before) {
    if ((now.get(origin) ?? 0) >= seq) continue;
    throw new SimulationFailure(
      "I3",
      `${node} had ${origin} up to ${seq}, now up to ${now.get(origin) ?? 0}`,
    );
  }
}

/** The events a vector covers; fails if it covers one that nobody made. */
export function eventsUpTo(written: Written, vector: ReadonlyMap<string, number>): RecordedEvent[] {
  return [...vector].flatMap(([origin, seq]) => {
    const made = written.get(origin) ?? [];
    if (seq <= made.length) return made.slice(0, seq);
    throw new SimulationFailure(
      "I4",
      `a vector covers ${origin} up to ${seq}, of ${made.length} events made`,
    );
  });
}

/** Compares what a host physically holds of a key. */
export function checkState(
  node: string,
  key: string,
  { keys, vector }: Inspection,
  expected?: KeyState,
): void {
  const held = keys.get(key);
  for (const { origin, seq } of held?.entries ?? []) {
    if (seq <= (vector.get(origin) ?? 0)) continue;
    throw new SimulationFailure("I2", `${node} holds ${origin}/${seq} beyond its vector`, {
      key,
      vector,
    });
  }
  const live = held?.cells.filter(({ resetUpTo, high }) => resetUpTo < high) ?? [];
  const got = [...(held?.entries.map(entryName) ?? []), ...live.map(cellName)].sort();
  const wanted = [
    ...(expected?.entries.map(entryName) ?? []),
    ...(expected?.cells.map(cellName) ?? []),
  ].sort();
  if (got.join("\n") === wanted.join("\n")) return;
  const extra = got.filter((name) => !wanted.includes(name));
  const missing = wanted.filter((name) => !got.includes(name));
  const message = `${node} at key ${JSON.stringify(key)}\n  holds wrongly: ${list(extra)}\n  lacks: ${list(missing)}`;
  throw new SimulationFailure("I1", message, { key, vector });
}

/**
 * A host that has let go of entries holds a part of what it has applied: what is missing are values that it
 * may miss, and of a key with something missing it shows nothing.
 */
function checkPartial(
  host: Host,
  { keys, vector, evicted }: Inspection,
  expected: ReadonlyMap<string, KeyState>,
  equal: boolean,
): void {
  for (const key of new Set([...keys.keys(), ...expected.keys()])) {
    const held = keys.get(key) ?? { entries: [], cells: [], masked: false };
    const names = new Set(held.entries.map(entryName));
    const missing = expected.get(key)?.entries.filter((entry) => !names.has(entryName(entry))) ?? [];
    const isMissing = (dot: { origin: string; seq: number }): boolean =>
      missing.some((entry) => entry.origin === dot.origin && entry.seq === dot.seq);
    for (const entry of missing) {
      const mayMiss =
        entry.kind === "value"
          ? entry.seq <= (evicted.get(entry.origin) ?? 0)
          : entry.kind === "deadline" && entry.target !== null && isMissing(entry.target);
      if (mayMiss) continue;
      const message = `${host.node} at key ${JSON.stringify(key)} lacks ${entryName(entry)}, which it did not let go`;
      throw new SimulationFailure("eviction", message, { key, vector });
    }
    const there = { entries: missing, cells: [], ...expected.get(key) };
    const kept = { ...there, entries: there.entries.filter((entry) => !missing.includes(entry)) };
    checkState(host.node, key, { keys, vector } as Inspection, kept);
    const shown = readContent(host, key);
    if (shown === undefined && (held.masked || missing.length > 0)) continue;
    if (held.masked) {
      throw new SimulationFailure("eviction", `${host.node} shows ${JSON.stringify(key)}, which it masks`, {
        key,
        vector,
      });
    }
    // A removal of what is missing here may have been seen by who wrote what is shown, and not yet by us.
    const whole = missing.length === 0 || equal ? there : kept;
    checkShown(host, key, viewAt(whole, host.fleetNow()), vector);
  }
}

function checkShown(
  host: Host,
  key: string,
  expected: KeyView | undefined,
  vector: ReadonlyMap<string, number>,
): void {
  const content = readContent(host, key);
  const got = contentName(content);
  const wanted = viewName(expected);
  if (got !== wanted || host.has(key) !== (expected !== undefined)) {
    const message = `${host.node} shows at key ${JSON.stringify(key)}\n  ${got}\n  instead of\n  ${wanted}`;
    throw new SimulationFailure("view", message, { key, vector });
  }
  if (expected?.deadline === undefined) return;
  const left = expected.deadline - host.fleetNow();
  if (sameTtl(content?.ttl, left)) return;
  const message = `${host.node} gives key ${JSON.stringify(key)} ${content?.ttl} ms, instead of ${left}`;
  throw new SimulationFailure("view", message, { key, vector });
}

/** As `contentName` names what a host shows. */
export function viewName(view: KeyView | undefined): string {
  if (view === undefined) return "nothing";
  if (view.type === "string") return `string ${valueName(view.value)}`;
  const names = (view.type === "set" ? view.members : view.elements).map(valueName);
  return `${view.type} ${(view.type === "set" ? names.sort() : names).join(", ")}`;
}

type AnyEntry = Inspection["keys"] extends ReadonlyMap<string, { entries: readonly (infer E)[] }> ? E : never;

/** Every field of an entry in one line, whether the host or the oracle has it. */
function entryName(entry: AnyEntry | KeyState["entries"][number]): string {
  const { origin, seq } = entry;
  const all = entry as AnyEntry;
  const value = all.value === undefined ? "" : all.value === null ? " nothing" : ` ${valueName(all.value)}`;
  const target = all.target ?? undefined;
  switch (entry.kind) {
    case "value": {
      const loaded = all.loaded === true ? " loaded" : "";
      return `value ${origin}/${seq}${value} stamp ${all.stamp} deadline ${all.deadline}${loaded}`;
    }
    case "member":
      return `member ${origin}/${seq}${value}`;
    case "element":
      return `element ${origin}/${seq}${value} at ${all.position}:${JSON.stringify(all.fraction)}`;
    case "deadline":
      return `deadline ${origin}/${seq} ${all.at} for ${target ? `${target.origin}/${target.seq}` : "the key"}`;
    case "commit":
      return `commit ${origin}/${seq}${value} by ${all.by} until ${all.expiresAt}`;
  }
}

function cellName(cell: KeyState["cells"][number]): string {
  const { origin, segment, high, total, resetUpTo, resetTotal } = cell;
  return `cell ${origin}/${segment} up to ${high} total ${total}, reset up to ${resetUpTo} total ${resetTotal}`;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "nothing" : names.join("; ");
}

/**
 * What must hold when all have become equal and long been left alone: every write of a host that lives is
 * on all, and nothing waits any more, but for what only the dead could have said. After a long time
 * (`forgotten`) not even that.
 */
export function checkQuiet(alive: readonly Host[], written: Written, forgotten: boolean): void {
  for (const host of alive) {
    const { vector, keys, pendingRemovals, inboxFrames, needs } = host.inspect();
    for (const { incarnation, node } of alive) {
      const [made, has] = [written.get(incarnation)?.length ?? 0, vector.get(incarnation) ?? 0];
      if (made === has) continue;
      throw new SimulationFailure("live write", `${host.node} has ${has} of the ${made} events of ${node}`);
    }
    const lostTails = [...written].some(([origin, made]) => made.length > (vector.get(origin) ?? 0));
    const left = { pendingRemovals: lostTails ? 0 : pendingRemovals, inboxFrames, needs };
    if (lostTails && !forgotten) Object.assign(left, { inboxFrames: 0, needs: 0 });
    const names = new Set(alive.map(({ incarnation }) => incarnation));
    const zero = [...keys.values()].flatMap(({ cells }) =>
      cells.filter(({ origin, resetUpTo, high }) => resetUpTo >= high && names.has(origin)),
    );
    if (Object.values(left).every((count) => count === 0) && zero.length === 0) continue;
    const message = `${host.node} is left with ${JSON.stringify(left)} and ${zero.length} empty cells of the living`;
    throw new SimulationFailure("I12", `${message}: ${zero.map(cellName).join("; ")}`, { vector });
  }
}
