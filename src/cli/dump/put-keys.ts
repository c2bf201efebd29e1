/** Gives a host what a dump holds, several keys at a time, and waits where the host cannot take more. */
import { setTimeout as delay } from "node:timers/promises";
import { TidemarkError } from "../../errors.ts";
import { parseDump } from "../../providers/resp/dump.ts";
import { bytesOf, type HostClient, type Reply } from "../client/host-client.ts";
import { type DumpEntry, refused } from "./format.ts";

/** What became of keys. */
export interface PutCounts {
  restored: number;
  /** They were there, and were not to be replaced. */
  left: number;
  /** Their time had come before they were restored. */
  expired: number;
}

/** A host takes an argument of 16 MiB; what is larger goes in pieces. */
const WHOLE_BYTES = 8 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
/** On their way at a time. */
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;
const IN_FLIGHT_KEYS = 500;
/** A host that has too much to send to the others takes more once it has sent some. */
const BUSY_WAIT_MS = 100;
const BUSY_LIMIT_MS = 60_000;
const BUSY = ["BACKPRESSURE", "NOT_READY"];

/** Rejects as `HostClient.call`; what has been put by then stays. */
export async function putKeys(
  host: HostClient,
  entries: readonly DumpEntry[],
  replace: boolean,
  counts: PutCounts,
): Promise<void> {
  for (let from = 0; from < entries.length; ) {
    let to = from;
    for (
      let bytes = 0;
      to < entries.length && to - from < IN_FLIGHT_KEYS && (to === from || bytes < IN_FLIGHT_BYTES);
      to++
    )
      bytes += entries[to]!.payload.length;
    const outcomes = await Promise.all(entries.slice(from, to).map((entry) => put(host, entry, replace)));
    for (const outcome of outcomes) counts[outcome]++;
    from = to;
  }
}

async function put(host: HostClient, entry: DumpEntry, replace: boolean): Promise<keyof PutCounts> {
  if (entry.payload.length > WHOLE_BYTES) return putInPieces(host, entry, replace);
  const { key, expiresAt, payload } = entry;
  const options = [...(replace ? ["REPLACE"] : []), ...(expiresAt > 0 ? ["ABSTTL"] : [])];
  try {
    await patiently(() => host.call("RESTORE", key, expiresAt, payload, ...options));
  } catch (error) {
    if (error instanceof TidemarkError && /\bBUSYKEY\b/.test(error.message)) return "left";
    throw error;
  }
  return expiresAt > 0 && expiresAt <= Date.now() ? "expired" : "restored";
}

/** Visible piece by piece, unlike all others. */
async function putInPieces(host: HostClient, entry: DumpEntry, replace: boolean): Promise<keyof PutCounts> {
  const { key, expiresAt, payload } = entry;
  const { type, values } = parsed(entry);
  if (type === "string") throw refused(`${key} has ${payload.length} bytes, more than a host takes`);
  if (!replace && (await host.call("EXISTS", key)) === 1) return "left";
  await patiently(() => host.call("DEL", key));
  let piece: Buffer[] = [];
  let bytes = 0;
  const send = async () => {
    const sent = piece;
    piece = [];
    bytes = 0;
    if (sent.length > 0) await patiently(() => host.call(type === "set" ? "SADD" : "RPUSH", key, ...sent));
  };
  for (const value of values) {
    piece.push(value);
    bytes += value.length;
    if (bytes >= PIECE_BYTES || piece.length >= 1_000) await send();
  }
  await send();
  if (expiresAt > 0) await patiently(() => host.call("PEXPIREAT", key, expiresAt));
  return expiresAt > 0 && expiresAt <= Date.now() ? "expired" : "restored";
}

/** What a payload holds. Throws `DUMP_REFUSED`. */
export function parsed({ key, payload }: DumpEntry): ReturnType<typeof parseDump> {
  try {
    return parseDump(bytesOf(payload));
  } catch (cause) {
    throw refused(`what it holds of ${key} is damaged`, cause);
  }
}

async function patiently(call: () => Promise<Reply>): Promise<Reply> {
  const until = performance.now() + BUSY_LIMIT_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const busy = error instanceof TidemarkError && BUSY.includes(error.code);
      if (!busy || performance.now() > until) throw error;
      await delay(BUSY_WAIT_MS);
    }
  }
}
