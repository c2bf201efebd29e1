/**
 * What an operation may write. The oracle says what events mean, whatever they are; this says that they are
 * those that the operation is to make: that they name nothing that their writer had not applied, that what
 * replaces a key leaves nothing of what its writer had applied, let go for room or not, that a new deadline is
 * no new value, and that what a host does by itself nobody sees.
 */
import type { Host } from "../../src/host.ts";
import { SimulationFailure, viewName, type Written } from "./checks.ts";
import { keysOf, type Operation } from "./operations.ts";
import { stateAt, viewAt } from "./oracle.ts";
import type { RecordedDot, RecordedEvent } from "./recorded.ts";

/** Checks what an operation that answered `result` has just written: what its host had made beyond `before`. */
export function checkIntent(
  host: Host,
  { operation, result }: { operation: Operation; result: unknown },
  written: Written,
  before: number,
): void {
  const wrote = written.get(host.incarnation)?.slice(before) ?? [];
  const { vector } = host.inspect();
  const fail = (key: string, what: string): never => {
    const message = `${host.node} ${operation.name} at ${JSON.stringify(key)} ${what}`;
    throw new SimulationFailure("intent", message, { key, vector });
  };
  for (const event of wrote) {
    const unseen = namedBy(event).find(({ origin, seq }) => seq > (vector.get(origin) ?? 0));
    if (unseen !== undefined)
      fail(event.key, `names ${unseen.origin}/${unseen.seq}, which it has not applied`);
    if (keepsValue(operation) && event.add?.kind === "value") fail(event.key, "writes a value");
  }
  for (const key of replacedBy(operation, result)) {
    const state = stateAt(concerning(key, written), vector).get(key);
    // What is owed to an upstream stays owed, whatever becomes of the key.
    const older = state?.entries.find(
      ({ kind, origin, seq }) => kind !== "commit" && (origin !== host.incarnation || seq <= before),
    );
    if (!wrote.some((event) => event.key === key)) {
      const left = viewAt(state, host.fleetNow());
      if (left !== undefined && result !== false)
        fail(key, `leaves a ${left.type} that its host had applied`);
    } else if (older !== undefined) fail(key, `leaves ${older.kind} ${older.origin}/${older.seq}`);
    else if (state !== undefined && state.cells.length > 0) fail(key, "leaves what was counted");
  }
}

/** Checks an event that no operation made: what a host does by itself changes nothing that anybody sees. */
export function checkUpkeep(host: Host, event: RecordedEvent, written: Written): void {
  const { vector } = host.inspect();
  const before = new Map(vector).set(event.origin, event.seq - 1);
  const now = host.fleetNow();
  for (const key of event.sweep === null ? [event.key] : sweptKeys(event.sweep, written)) {
    const events = concerning(key, written);
    const [was, is] = [before, vector].map((at) => viewName(viewAt(stateAt(events, at).get(key), now)));
    if (was === is) continue;
    const message = `${host.node} by itself turns ${JSON.stringify(key)} from ${was} into ${is}`;
    throw new SimulationFailure("intent", message, { key, vector });
  }
}

function sweptKeys(sweep: NonNullable<RecordedEvent["sweep"]>, written: Written): Set<string> {
  const made = written.get(sweep.origin) ?? [];
  const within = made.filter(({ seq, add }) => {
    const inTime = add?.kind === "value" && add.deadline >= sweep.from && add.deadline <= sweep.to;
    return inTime && seq <= sweep.upTo && !sweep.except.has(seq);
  });
  return new Set(within.map(({ key }) => key));
}

function concerning(key: string, written: Written): RecordedEvent[] {
  return [...written.values()].flatMap((made) =>
    made.filter((event) => event.key === key || event.sweep !== null || event.clear !== null),
  );
}

function namedBy({ removesUpTo, removes, resets, sweep, clear }: RecordedEvent): RecordedDot[] {
  return [
    ...removesUpTo,
    ...removes,
    ...resets.map(({ origin, upTo }) => ({ origin, seq: upTo })),
    ...(sweep === null ? [] : [{ origin: sweep.origin, seq: sweep.upTo }]),
    ...Array.from(clear?.vector ?? [], ([origin, seq]) => ({ origin, seq })),
  ];
}

function keepsValue({ name }: Operation): boolean {
  return name === "expire" || name === "expireAt" || name === "persist" || name === "increment";
}

/** Keys of which nothing may be left but what the operation wrote. */
function replacedBy(operation: Operation, result: unknown): string[] {
  switch (operation.name) {
    case "set":
    case "setMany":
    case "delete":
    case "setStore":
    case "listStore":
      return result === false ? [] : keysOf(operation, []);
    case "rename":
      return result === true && operation.from !== operation.to ? [operation.from, operation.to] : [];
    case "copy":
      return result === true && operation.from !== operation.to ? [operation.to] : [];
    default:
      return [];
  }
}
