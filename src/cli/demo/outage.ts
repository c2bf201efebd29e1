/** The nats-server is killed and started again while all hosts read and write on; then all must have all. */
import type { Status, StatusCounts } from "../../status.ts";
import { counted, msBetween, shownMs } from "./report.ts";
import { type Stage, total, untilAgreed } from "./stage.ts";
import type { Write } from "./writes.ts";

const WRITES = 400;
const WRITE_EVERY_MS = 4;
const CONTESTED = "captain";

/** Kills the server, has every host write and read, restarts it, and measures until all agree. */
export async function showOutage(stage: Stage): Promise<void> {
  const { fleet, model, report, server } = stage;
  if (!server.restartable) {
    report.say("Skipped: the server of NATS_URL is not ours to kill. Unset NATS_URL to see this part.");
    report.fact("outage", { skipped: "the server of NATS_URL is not ours to kill" });
    return;
  }
  const before = await fleet.askAll("status", undefined);
  await server.kill();
  const killedAt = process.hrtime.bigint();
  const plans = fleet.all.map(({ name }) => changes(name));
  const paced = await Promise.all(
    fleet.all.map((host, index) => host.ask("pace", { writes: plans[index]!, everyMs: WRITE_EVERY_MS })),
  );
  const during = await fleet.askAll("status", undefined);
  for (const writes of plans) for (const write of writes) model.apply(write);
  const written = plans.reduce((sum, writes) => sum + writes.length, 0);
  const reads = paced.reduce((sum, host) => sum + host.reads, 0);
  const unread = paced.reduce((sum, host) => sum + host.unread, 0);
  const orderedAt = process.hrtime.bigint();
  await server.restart();
  const upAt = process.hrtime.bigint();
  report.say(
    `The server was killed with SIGKILL and gone for ${shownMs(msBetween(killedAt, upAt))}. Meanwhile the three ` +
      `hosts made ${counted(written, "write")} and ${counted(reads, "read")}.`,
  );
  const { appliedAt, agreed, statuses } = await untilAgreed(
    stage,
    paced.map(({ token }) => token),
  );
  const agreedMs = msBetween(upAt, appliedAt);
  report.say(
    `The server was up ${shownMs(msBetween(orderedAt, upAt))} after it was started again, and ` +
      `${shownMs(agreedMs)} later every host had every write.`,
  );
  const counts = changesOf(before, statuses);
  const why = "The hosts came back at different moments, so some missed what another had sent by then: ";
  report.say(
    `${counts.gaps > 0 ? why : ""}${counted(counts.gaps, "gap")} found, ` +
      `${counted(counts.replaysServed, "replay")} given, ` +
      `${counted(counts.republished, "batch", "batches")} published twice, ` +
      `${counted(counts.snapshotsInstalled, "snapshot")} taken over.`,
  );
  report.fact("outage", { downMs: msBetween(killedAt, upAt), written, reads, unread, agreedMs, ...counts });
  report.check(
    during.every(({ connected }) => !connected),
    "No host had a connection while these writes were made.",
    "Some host still had a connection while the server was down.",
  );
  report.check(
    unread === 0,
    "Every read found what had been written.",
    `${counted(unread, "read")} did not see what was written.`,
  );
  report.check(agreed, "All three hosts agree again.", "The hosts do not agree.");
  await checkContested(stage);
}

/** One key that every host set to something else while it heard of no other: one of them wins everywhere. */
async function checkContested({ fleet, model, report }: Stage): Promise<void> {
  const shown = new Set(await fleet.askAll("show", CONTESTED));
  const winner = fleet.all.find(({ name }) => {
    model.apply(contested(name));
    return shown.has(model.content(CONTESTED));
  });
  report.check(
    winner !== undefined && shown.size === 1,
    `All three had set "${CONTESTED}" to their own name; now every host shows "${winner?.name}".`,
    `The hosts show different things of "${CONTESTED}": ${[...shown].join(" | ")}.`,
  );
}

function contested(name: string): Write {
  return { op: "set", key: CONTESTED, value: name };
}

/** Own keys, a counter and a set that all share, and at last the key that all contest. */
function changes(name: string): Write[] {
  return Array.from({ length: WRITES }, (_, i): Write => {
    if (i === WRITES - 1) return contested(name);
    if (i % 4 === 0) return { op: "increment", key: "visits", times: 1 };
    if (i % 4 === 1) return { op: "setAdd", key: "seen", members: [`${name}.offline.${i}`] };
    if (i % 4 === 2) return { op: "listPush", key: `log.${name}`, values: [`entry ${i}`] };
    return { op: "set", key: `${name}.offline.${i}`, value: `written without a server, ${i}` };
  });
}

const SHOWN = [
  "republished",
  "gaps",
  "replaysRequested",
  "replaysServed",
  "snapshotsInstalled",
  "duplicates",
] as const;

function changesOf(
  before: readonly Status[],
  after: readonly Status[],
): Record<(typeof SHOWN)[number], number> {
  const change = (name: keyof StatusCounts) => total(after, name) - total(before, name);
  return Object.fromEntries(SHOWN.map((name) => [name, change(name)])) as Record<
    (typeof SHOWN)[number],
    number
  >;
}
