/**
 * What must hold of a fleet that has come to rest. The journals hold every event that was ever made, so the
 * oracle of the simulation says what each host has to hold, to the last dot; the ledger says what has to be
 * among it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { checkState, viewName } from "../simulation/checks.ts";
import { type KeyState, stateAt, viewAt } from "../simulation/oracle.ts";
import type { RecordedEvent } from "../simulation/recorded.ts";
import type { Fleet } from "./fleet.ts";
import type { HostProcess } from "./host-process.ts";
import type { Kept, Ledger } from "./ledger.ts";
import type { Memory, Shown } from "./orders.ts";
import { SUM_KEYS } from "./workload.ts";

const MOST_ATTEMPTS = 100;
const BETWEEN_ATTEMPTS_MS = 100;

/** The state that all hosts had come to at some vector, as the events that would make it. */
export interface Base {
  readonly vector: ReadonlyMap<string, number>;
  readonly events: readonly RecordedEvent[];
}

export const NOTHING: Base = { vector: new Map(), events: [] };

export interface Verdict {
  readonly kept: Kept;
  readonly base: Base;
  readonly keys: number;
  readonly memory: ReadonlyMap<string, Memory>;
}

/** A fleet that is not as it must be. */
export class ChaosFailure extends Error {
  override readonly name = "ChaosFailure";
}

/**
 * Checks every host; all must be ready and idle, their vectors equal. What it returns is the base of the next
 * verdict: the journals and the ledger begin anew.
 */
export async function judge(fleet: Fleet, ledger: Ledger, base: Base): Promise<Verdict> {
  fleet.journals.read();
  const hosts = fleet.alive.map(({ name, start }) => ({ name, ...start! }));
  const made = new Map(hosts.map(({ incarnation }) => [incarnation, fleet.journals.made(incarnation)]));
  const shown = await showAll(hosts);
  const { vector, digest } = shown[0]!.inspection;
  for (const [index, { name }] of hosts.entries()) {
    if (shown[index]!.inspection.digest !== digest) throw new ChaosFailure(`${name} has another digest`);
  }
  fleet.journals.read();
  checkRows(fleet, made, vector, base);
  const events = [...base.events, ...fleet.journals.all()];
  const state = stateAt(events, vector);
  const lostTails = fleet.journals.longerThan(vector);
  for (const [index, { name }] of hosts.entries()) {
    checkHost(name, shown[index]!, state);
  }
  await untilAtRest(hosts, lostTails);
  const sums = checkSums(state, ledger, vector);
  const kept = ledger.judge(vector, (incarnation, seq) => {
    // What was folded was made before all deaths that are still counted.
    return fleet.journals.event(incarnation, seq)?.writtenAt ?? 0;
  });
  await checkCounts(hosts);
  const memory = await Promise.all(hosts.map(({ process }) => process.ask("memory", undefined)));
  ledger.settle(sums);
  fleet.journals.forget(vector, new Set(hosts.map(({ incarnation }) => incarnation)));
  return {
    kept,
    base: { vector, events: eventsOf(state) },
    keys: state.size,
    memory: new Map(hosts.map(({ name }, index) => [name, memory[index]!])),
  };
}

/** What all show at one vector. They write even now: removals of what has expired. */
async function showAll(hosts: readonly { process: HostProcess }[]): Promise<Shown[]> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const shown = await Promise.all(hosts.map(({ process }) => process.ask("show", undefined)));
    const { vector } = shown[0]!.inspection;
    if (shown.every(({ inspection }) => sameRows(inspection.vector, vector))) return shown;
    await delay(BETWEEN_ATTEMPTS_MS);
  }
  throw new ChaosFailure("the vectors do not stay equal");
}

/** `made`: how many events the living had made at least before their vectors were taken. */
function checkRows(
  fleet: Fleet,
  made: ReadonlyMap<string, number>,
  vector: ReadonlyMap<string, number>,
  base: Base,
): void {
  for (const [incarnation, seq] of made) {
    const row = vector.get(incarnation) ?? 0;
    if (row < seq) throw new ChaosFailure(`${incarnation}, alive, made ${seq} events, and all have ${row}`);
  }
  for (const [incarnation, seq] of vector) {
    const known = fleet.journals.made(incarnation);
    if (seq > known) throw new ChaosFailure(`all have ${seq} events of ${incarnation}, which made ${known}`);
  }
  for (const [incarnation, seq] of base.vector) {
    const row = vector.get(incarnation) ?? 0;
    if (row < seq) throw new ChaosFailure(`all had ${seq} events of ${incarnation}, and now have ${row}`);
  }
}

