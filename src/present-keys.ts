/**
 * What a watcher gets first: the keys that are there, each read when its turn comes. What has expired of a key by
 * then is told before it is read: told later, it would be of what this watcher has never seen.
 */

import type { Reads } from "./reads.ts";
import type { KeyChange } from "./watch.ts";

export function* presentKeys(
  reads: Reads,
  matches: (key: string) => boolean,
  tellExpired: (key: string) => void,
  at: number,
): Generator<KeyChange> {
  for (const key of reads.keys()) {
    if (!matches(key)) continue;
    tellExpired(key);
    const kind = reads.type(key);
    if (kind === undefined) continue;
    const base = {
      type: "set",
      key,
      kind,
      previous: undefined,
      removed: [],
      origin: undefined,
      at,
      folded: 0,
    } as const;
    if (kind === "string") yield { ...base, value: reads.value(key), added: [] };
    else
      yield {
        ...base,
        value: undefined,
        added: kind === "set" ? reads.setMembers(key) : reads.listRange(key),
      };
  }
}
