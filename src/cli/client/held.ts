/** What a key holds, asked for piece by piece: no answer outgrows what a host sends at once. */
import { bytesOf, type HostClient, listOf, textOf } from "./host-client.ts";

/** What a key holds. */
export type Held =
  | { readonly type: "string"; readonly value: Buffer }
  | { readonly type: "list" | "set"; readonly values: readonly Buffer[] };

/** Elements that are asked for at a time, so that no answer outgrows what a host sends. */
const STEP = 100;

/** What a key holds; `undefined` where it is not there. Rejects as `HostClient.call`. */
export async function read(host: HostClient, key: string): Promise<Held | undefined> {
  const type = textOf(await host.call("TYPE", key));
  if (type === "list") return { type, values: await elements(host, key) };
  if (type === "set") return { type, values: await members(host, key) };
  const value = await host.call("GET", key);
  return value === null ? undefined : { type: "string", value: bytesOf(value) };
}

async function elements(host: HostClient, key: string): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (;;) {
    const step = listOf(await host.call("LRANGE", key, found.length, found.length + STEP - 1)).map(bytesOf);
    found.push(...step);
    if (step.length < STEP) return found;
  }
}

async function members(host: HostClient, key: string): Promise<Buffer[]> {
  const found = new Map<string, Buffer>();
  let cursor = "0";
  do {
    const [next, step] = listOf(await host.call("SSCAN", key, cursor, "COUNT", STEP));
    // A member may come twice.
    for (const member of listOf(step!).map(bytesOf)) found.set(member.toString("latin1"), member);
    cursor = textOf(next!);
  } while (cursor !== "0");
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
}
