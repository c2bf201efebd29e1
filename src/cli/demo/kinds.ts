/** Every kind of write, made on one host and looked for on the others, which watch for it from before. */
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { ABSENT } from "./content.ts";
import type { Expectation } from "./orders.ts";
import { msBetween, shownCount, shownMs } from "./report.ts";
import type { Stage } from "./stage.ts";
import type { Write } from "./writes.ts";

interface Act {
  readonly what: string;
  /** On which hosts; each of them does all the writes. */
  readonly on: readonly string[];
  readonly writes: readonly Write[];
  /** The key that is looked for: the last that is written. */
  readonly key: string;
}

const SESSION = "session";
const SESSION_TTL_MS = 1_500;
const PHOTO_BYTES = 4_096;
const INCREMENTS = 100;
const DRAFTS = 100;
const BULK_KEYS = 10_000;
const BULK_BATCH = 1_000;

/** Another kind of write each, in an order in which every one has something to work on. */
function acts(): Act[] {
  const one = (what: string, host: string, key: string, write: Write): Act => {
    return { what, on: [host], writes: [write], key };
  };
  const many = (name: string, from: number, count: number): Write => {
    const entries = Array.from({ length: count }, (_, i): [string, string] => {
      return [`${name}.${from + i}`, `value ${from + i}`];
    });
    return { op: "setMany", entries };
  };
  const batches = BULK_KEYS / BULK_BATCH;
  const lastDraft = `draft.${DRAFTS - 1}`;
  return [
    {
      what: `load ${shownCount(BULK_KEYS)} keys`,
      on: ["ben"],
      writes: Array.from({ length: batches }, (_, i) => many("item", i * BULK_BATCH, BULK_BATCH)),
      key: `item.${BULK_KEYS - 1}`,
    },
    one("set a string", "ann", "greeting", { op: "set", key: "greeting", value: "hello" }),
    one("set one with a ttl of 1.5 s", "ben", SESSION, {
      op: "set",
      key: SESSION,
      value: "s-1",
      ttl: SESSION_TTL_MS,
    }),
    one("set 4 KiB of bytes", "cid", "photo", { op: "set", key: "photo", value: randomBytes(PHOTO_BYTES) }),
    {
      what: `increment, ${INCREMENTS} times on each`,
      on: ["ann", "ben"],
      writes: [{ op: "increment", key: "visits", times: INCREMENTS }],
      key: "visits",
    },
    one("add 3 members to a set", "ben", "colours", {
      op: "setAdd",
      key: "colours",
      members: ["red", "green", "blue"],
    }),
    one("remove one of them", "cid", "colours", { op: "setRemove", key: "colours", members: ["green"] }),
    one("push 2 to a list", "ann", "queue", { op: "listPush", key: "queue", values: ["b", "c"] }),
    one("put 1 in front of them", "ben", "queue", { op: "listUnshift", key: "queue", values: ["a"] }),
    one("pop the last", "cid", "queue", { op: "listPop", key: "queue" }),
    one("give a key an hour to live", "ann", "greeting", { op: "expire", key: "greeting", ttl: "1h" }),
    one("delete a key", "ben", "photo", { op: "delete", key: "photo" }),
    one(`set ${DRAFTS} keys at once`, "cid", lastDraft, many("draft", 0, DRAFTS)),
    one("clear all under a prefix", "ann", lastDraft, { op: "clear", prefix: "draft." }),
  ];
}

/** Performs all acts and prints one line for each. */
export async function showKinds(stage: Stage): Promise<void> {
  const { report, fleet } = stage;
  const names = fleet.all.map(({ name }) => name);
  const row = report.table([
    { head: "write", width: 29 },
    { head: "made on", width: 9 },
    ...names.map((name) => ({ head: `on ${name}`, width: 9, right: true })),
  ]);
  const wrong: string[] = [];
  let session: { startedAt: bigint; gone: Promise<bigint[]> } | undefined;
  for (const act of acts()) {
    const { cells, startedAt } = await perform(stage, act, wrong);
    row(act.what, act.on.join(" + "), ...cells);
    // From now on everybody looks for the moment in which it is gone.
    if (act.key === SESSION) {
      const { times } = await firstShown(stage, names, { key: SESSION, content: ABSENT });
      session = { startedAt, gone: times };
    }
  }
  report.say("");
  report.check(wrong.length === 0, "Every write returned what it must.", wrong.join("; "));
  await showExpiry(stage, session!);
}

async function perform(
  stage: Stage,
  act: Act,
  wrong: string[],
): Promise<{ cells: string[]; startedAt: bigint }> {
  const { fleet, model, report } = stage;
  const alone = act.on.length === 1;
  const musts = act.on.map(() => act.writes.map((write) => model.apply(write)));
  const expectation = { key: act.key, content: model.content(act.key) };
  // Of a write that two hosts make, each is also a reader of the other's.
  const readers = fleet.all.filter(({ name }) => !alone || name !== act.on[0]).map(({ name }) => name);
  const seen = await firstShown(stage, readers, expectation);
  const made = await Promise.all(act.on.map((name) => fleet.host(name).ask("write", { writes: act.writes })));
  for (const [index, { returned }] of made.entries()) {
    if (!alone || isDeepStrictEqual(returned, musts[index])) continue;
    wrong.push(
      `${act.what}: ${act.on[index]} returned ${JSON.stringify(returned)}, not ${JSON.stringify(musts[index])}`,
    );
  }
  const startedAt = made.reduce((latest, { startedAt: at }) => (at > latest ? at : latest), 0n);
  const times = await seen.times;
  const oneWay = new Map(readers.map((name, index) => [name, msBetween(startedAt, times[index]!)]));
  report.fact("write", { what: act.what, on: act.on, oneWayMs: Object.fromEntries(oneWay) });
  const cells = fleet.all.map(({ name }) => {
    const ms = oneWay.get(name);
    return ms === undefined ? report.paint("here", "dim") : shownMs(ms);
  });
  return { cells, startedAt };
}

/** Has hosts look for something; settles once all of them do, with the times at which each first saw it. */
async function firstShown(
  { fleet }: Stage,
  names: readonly string[],
  expectation: Expectation,
): Promise<{ times: Promise<bigint[]> }> {
  const hosts = names.map((name) => fleet.host(name));
  const numbers = await Promise.all(hosts.map((host) => host.ask("expect", expectation)));
  const times = Promise.all(hosts.map((host, index) => host.ask("seen", numbers[index]!)));
  times.catch(() => undefined); // whoever awaits them is told
  return { times };
}

async function showExpiry(
  { fleet, model, report }: Stage,
  session: { startedAt: bigint; gone: Promise<bigint[]> },
): Promise<void> {
  const lived = (await session.gone).map((at) => msBetween(session.startedAt, at));
  model.expired(SESSION);
  const shown = fleet.all.map(({ name }, index) => `${name} after ${lived[index]!.toFixed(1)} ms`);
  const apart = Math.max(...lived) - Math.min(...lived);
  report.fact("expiry", { ttlMs: SESSION_TTL_MS, livedMs: lived, apartMs: apart });
  const early = Math.min(...lived) < SESSION_TTL_MS - 1;
  report.check(
    !early,
    `The key with a ttl of ${shownMs(SESSION_TTL_MS)} was gone on ${shown.join(", ")}.`,
    `The key with a ttl of ${shownMs(SESSION_TTL_MS)} was gone too early: on ${shown.join(", ")}.`,
  );
}
