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
  /** What is looked for: a key, or how many keys are under a prefix. */
  readonly look: { readonly key: string } | { readonly prefix: string; readonly keys: number };
}

const SESSION_TTL_MS = 1_500;
const PHOTO_BYTES = 4_096;
const INCREMENTS = 500;
const DRAFTS = 100;
const BULK_KEYS = 10_000;
const BULK_BATCH = 1_000;

/** Another kind of write each, in an order in which every one has something to work on. */
function acts(): Act[] {
  const bulk = Array.from({ length: BULK_KEYS }, (_, i) => [`item.${i}`, `value ${i}`] as [string, string]);
  const batches = Array.from({ length: BULK_KEYS / BULK_BATCH }, (_, i) =>
    bulk.slice(i * BULK_BATCH, (i + 1) * BULK_BATCH),
  );
  const drafts = Array.from({ length: DRAFTS }, (_, i) => [`draft.${i}`, "…"] as [string, string]);
  const one = (what: string, on: string, key: string, write: Write): Act => {
    return { what, on: [on], writes: [write], look: { key } };
  };
  const key = (name: string) => ({ key: name });
  return [
    one("set a string", "ann", "greeting", { op: "set", ...key("greeting"), value: "hello" }),
    one("set one with a ttl of 1.5 s", "ben", "session", {
      ...{ op: "set", ...key("session"), value: "s-1", ttl: SESSION_TTL_MS },
    }),
    one("set 4 KiB of bytes", "cid", "photo", { op: "set", ...key("photo"), value: randomBytes(PHOTO_BYTES) }),
    {
      what: `increment, ${INCREMENTS} times on each`,
      on: ["ann", "ben"],
      writes: [{ op: "increment", ...key("visits"), times: INCREMENTS }],
      look: key("visits"),
    },
    one("add 3 members to a set", "ben", "colours", {
      ...{ op: "setAdd", ...key("colours"), members: ["red", "green", "blue"] },
    }),
    one("remove one of them", "cid", "colours", { op: "setRemove", ...key("colours"), members: ["green"] }),
    one("push 2 to a list", "ann", "queue", { op: "listPush", ...key("queue"), values: ["b", "c"] }),
    one("put 1 in front of them", "ben", "queue", { op: "listUnshift", ...key("queue"), values: ["a"] }),
    one("pop the last", "cid", "queue", { op: "listPop", ...key("queue") }),
    one("give a key an hour to live", "ann", "greeting", { op: "expire", ...key("greeting"), ttl: "1h" }),
    one("delete a key", "ben", "photo", { op: "delete", ...key("photo") }),
    {
      what: `set ${DRAFTS} keys at once`,
      on: ["cid"],
      writes: [{ op: "setMany", entries: drafts }],
      look: { prefix: "draft.", keys: DRAFTS },
    },
    {
      what: "clear all under a prefix",
      on: ["ann"],
      writes: [{ op: "clear", prefix: "draft." }],
      look: { prefix: "draft.", keys: 0 },
    },
    {
      what: `load ${shownCount(BULK_KEYS)} keys`,
      on: ["ben"],
      writes: batches.map((entries) => ({ op: "setMany", entries })),
      look: key(`item.${BULK_KEYS - 1}`),
    },
  ];
}

/** Performs all acts and prints one line for each. */
export async function showKinds(stage: Stage): Promise<void> {
  const { report, fleet } = stage;
  const names = fleet.all.map(({ name }) => name);
  const row = report.table([
    { head: "write", width: 29 },
    { head: "made on", width: 9 },
    ...names.map((name) => ({ head: `seen on ${name}`, width: 11, right: true })),
  ]);
  const wrong: string[] = [];
  let session: { startedAt: bigint; gone: Promise<bigint[]> } | undefined;
  for (const act of acts()) {
    const { cells, startedAt } = await perform(stage, act, wrong);
    row(act.what, act.on.join(" + "), ...cells);
    // From now on everybody looks for the moment in which it is gone.
    if ("key" in act.look && act.look.key === "session") {
      session = { startedAt, gone: await firstShown(stage, names, { key: "session", content: ABSENT }) };
    }
  }
  report.say("");
  report.check(wrong.length === 0, "Every write returned what it must, as if nobody else wrote.", wrong.join("; "));
  await showExpiry(stage, session!);
}

async function perform(stage: Stage, act: Act, wrong: string[]): Promise<{ cells: string[]; startedAt: bigint }> {
  const { fleet, model, report } = stage;
  const alone = act.on.length === 1;
  const musts = act.on.map(() => act.writes.map((write) => model.apply(write)));
  const expectation = "key" in act.look ? { ...act.look, content: model.content(act.look.key) } : act.look;
  // Of a write that two hosts make, each is also a reader of the other's.
  const readers = fleet.all.filter(({ name }) => !alone || name !== act.on[0]).map(({ name }) => name);
  const seen = await firstShown(stage, readers, expectation);
  const made = await Promise.all(act.on.map((name) => fleet.host(name).ask("write", { writes: act.writes })));
  for (const [index, { returned }] of made.entries()) {
    if (!alone || isDeepStrictEqual(returned, musts[index])) continue;
    wrong.push(`${act.what}: ${act.on[index]} returned ${JSON.stringify(returned)}, not ${JSON.stringify(musts[index])}`);
  }
  const startedAt = made.reduce((latest, { startedAt: at }) => (at > latest ? at : latest), 0n);
  const times = await seen;
  const oneWay = new Map(readers.map((name, index) => [name, msBetween(startedAt, times[index]!)]));
  report.fact("write", { what: act.what, on: act.on, oneWayMs: Object.fromEntries(oneWay) });
  const cells = fleet.all.map(({ name }) => {
    const ms = oneWay.get(name);
    return ms === undefined ? report.paint("here", "dim") : shownMs(ms);
  });
  return { cells, startedAt };
}

/** Has hosts look for something; settles once all of them do, with the promise of when each first saw it. */
async function firstShown(
  { fleet }: Stage,
  names: readonly string[],
  expectation: Expectation,
): Promise<Promise<bigint[]>> {
  const hosts = names.map((name) => fleet.host(name));
  const numbers = await Promise.all(hosts.map((host) => host.ask("expect", expectation)));
  return Promise.all(hosts.map((host, index) => host.ask("seen", numbers[index]!)));
}

async function showExpiry(
  { fleet, model, report }: Stage,
  session: { startedAt: bigint; gone: Promise<bigint[]> },
): Promise<void> {
  const lived = (await session.gone).map((at) => msBetween(session.startedAt, at));
  model.expired("session");
  const shown = fleet.all.map(({ name }, index) => `${name} after ${lived[index]!.toFixed(1)} ms`);
  const apart = Math.max(...lived) - Math.min(...lived);
  report.fact("expiry", { ttlMs: SESSION_TTL_MS, livedMs: lived, apartMs: apart });
  const early = Math.min(...lived) < SESSION_TTL_MS - 1;
  report.check(
    !early,
    `The key with a ttl of ${SESSION_TTL_MS} ms went by itself: ${shown.join(", ")}.`,
    `The key with a ttl of ${SESSION_TTL_MS} ms went too early: ${shown.join(", ")}.`,
  );
}
