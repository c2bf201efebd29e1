/** What a key holds as one line of text, equal where two keys hold the same; made of a host's and of a model's. */
import type { Tidemark } from "../../tidemark.ts";

export type Holding = { readonly expires: boolean } & (
  | { readonly type: "string"; readonly value: Uint8Array }
  | { readonly type: "set" | "list"; readonly values: readonly string[] }
);

/** The content of a key that is not there. */
export const ABSENT = "absent";

export function contentOf(holding: Holding): string {
  const kind = holding.expires ? `${holding.type} with a ttl` : holding.type;
  if (holding.type === "string") return `${kind}: ${Buffer.from(holding.value).toString("latin1")}`;
  const values = holding.type === "set" ? [...holding.values].sort() : holding.values;
  return `${kind}: ${JSON.stringify(values)}`;
}

/** What a host shows of a key. */
export function shownBy(kv: Tidemark, key: string): string {
  const type = kv.type(key);
  if (type === undefined) return ABSENT;
  const expires = kv.ttl(key) !== Number.POSITIVE_INFINITY;
  if (type === "string") {
    // Time goes on between two reads: the key may expire right here.
    const value = kv.getBytes(key);
    return value === undefined ? ABSENT : contentOf({ type, expires, value });
  }
  const values = type === "set" ? kv.setMembers(key) : kv.listRange(key);
  return contentOf({ type, expires, values: values.map(String) });
}
