/** What every part of the demo works with, and how it waits until all hosts agree. */
import { setTimeout as delay } from "node:timers/promises";
import type { NatsServer } from "../../nats-server/nats-server.ts";
import type { Status, StatusCounts } from "../../status.ts";
import type { Token } from "../../tidemark.ts";
import type { Fleet } from "./fleet.ts";
import type { Model } from "./model.ts";
import type { Report } from "./report.ts";

export interface Stage {
  readonly fleet: Fleet;
  readonly server: NatsServer;
  readonly model: Model;
  readonly report: Report;
  readonly signal: AbortSignal;
}

const AGREE_LIMIT_MS = 15_000;
const LOOK_EVERY_MS = 10;

/**
 * Waits until every host has applied all these writes and all show one digest. Answers when the last host
 * had applied the last write, by the monotonic clock, and the statuses that agreed, or did not in time.
 */
export async function untilAgreed(
  { fleet, signal }: Stage,
  tokens: readonly Token[],
): Promise<{ appliedAt: bigint; agreed: boolean; statuses: Status[] }> {
  const times = await fleet.askAll("applied", tokens);
  const appliedAt = times.reduce((latest, at) => (at > latest ? at : latest));
  const limit = performance.now() + AGREE_LIMIT_MS;
  for (;;) {
    const statuses = await fleet.askAll("status", undefined);
    const agreed = new Set(statuses.map(({ digest, vectorHash }) => `${digest} ${vectorHash}`)).size === 1;
    if (agreed || performance.now() > limit) return { appliedAt, agreed, statuses };
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** One count over all hosts. */
export function total(statuses: readonly Status[], count: keyof StatusCounts): number {
  return statuses.reduce((sum, { counts }) => sum + counts[count], 0);
}
