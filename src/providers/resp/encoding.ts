/** How Redis 7 would lay out a value: clients and tests look at it, and it says something about size. */
import type { Tidemark } from "../../tidemark.ts";
import { parseInt64 } from "./numbers.ts";

/** Up to this many bytes a string lies beside its header. */
const EMBEDDED_BYTES = 44;

export function encodingOf(kv: Tidemark, key: string, maxIntegers: number): string {
  const type = kv.type(key);
  if (type === "list") return "quicklist";
  if (type === "set") {
    if (kv.setSize(key) > maxIntegers) return "hashtable";
    const members = kv.setMembers(key);
    return members.every((member) => typeof member === "string" && isInteger(member))
      ? "intset"
      : "hashtable";
  }
  const value = kv.getValue(key) ?? "";
  if (typeof value === "string" && isInteger(value)) return "int";
  const bytes = typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
  return bytes <= EMBEDDED_BYTES ? "embstr" : "raw";
}

function isInteger(text: string): boolean {
  return text.length <= 20 && parseInt64(text) !== undefined;
}
