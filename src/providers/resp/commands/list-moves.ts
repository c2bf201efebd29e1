/** Lists, several at once. */
import type { ListEnd } from "../../../tidemark.ts";
import { type Command, type Session, TWO_KEYS } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";
import { take } from "./lists.ts";

export const listMoveCommands: readonly Command[] = [
  {
    name: "lmove",
    arity: 5,
    flags: ["write", "denyoom"],
    group: "list",
    keys: TWO_KEYS,
    since: "6.2.0",
    summary: "Takes an element from one end of a list to an end of another.",
    differs: "Two hosts may move the same element: then it is at its destination twice.",
    run: ({ kv, args, out }) => {
      const [from, to] = [endOf(args.word(3)), endOf(args.word(4))];
      out.bulk(kv.listMove(args.key(1), args.key(2), { from, to }));
    },
  },
  {
    name: "rpoplpush",
    arity: 3,
    flags: ["write", "denyoom"],
    group: "list",
    keys: TWO_KEYS,
    since: "1.2.0",
    summary: "Takes the last element of a list to the head of another.",
    differs: "As LMOVE.",
    run: ({ kv, args, out }) => out.bulk(kv.listMove(args.key(1), args.key(2), { from: "tail", to: "head" })),
  },
  {
    name: "lmpop",
    arity: -4,
    flags: ["write", "movablekeys"],
    group: "list",
    keys: { numkeysAt: 1 },
    since: "7.0.0",
    summary: "Removes elements from the first list that has any.",
    differs: "Two hosts may pop the same element.",
    run: multiPop,
  },
];

function endOf(word: string): ListEnd {
  if (word === "LEFT") return "head";
  if (word === "RIGHT") return "tail";
  throw new ReplyError(SYNTAX);
}

function multiPop({ kv, args, out }: Session): void {
  const wrong = "ERR numkeys should be greater than 0";
  const count = args.integerIn(1, 1, Number.MAX_VALUE, wrong);
  const where = 2 + count;
  if (where >= args.count) throw new ReplyError(SYNTAX);
  const end = endOf(args.word(where));
  let most = 1;
  if (args.count > where + 1) {
    if (args.count !== where + 3 || args.word(where + 1) !== "COUNT") throw new ReplyError(SYNTAX);
    most = args.integerIn(where + 2, 1, Number.MAX_VALUE, "ERR count should be greater than 0");
  }
  for (const key of args.keys(2, where - 1)) {
    if (kv.listLength(key) === 0) continue;
    const taken = take(kv, key, end, most);
    out.array(2);
    out.bulk(key);
    out.bulks(taken);
    return;
  }
  out.nullArray();
}
