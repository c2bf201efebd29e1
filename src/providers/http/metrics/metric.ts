/** What a metric is: a name by Prometheus's conventions, a sentence, and how it is read. Tables of them are data. */
import type { Figures } from "../figures.ts";

/** One value among several of a metric, told apart by labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** `undefined`: there is nothing to tell of, and the metric is left out. */
export type Reading = number | boolean | undefined | readonly Sample[];

export interface Metric {
  /** Counters end in `_total`; the unit comes before that: `_bytes`, `_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge";
  /** Besides `namespace` and `node`, which all have. */
  readonly labels: readonly string[];
  read(figures: Figures): Reading;
}

/** A count since start. */
export function counter(
  name: string,
  help: string,
  read: Metric["read"],
  labels: readonly string[] = [],
): Metric {
  return { name, help, kind: "counter", labels, read };
}

/** How something stands now. */
export function gauge(
  name: string,
  help: string,
  read: Metric["read"],
  labels: readonly string[] = [],
): Metric {
  return { name, help, kind: "gauge", labels, read };
}

export function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}

/** What a metric reads, as samples; numbers and yes or no become one without labels. */
export function samplesOf(metric: Metric, figures: Figures): readonly Sample[] {
  const reading = metric.read(figures);
  if (reading === undefined) return [];
  return typeof reading === "object" ? reading : [{ labels: {}, value: Number(reading) }];
}
