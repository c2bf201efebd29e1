/** The keys of a host with all that they hold, a part at a time, so that no more than that has to fit in memory. */
import { bytesOf, type HostClient, listOf, numberOf, textOf } from "../client/host-client.ts";
import { ALL_CURSORS, type DumpEntry, type DumpKeys, refused } from "./format.ts";

/** Keys of one step of SCAN, about. */
const STEP = 1_000;
/** What is asked for together holds about this many bytes; one key may hold more. */
const PART_BYTES = 4 * 1024 * 1024;

/**
 * Every key from a cursor on, in the order of cursors. Rejects as `HostClient.call`, and `DUMP_REFUSED` where the
 * host's cursors are none of Tidemark's.
 */
export async function* hostKeys(host: HostClient, match: string, from = 0): AsyncGenerator<DumpKeys> {
  for (let cursor = from; cursor < ALL_CURSORS; ) {
    const [next, step] = listOf(await host.call("SCAN", cursor, "MATCH", match, "COUNT", STEP));
    const following = numberOf(next!) || ALL_CURSORS;
    if (following <= cursor || following > ALL_CURSORS)
      throw refused(`${host.target.url} goes over its keys in another order; is it a host of this version?`);
    const parts = await inParts(host, listOf(step!).map(textOf));
    for (const [index, keys] of parts.entries()) {
      // Until the last part of a step only what came before the step is complete.
      yield {
        position: index === parts.length - 1 ? following : cursor,
        entries: await readKeys(host, keys),
      };
    }
    cursor = following;
  }
}

/** What keys hold; those that are not there are left out. Rejects as `HostClient.call`. */
export async function readKeys(host: HostClient, keys: readonly string[]): Promise<DumpEntry[]> {
  const answers = await Promise.all(
    keys.map((key) => Promise.all([host.call("DUMP", key), host.call("PEXPIRETIME", key)])),
  );
  return answers.flatMap(([payload, at], index) => {
    const expiresAt = numberOf(at);
    // It may have gone between the two.
    if (payload === null || expiresAt === -2) return [];
    return [{ key: keys[index]!, expiresAt: Math.max(0, expiresAt), payload: bytesOf(payload) }];
  });
}

/** At least one part, which may be empty. */
async function inParts(host: HostClient, keys: readonly string[]): Promise<string[][]> {
  const sizes = await Promise.all(keys.map((key) => host.call("MEMORY", "USAGE", key)));
  const parts: string[][] = [[]];
  let bytes = 0;
  for (const [index, key] of keys.entries()) {
    const size = sizes[index];
    const held = size === null || size === undefined ? 0 : numberOf(size);
    if (bytes > 0 && bytes + held > PART_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(key);
    bytes += held;
  }
  return parts;
}
