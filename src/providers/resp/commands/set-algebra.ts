/** Several sets at once: what they share, hold together, and hold apart. */
import type { Tidemark, ValueInput } from "../../../tidemark.ts";
import { ALL_KEYS, type Command, type Session } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";

type Operation = (kv: Tidemark, keys: string[]) => ValueInput[];

const inter: Operation = (kv, keys) => {
  checkTypes(kv, keys);
  // The smallest first: the others are only asked.
  return kv.setIntersection(...[...keys].sort((a, b) => kv.setSize(a) - kv.setSize(b)));
};
const union: Operation = (kv, keys) => kv.setUnion(...keys);
const diff: Operation = (kv, keys) => {
  checkTypes(kv, keys);
  return kv.setDifference(...keys);
};

export const setAlgebraCommands: readonly Command[] = [
  answering("sinter", "what all sets share", inter),
  storing("sinterstore", "what all sets share", inter),
  answering("sunion", "what any set holds", union),
  storing("sunionstore", "what any set holds", union),
  answering("sdiff", "what the first set holds and no other", diff),
  storing("sdiffstore", "what the first set holds and no other", diff),
  {
    name: "sintercard",
    arity: -3,
    flags: ["readonly", "movablekeys"],
    group: "set",
    keys: { numkeysAt: 1 },
    since: "7.0.0",
    summary: "Answers how many members all sets share.",
    run: interCard,
  },
];

function answering(name: string, what: string, operation: Operation): Command {
  return {
    name,
    arity: -2,
    flags: ["readonly"],
    group: "set",
    keys: ALL_KEYS,
    since: "1.0.0",
    summary: `Answers ${what}.`,
    run: ({ kv, args, out }) => out.bulkSet(operation(kv, args.keys(1))),
  };
}

function storing(name: string, what: string, operation: Operation): Command {
  return {
    name,
    arity: -3,
    flags: ["write", "denyoom"],
    group: "set",
    keys: ALL_KEYS,
    since: "1.0.0",
    summary: `Stores ${what} under the first key, and answers how many that are.`,
    run: ({ kv, args, out }) => out.integer(kv.setStore(args.key(1), operation(kv, args.keys(2)))),
  };
}

/** Sets that are never looked at, because another is empty, are of the right type too. */
function checkTypes(kv: Tidemark, keys: readonly string[]): void {
  for (const key of keys) kv.setSize(key);
}

function interCard({ kv, args, out }: Session): void {
  const count = args.integer(1, "ERR numkeys should be greater than 0");
  if (count < 1) throw new ReplyError("ERR numkeys should be greater than 0");
  if (count > args.count - 2) throw new ReplyError("ERR Number of keys can't be greater than number of args");
  let limit = 0;
  for (let index = 2 + count; index < args.count; index++) {
    if (args.word(index) !== "LIMIT" || index + 1 >= args.count) throw new ReplyError(SYNTAX);
    limit = args.integerIn(++index, 0, Number.MAX_VALUE, "ERR LIMIT can't be negative");
  }
  const found = inter(kv, args.keys(2, 1 + count)).length;
  out.integer(limit === 0 ? found : Math.min(limit, found));
}
