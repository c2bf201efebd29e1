/** The end: what every host holds against the model and the others, and what it took to get there. */
import type { Status } from "../../status.ts";
import type { Model } from "./model.ts";
import { shownCount } from "./report.ts";
import { type Stage, total, untilAgreed } from "./stage.ts";

const COUNTS = [
  ["events written", "eventsWritten"],
  ["events applied", "eventsApplied"],
  ["gaps found", "gaps"],
  ["replays asked for", "replaysRequested"],
  ["snapshots taken over", "snapshotsInstalled"],
  ["divergences", "divergences"],
] as const;

/** Compares everything and prints one column for each host. */
export async function showVerdict(stage: Stage): Promise<void> {
  const { fleet, model, report } = stage;
  const { statuses } = await untilAgreed(stage, []);
  const contents = await fleet.askAll("contents", undefined);
  const row = report.table([
    { head: "", width: 20 },
    ...fleet.all.map(({ name }) => ({ head: name, width: 16, right: true })),
  ]);
  row("start of the process", ...fleet.all.map(({ start }) => (start === 1 ? "first" : `number ${start}`)));
  row("keys", ...contents.map(({ size }) => shownCount(size)));
  row("digest", ...statuses.map(({ digest }) => digest));
  for (const [head, count] of COUNTS) row(head, ...statuses.map(({ counts }) => shownCount(counts[count])));
  for (const [index, status] of statuses.entries()) {
    const { name, start } = fleet.all[index]!;
    const keys = contents[index]!.size;
    report.fact("host", { host: name, start, keys, digest: status.digest, ...numbers(status) });
  }
  report.say("");

  const digests = new Set(statuses.map(({ digest }) => digest));
  report.check(
    digests.size === 1,
    "All digests are equal.",
    `The digests differ: ${[...digests].join(", ")}.`,
  );
  const wrong = wrongKeys(stage, contents);
  report.check(
    wrong.length === 0,
    `Every host holds exactly the ${shownCount(model.size)} keys that the writes come to.`,
    `Not as written are ${wrong.slice(0, 5).join(", ")}${wrong.length > 5 ? ` and ${wrong.length - 5} more` : ""}.`,
  );
  const visits = new Set(contents.map((shown) => shown.get("visits")));
  report.check(
    visits.size === 1 && visits.has(model.content("visits")),
    `The counter that all incremented, with a server and without, stands at ${stand(model)}: exact.`,
    `The counter should stand at ${stand(model)}: ${[...visits].join(", ")}.`,
  );
  const divergences = total(statuses, "divergences");
  report.check(divergences === 0, "No host ever diverged.", `Divergences were found: ${divergences}.`);
}

function wrongKeys({ fleet, model }: Stage, contents: readonly ReadonlyMap<string, string>[]): string[] {
  return contents.flatMap((shown, index) =>
    model.differences(shown).map((key) => `${key} on ${fleet.all[index]!.name}`),
  );
}

function stand(model: Model): string {
  return shownCount(Number(model.content("visits").split(": ")[1]));
}

function numbers({ counts }: Status): Record<string, number> {
  return Object.fromEntries(COUNTS.map(([, count]) => [count, counts[count]]));
}
