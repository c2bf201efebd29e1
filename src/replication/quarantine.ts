/**
 * Who sent what had to be refused, and why. Kept by host name, which NATS permissions vouch for on events
 * and heartbeats; on requests and answers it is what the sender says of itself. Bounded: of many names the
 * one that was quiet longest is forgotten.
 */
import type { Refusal, Told } from "./replication-event.ts";

const MAX_SUSPECTS = 128;
/** The same is told at most this often, milliseconds. */
const TELL_EVERY_MS = 1_000;
/** Where the sender cannot be known. */
export const UNKNOWN_SENDER = "?";

/** What one host is remembered for. */
export interface Suspect {
  readonly node: string;
  readonly counts: Map<Refusal, number>;
  detail: string;
  /** Wall clock, milliseconds since 1970. */
  at: number;
  readonly told: Map<Refusal, { readonly at: number; readonly count: number }>;
}

export interface QuarantinePorts {
  now(): number;
  monotonic(): number;
  tell(event: Told): void;
}

export class Quarantine {
  readonly #ports: QuarantinePorts;
  readonly #suspects = new Map<string, Suspect>();
  #refused = 0;

  constructor(ports: QuarantinePorts) {
    this.#ports = ports;
  }

  /** Messages refused; what was taken with a remark, or left out of a flood, does not count. */
  get refused(): number {
    return this.#refused;
  }

  all(): Iterable<Suspect> {
    return this.#suspects.values();
  }

  of(node: string): ReadonlyMap<Refusal, number> | undefined {
    return this.#suspects.get(node)?.counts;
  }

  note(node: string, reason: Refusal, detail: string): void {
    if (reason !== "future-stamp" && reason !== "flood") this.#refused++;
    const suspect = this.#suspects.get(node) ?? newSuspect(node);
    // Moved to the end: the first is the one that was quiet longest.
    this.#suspects.delete(node);
    this.#suspects.set(node, suspect);
    if (this.#suspects.size > MAX_SUSPECTS) this.#suspects.delete(this.#suspects.keys().next().value!);
    const count = (suspect.counts.get(reason) ?? 0) + 1;
    suspect.counts.set(reason, count);
    suspect.detail = `${reason}: ${detail}`;
    suspect.at = this.#ports.now();
    this.#tell(suspect, reason, detail, count);
  }

  #tell(suspect: Suspect, reason: Refusal, detail: string, count: number): void {
    const now = this.#ports.monotonic();
    const last = suspect.told.get(reason);
    if (last !== undefined && now - last.at < TELL_EVERY_MS) return;
    suspect.told.set(reason, { at: now, count });
    const since = count - (last?.count ?? 0);
    this.#ports.tell({ type: "quarantine", node: suspect.node, reason, detail, count: since });
  }
}

function newSuspect(node: string): Suspect {
  return { node, counts: new Map(), detail: "", at: 0, told: new Map() };
}