function checkHost(
  name: string,
  { inspection, contents, between }: Shown,
  state: Map<string, KeyState>,
): void {
  for (const key of new Set([...inspection.keys.keys(), ...state.keys()])) {
    checkState(name, key, inspection, state.get(key));
    const got = contents.get(key) ?? "nothing";
    const [wanted, later] = between.map((now) => viewName(viewAt(state.get(key), now)));
    // What expires while it is read may be shown or not.
    if (got === wanted || wanted !== later) continue;
    const held = JSON.stringify(state.get(key)?.entries);
    throw new ChaosFailure(
      `${name} shows at ${key}\n  ${got}\n  instead of\n  ${wanted}\n  at ${between} of ${held}`,
    );
  }
}

/**
 * Nothing waits any more, but for what died with its host: that is asked for until its host is forgotten. What
 * an image brought is noticed to be there need by need, so this may take a moment longer than the data.
 */
async function untilAtRest(
  hosts: readonly { name: string; process: HostProcess }[],
  lostTails: number,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const left: string[] = [];
    for (const { name, process } of hosts) {
      const { inboxFrames, needs, pendingRemovals } = (await process.ask("show", undefined)).inspection;
      const waiting = { inboxFrames, needs, pendingRemovals };
      const isAtRest = lostTails > 0 ? needs <= lostTails : inboxFrames + needs + pendingRemovals === 0;
      if (!isAtRest) left.push(`${name} is left with ${JSON.stringify(waiting)}`);
    }
    if (left.length === 0) return;
    if (attempt === MOST_ATTEMPTS) throw new ChaosFailure(`${left.join("; ")}; ${lostTails} tails are lost`);
    await delay(BETWEEN_ATTEMPTS_MS);
  }
}

/** Adds up what was accepted, from what the hosts answered at the time and nothing else. */
function checkSums(
  state: Map<string, KeyState>,
  ledger: Ledger,
  vector: ReadonlyMap<string, number>,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const key of SUM_KEYS) {
    const view = viewAt(state.get(key), 0);
    const value = view === undefined ? 0 : Number(view.type === "string" ? view.value : Number.NaN);
    const { least, most } = ledger.boundsOf(key, vector);
    if (!(least <= value && value <= most)) {
      throw new ChaosFailure(`${key} is ${value}; what was accepted makes ${least} to ${most}`);
    }
    sums.set(key, value);
  }
  return sums;
}

async function checkCounts(hosts: readonly { name: string; process: HostProcess }[]): Promise<void> {
  for (const { name, process } of hosts) {
    const { counts, reason } = await process.ask("status", undefined);
    if (counts.divergences > 0) throw new ChaosFailure(`${name} saw equal vectors with unequal digests`);
    if (counts.rejected > 0) throw new ChaosFailure(`${name} could not read ${counts.rejected} messages`);
    if (reason !== undefined) throw new ChaosFailure(`${name} is in trouble: ${reason}`);
  }
}

function sameRows(left: ReadonlyMap<string, number>, right: ReadonlyMap<string, number>): boolean {
  for (const [origin, seq] of left) if ((right.get(origin) ?? 0) !== seq) return false;
  for (const [origin, seq] of right) if ((left.get(origin) ?? 0) !== seq) return false;
  return true;
}

/** The events that make a state and nothing else: the oracle is a function of their set. */
function eventsOf(state: Map<string, KeyState>): RecordedEvent[] {
  const events: RecordedEvent[] = [];
  const plain = {
    writtenAt: 0,
    stamp: 0,
    removesUpTo: [],
    removes: [],
    resets: [],
    add: null,
    increment: null,
    sweep: null,
    clear: null,
  };
  for (const [key, { entries, cells }] of state) {
    for (const entry of entries) {
      const { origin, seq, stamp } = entry;
      events.push({ ...plain, origin, seq, stamp, key, add: entry });
    }
    for (const { origin, segment, high, total, resetUpTo, resetTotal } of cells) {
      const resets = [{ origin, segment, upTo: resetUpTo, total: resetTotal }];
      const increment = { segment, before: 0n, total };
      // Two events: within one, the oracle does the increment first, which a reset may not be behind.
      events.push({ ...plain, origin, seq: high, key, resets });
      events.push({ ...plain, origin, seq: high, key, increment });
    }
  }
  return events;
}
