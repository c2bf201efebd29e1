/**
 * The metrics as text for Prometheus, made by prom-client, which is loaded at the first scrape. Everything is
 * read when it is asked for; between scrapes nothing is counted or kept here.
 */
import { TidemarkError } from "../../../errors.ts";
import type { Figures } from "../figures.ts";
import { doorMetrics, processMetrics } from "./door-metrics.ts";
import { hostMetrics } from "./host-metrics.ts";
import { loaderMetrics } from "./loader-metrics.ts";
import { type Metric, samplesOf } from "./metric.ts";
import { replicationMetrics } from "./replication-metrics.ts";

type PromClient = Pick<typeof import("prom-client"), "Registry" | "Counter" | "Gauge">;

/** All there are, in the order they are told. */
export const METRICS: readonly Metric[] = [
  ...hostMetrics,
  ...replicationMetrics,
  ...loaderMetrics,
  ...doorMetrics,
  ...processMetrics,
];

export interface Exposition {
  /** The media type, with its version. */
  readonly type: string;
  readonly text: string;
}

/** Rejects `MISSING_PACKAGE` where prom-client is not installed. */
export async function expose(
  figures: Figures,
  load: () => Promise<PromClient> = () => import("prom-client"),
): Promise<Exposition> {
  const { Registry, Counter, Gauge } = await promClient(load);
  // A registry of this scrape's own: what is gone, such as a host, leaves no series behind.
  const registry = new Registry();
  const { namespace, node } = figures.status;
  registry.setDefaultLabels({ namespace, node });
  for (const metric of METRICS) {
    const samples = samplesOf(metric, figures);
    if (samples.length === 0) continue;
    const { name, help, labels: labelNames } = metric;
    const options = { name, help, labelNames, registers: [registry] };
    if (metric.kind === "counter") {
      const counter = new Counter(options);
      for (const { labels, value } of samples) counter.inc(labels, value);
    } else {
      const gauge = new Gauge(options);
      for (const { labels, value } of samples) gauge.set(labels, value);
    }
  }
  return { type: registry.contentType, text: await registry.metrics() };
}

async function promClient(load: () => Promise<PromClient>): Promise<PromClient> {
  try {
    return await load();
  } catch (cause) {
    const sentence = "metrics need the package prom-client: npm install prom-client@15";
    throw new TidemarkError("MISSING_PACKAGE", sentence, { cause });
  }
}
