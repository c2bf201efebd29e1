/**
 * The writes of the demo as data, so that they can be sent to a host process and applied to the model of what
 * must come of them alike.
 */
import type { Duration } from "../../arguments.ts";
import type { Tidemark } from "../../tidemark.ts";

export type Write =
  | { op: "set"; key: string; value: string | Uint8Array; ttl?: Duration }
  | { op: "setMany"; entries: [key: string, value: string][] }
  | { op: "increment"; key: string; times: number }
  | { op: "setAdd" | "setRemove"; key: string; members: string[] }
  | { op: "listPush" | "listUnshift"; key: string; values: string[] }
  | { op: "listPop"; key: string }
  | { op: "expire"; key: string; ttl: Duration }
  | { op: "delete"; key: string }
  | { op: "clear"; prefix: string };

/** Does a write on a host and answers with what the host returned. */
export function perform(kv: Tidemark, write: Write): unknown {
  switch (write.op) {
    case "set":
      return kv.set(write.key, write.value, write.ttl === undefined ? {} : { ttl: write.ttl });
    case "setMany":
      return kv.setMany(write.entries);
    case "increment":
      for (let done = 1; done < write.times; done++) kv.increment(write.key);
      return kv.increment(write.key);
    case "setAdd":
    case "setRemove":
      return kv[write.op](write.key, ...write.members);
    case "listPush":
    case "listUnshift":
      return kv[write.op](write.key, ...write.values);
    case "listPop":
      return kv.listPop(write.key);
    case "expire":
      return kv.expire(write.key, write.ttl);
    case "delete":
      return kv.delete(write.key);
    case "clear":
      return kv.clear({ prefix: write.prefix });
    default:
      return write satisfies never;
  }
}
