/**
 * Nothing that was loaded stands where another host removed or wrote the key without having seen it, and the loader
 * had not seen that when it entered what it had loaded: it may be older than what that host knew.
 */
import type { Host } from "../../src/host.ts";
import { SimulationFailure, type Written } from "./checks.ts";
import type { RecordedEvent } from "./recorded.ts";

type Vector = ReadonlyMap<string, number>;

/** What hosts had applied when they entered what they had loaded. */
export class Staleness {
  readonly #seen = new Map<string, Vector>();

  /** Notes an event that was just written. */
  wrote(host: Host, { origin, seq, add }: RecordedEvent): void {
    if (add?.kind === "value" && add.loaded) this.#seen.set(`${origin}/${seq}`, host.inspect().vector);
  }

  /** Fails if a host still holds something loaded that was overtaken. */
  check(hosts: readonly Host[], written: Written): void {
    // Where nobody is left who knew the loader, nobody can tell: it and all of those have died within seconds. Nor can
    // a loader that was alone from its start, and so let go for room of what nobody else had seen.
    const statuses = hosts.map((host) => host.status());
    const known = new Set(
      statuses.flatMap(({ hosts: peers }) => peers.map(({ incarnation }) => incarnation)),
    );
    for (const { incarnation, partial } of statuses) {
      if (partial) known.delete(incarnation);
      else known.add(incarnation);
    }
    for (const host of hosts) {
      const { keys, vector } = host.inspect();
      for (const [key, { entries }] of keys) {
        for (const { kind, origin, seq, loaded } of entries) {
          if (kind !== "value" || loaded !== true) continue;
          const seen = this.#seen.get(`${origin}/${seq}`);
          if (seen === undefined || !known.has(origin)) continue;
          const overtaking = [...written].flatMap(([other, made]) =>
            other === origin ? [] : made.slice(seen.get(other) ?? 0, vector.get(other) ?? 0),
          );
          const found = overtaking.find((event) => overtakes(event, key, { origin, seq }));
          if (found === undefined) continue;
          const message = `${host.node} holds ${origin}/${seq} of ${JSON.stringify(key)}, loaded, which ${found.origin}/${found.seq} overtook`;
          throw new SimulationFailure("stale", message, { key, vector });
        }
      }
    }
  }
}

function overtakes(event: RecordedEvent, key: string, loaded: { origin: string; seq: number }): boolean {
  const { sweep, clear, removesUpTo, removes, resets, increment, add } = event;
  if (sweep !== null) return false;
  if (clear !== null)
    return key.startsWith(clear.prefix) && (clear.vector.get(loaded.origin) ?? 0) < loaded.seq;
  if (event.key !== key || (add?.kind === "value" && add.loaded)) return false;
  if (removesUpTo.length > 0) return true;
  if (increment !== null || add?.kind === "deadline" || add?.kind === "commit") return false;
  return add !== null || removes.length + resets.length === 0;
}
