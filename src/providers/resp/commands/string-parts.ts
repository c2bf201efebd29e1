/** Parts of strings: by bytes, as Redis counts. */
import type { ValueInput } from "../../../tidemark.ts";
import { type Command, ONE_KEY, type Session } from "../command.ts";
import { ReplyError } from "../failure.ts";

/** A string may not grow past this by appending or by writing at an offset; the host's own limit may be lower. */
const MAX_BYTES = 512 * 1024 * 1024;
const TOO_LARGE = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
const READ_AND_WRITE =
  "It is a read and a write: of two concurrent ones on two hosts the last stays, as with SET.";

export const stringPartCommands: readonly Command[] = [
  {
    name: "append",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "2.0.0",
    summary: "Appends to a string and answers its length in bytes.",
    differs: READ_AND_WRITE,
    run: ({ kv, args, out }) => {
      const key = args.key(1);
      const old = bytesOf(kv.getValue(key));
      const whole = Buffer.concat([old, args.bytes(2)]);
      kv.set(key, whole, { keepTtl: true });
      out.integer(whole.length);
    },
  },
  {
    name: "strlen",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "string",
    keys: ONE_KEY,
    since: "2.2.0",
    summary: "Answers the length of a string in bytes.",
    run: ({ kv, args, out }) => {
      const value = kv.getValue(args.key(1));
      out.integer(value === undefined ? 0 : byteLength(value));
    },
  },
  range("getrange", "2.4.0"),
  range("substr", "1.0.0"),
  {
    name: "setrange",
    arity: 4,
    flags: ["write", "denyoom"],
    group: "string",
    keys: ONE_KEY,
    since: "2.2.0",
    summary: "Writes over a string from an offset on, filling with zero bytes.",
    differs: READ_AND_WRITE,
    run: setRange,
  },
];

function range(name: string, since: string): Command {
  return {
    name,
    arity: 4,
    flags: ["readonly"],
    group: "string",
    keys: ONE_KEY,
    since,
    summary: "Answers part of a string, both ends inclusive.",
    run: ({ kv, args, out }) => {
      const value = kv.getValue(args.key(1));
      const [start, stop] = [args.integer(2), args.integer(3)];
      const bytes = bytesOf(value);
      const from = start < 0 ? Math.max(0, bytes.length + start) : start;
      const to = stop < 0 ? bytes.length + stop : Math.min(stop, bytes.length - 1);
      out.bulk(start < 0 && stop < 0 && start > stop ? "" : bytes.subarray(from, Math.max(from, to + 1)));
    },
  };
}

function setRange({ kv, args, out }: Session): void {
  const key = args.key(1);
  const offset = args.integer(2);
  if (offset < 0) throw new ReplyError("ERR offset is out of range");
  const part = args.bytes(3);
  const old = bytesOf(kv.getValue(key));
  if (part.length === 0) {
    out.integer(old.length);
    return;
  }
  if (offset + part.length > MAX_BYTES) throw new ReplyError(TOO_LARGE);
  const whole = Buffer.alloc(Math.max(old.length, offset + part.length));
  old.copy(whole);
  part.copy(whole, offset);
  kv.set(key, whole, { keepTtl: true });
  out.integer(whole.length);
}

function bytesOf(value: ValueInput | undefined): Buffer {
  if (value === undefined) return Buffer.alloc(0);
  if (typeof value === "string") return Buffer.from(value);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function byteLength(value: ValueInput): number {
  return typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
}
