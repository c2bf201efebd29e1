/** The keys of a host with all that they hold, a part at a time, so that no more than that has to fit in memory. */
import { encodeDump } from "../../providers/resp/dump.ts";
import { read } from "../client/held.ts";
import { bytesOf, type HostClient, listOf, numberOf, textOf } from "../client/host-client.ts";
import { ALL_CURSORS, type DumpEntry, type DumpKeys, LARGEST_BLOCK_BYTES, refused } from "./format.ts";

/** Keys of one step of SCAN, about. */
const STEP = 1_000;
/** What is asked for together holds about this many bytes; one key may hold more. */
const PART_BYTES = 4 * 1024 * 1024;
/** A host cuts off whom it would have to send much more than this at once. */
const LARGE_BYTES = 16 * 1024 * 1024;
const LARGEST_BYTES = LARGEST_BLOCK_BYTES - 1024 * 1024;
/** What PEXPIRETIME answers of a key that is not there. */
const GONE = -2;

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
    const keys = listOf(step!).map(textOf);
    // Until the last part of a step only what came before the step is complete.
    for await (const entries of readKeys(host, keys)) yield { position: cursor, entries };
    yield { position: following, entries: [] };
    cursor = following;
  }
}

/** What keys hold, in parts; those that are not there are left out. Rejects as `HostClient.call`, and `DUMP_REFUSED`. */
export async function* readKeys(host: HostClient, keys: readonly string[]): AsyncGenerator<DumpEntry[]> {
  const sizes = await Promise.all(keys.map((key) => host.call("MEMORY", "USAGE", key)));
  let part: string[] = [];
  let bytes = 0;
  for (const [index, key] of keys.entries()) {
    const size = sizes[index] ?? null;
    const held = size === null ? 0 : numberOf(size);
    if (held > LARGE_BYTES) {
      const entry = await readLarge(host, key, held);
      if (entry !== undefined) yield [entry];
      continue;
    }
    if (bytes > 0 && bytes + held > PART_BYTES) {
      yield await readPart(host, part);
      part = [];
      bytes = 0;
    }
    part.push(key);
    bytes += held;
  }
  if (part.length > 0) yield await readPart(host, part);
}

async function readPart(host: HostClient, keys: readonly string[]): Promise<DumpEntry[]> {
  const answers = await Promise.all(
    keys.map((key) => Promise.all([host.call("DUMP", key), host.call("PEXPIRETIME", key)])),
  );
  return answers.flatMap(([payload, at], index) => {
    const expiresAt = numberOf(at);
    // It may have gone between the two.
    if (payload === null || expiresAt === GONE) return [];
    return [{ key: keys[index]!, expiresAt: Math.max(0, expiresAt), payload: bytesOf(payload) }];
  });
}

/** Piece by piece, since a host does not send so much at once. */
async function readLarge(host: HostClient, key: string, bytes: number): Promise<DumpEntry | undefined> {
  if (bytes > LARGEST_BYTES)
    throw refused(`${key} holds about ${bytes} bytes, more than a dump takes of one key`);
  const held = await read(host, key);
  const expiresAt = numberOf(await host.call("PEXPIRETIME", key));
  if (held === undefined || expiresAt === GONE) return undefined;
  const values = held.type === "string" ? [held.value] : held.values;
  return { key, expiresAt: Math.max(0, expiresAt), payload: encodeDump(held.type, values) };
}
