/** What is served, path by path. */
import { TidemarkError } from "../../errors.ts";
import type { HostState, Status } from "../../status.ts";
import { type Answer, json, refusal } from "./answer.ts";
import type { Figures } from "./figures.ts";
import { expose } from "./metrics/exposition.ts";

/** What answers are made of; gathered when one needs it. */
export interface Sources {
  readonly page: Answer;
  status(): Status;
  figures(): Figures;
}

export interface Route {
  /** Whether it is answered to who has no token. */
  readonly open: boolean;
  /** `stream`: the answer goes on until one of the two leaves. */
  readonly answer: "stream" | ((sources: Sources) => Answer | Promise<Answer>);
}

export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ["/", { open: true, answer: ({ page }) => page }],
  // Not even the status is looked at: a process that answers works.
  ["/healthz", { open: true, answer: () => json(200, { ok: true }) }],
  ["/readyz", { open: true, answer: (sources) => readiness(sources.status()) }],
  ["/status", { open: false, answer: (sources) => json(200, sources.status()) }],
  ["/metrics", { open: false, answer: (sources) => metrics(sources.figures()) }],
  ["/events", { open: false, answer: "stream" }],
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
