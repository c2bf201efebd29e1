/** One host is killed and started again while the others go on writing: it joins by a snapshot and the tail. */
import { counted, shownMs } from "./report.ts";
import { type Stage, untilAgreed } from "./stage.ts";
import type { Write } from "./writes.ts";

const KILLED = "cid";
const WHILE_GONE = 1_000;
const WHILE_JOINING = 200;
const WRITE_EVERY_MS = 4;

/** Kills the host, writes without it, starts it again, writes on, and looks at what it came to have. */
export async function showRestart(stage: Stage): Promise<void> {
  const { fleet, model, report } = stage;
  const old = fleet.host(KILLED);
  const { incarnation: oldIncarnation } = await old.ask("status", undefined);
  await old.kill();
  report.say(`${KILLED} (process ${old.pid}) was killed with SIGKILL.`);

  const writers = fleet.others(KILLED);
  const gone = writers.map(({ name }) => changes(name, "gone", WHILE_GONE));
  for (const writes of gone) for (const write of writes) model.apply(write);
  await Promise.all(writers.map((host, index) => host.ask("write", { writes: gone[index]! })));
  const made = gone.reduce((sum, writes) => sum + writes.length, 0);
  report.say(`Without it, ${writers.map(({ name }) => name).join(" and ")} made ${counted(made, "write")}.`);

  const late = writers.map(({ name }) => changes(name, "late", WHILE_JOINING));
  for (const writes of late) for (const write of writes) model.apply(write);
  const [paced, started] = await Promise.all([
    Promise.all(
      writers.map((host, index) => host.ask("pace", { writes: late[index]!, everyMs: WRITE_EVERY_MS })),
    ),
    fleet.start(KILLED),
  ]);
  const { agreed, statuses } = await untilAgreed(
    stage,
    paced.map(({ token }) => token),
  );
  const status = statuses.find(({ node }) => node === KILLED)!;
  const { snapshotsInstalled: snapshots, replaysRequested: replays } = status.counts;
  report.say(
    `Started again, while the others wrote on, it was ready after ${shownMs(started.tookMs)}, of which it took ` +
      `${shownMs(started.readyMs)} to connect and catch up. By then it held ${counted(started.keys, "key")}; ` +
      `${counted(snapshots, "snapshot")} taken over, ${counted(replays, "replay")} asked for.`,
  );
  report.fact("restart", {
    host: KILLED,
    writesWithoutIt: made,
    tookMs: started.tookMs,
    readyMs: started.readyMs,
    keysWhenReady: started.keys,
    snapshotsInstalled: snapshots,
    replaysRequested: replays,
  });
  report.check(started.incarnation !== oldIncarnation, "It came back as a new incarnation.");
  report.check(snapshots > 0, "It joined by a snapshot.", "It installed no snapshot.");
  report.check(agreed, `All three hosts agree again: digest ${status.digest}.`, "The hosts do not agree.");
}

/** New keys, changed ones, a counter and a set; some of what the killed host had is deleted. */
function changes(name: string, round: string, count: number): Write[] {
  return Array.from({ length: count }, (_, i): Write => {
    const key = `${name}.${round}.${i}`;
    switch (i % 5) {
      case 0:
        return { op: "increment", key: "visits", times: 1 };
      case 1:
        return { op: "setAdd", key: "seen", members: [key] };
      case 2:
        return { op: "set", key: `item.${name === "ann" ? i : 5_000 + i}`, value: key };
      default:
        return { op: "set", key, value: `${round} ${i}` };
    }
  });
}
