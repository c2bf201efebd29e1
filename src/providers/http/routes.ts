/** What is served, path by path. */
import { TidemarkError } from "../../errors.ts";
import type { HostState, Status } from "../../status.ts";
import { type Answer, json, refusal } from "./answer.ts";
import type { Figures } from "./figures.ts";
import { expose } from "./metrics/exposition.ts";

/** What answers are made of; gathered when one needs it. */
export interface Sources {
  status(): Status;
  figures(): Figures;
}

export type Route = (sources: Sources) => Answer | Promise<Answer>;

export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  // Not even the status is looked at: a process that answers works.
  ["/healthz", () => json(200, { ok: true })],
  ["/readyz", (sources) => readiness(sources.status())],
  ["/status", (sources) => json(200, sources.status())],
  ["/metrics", (sources) => metrics(sources.figures())],
]);

async function metrics(figures: Figures): Promise<Answer> {
  try {
    const { type, text } = await expose(figures);
    return { status: 200, type, body: text };
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== "MISSING_PACKAGE") throw error;
    return refusal(501, error.code, error.message);
  }
}

function readiness({ state, reason, node, incarnation, keys }: Status): Answer {
  const ready = state === "ready" || state === "standalone";
  const why = ready ? undefined : (DEPARTURES[state] ?? reason);
  return json(ready ? 200 : 503, { ready, state, reason: why, node, incarnation, keys });
}

const DEPARTURES: Partial<Record<HostState, string>> = {
  leaving: "it is draining and about to stop",
  closed: "it has stopped",
};
