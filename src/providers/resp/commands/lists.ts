/** Lists, one at a time. */
import type { ListEnd } from "../../../tidemark.ts";
import { type Command, ONE_KEY, type Session } from "../command.ts";
import { NO_SUCH_KEY, ReplyError, SYNTAX } from "../failure.ts";

const OUT_OF_RANGE = "ERR value is out of range, must be positive";
const POPPED_TWICE = "Two hosts may pop the same element.";

export const listCommands: readonly Command[] = [
  pushing("lpush", "1.0.0", "head", false),
  pushing("rpush", "1.0.0", "tail", false),
  pushing("lpushx", "2.2.0", "head", true),
  pushing("rpushx", "2.2.0", "tail", true),
  popping("lpop", "head"),
  popping("rpop", "tail"),
  {
    name: "llen",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "list",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers how many elements there are.",
    run: ({ kv, args, out }) => out.integer(kv.listLength(args.key(1))),
  },
  {
    name: "lrange",
    arity: 4,
    flags: ["readonly"],
    group: "list",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers the elements from one index to another, both inclusive.",
    run: ({ kv, args, out }) => out.bulks(kv.listRange(args.key(1), args.integer(2), args.integer(3))),
  },
  {
    name: "lindex",
    arity: 3,
    flags: ["readonly"],
    group: "list",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers the element at an index.",
    run: ({ kv, args, out }) => {
      const key = args.key(1);
      const length = kv.listLength(key);
      const index = args.integer(2);
      const outside = index >= length || index < -length;
      out.bulk(outside ? undefined : kv.listRange(key, index, index)[0]);
    },
  },
  {
    name: "lset",
    arity: 4,
    flags: ["write", "denyoom"],
    group: "list",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Replaces the element at an index.",
    run: ({ kv, args, out }) => {
      const key = args.key(1);
      if (kv.listLength(key) === 0) throw new ReplyError(NO_SUCH_KEY);
      if (!kv.listSet(key, args.integer(2), args.value(3))) throw new ReplyError("ERR index out of range");
      out.ok();
    },
  },
  {
    name: "linsert",
    arity: 5,
    flags: ["write", "denyoom"],
    group: "list",
    keys: ONE_KEY,
    since: "2.2.0",
    summary: "Inserts an element next to another.",
    run: ({ kv, args, out }) => {
      const where = args.word(2);
      if (where !== "BEFORE" && where !== "AFTER") throw new ReplyError(SYNTAX);
      const side = where === "BEFORE" ? "before" : "after";
      out.integer(kv.listInsert(args.key(1), side, args.value(3), args.value(4)));
    },
  },
  {
    name: "lrem",
    arity: 4,
    flags: ["write"],
    group: "list",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Removes equal elements and answers how many.",
    run: ({ kv, args, out }) => {
      const count = args.integer(2);
      out.integer(kv.listRemove(args.key(1), args.value(3), count));
    },
  },
  {
    name: "ltrim",
    arity: 4,
    flags: ["write"],
    group: "list",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Keeps the elements from one index to another.",
    run: ({ kv, args, out }) => {
      kv.listTrim(args.key(1), args.integer(2), args.integer(3));
      out.ok();
    },
  },
  {
    name: "lpos",
    arity: -3,
    flags: ["readonly"],
    group: "list",
    keys: ONE_KEY,
    since: "6.0.6",
    summary: "Answers where equal elements stand.",
    run: positions,
  },
];

function pushing(name: string, since: string, end: ListEnd, onlyIfThere: boolean): Command {
  return {
    name,
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "list",
    keys: ONE_KEY,
    since,
    summary: `Adds elements at the ${end}${onlyIfThere ? " of a list that is there" : ""}, and answers the length.`,
    differs: "What two hosts push at the same time may be interleaved, on every host alike.",
    run: ({ kv, args, out }) => {
      const key = args.key(1);
      if (onlyIfThere && kv.listLength(key) === 0) out.integer(0);
      else if (end === "head") out.integer(kv.listUnshift(key, ...args.values(2)));
      else out.integer(kv.listPush(key, ...args.values(2)));
    },
  };
}

function popping(name: string, end: ListEnd): Command {
  return {
    name,
    arity: -2,
    flags: ["write", "fast"],
    group: "list",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: `Removes elements from the ${end} and answers them.`,
    differs: POPPED_TWICE,
    run: (session) => {
      const { kv, args, out } = session;
      const key = args.key(1);
      if (args.count > 3) throw new ReplyError(`ERR wrong number of arguments for '${name}' command`);
      if (args.count === 2) {
        out.bulk(end === "head" ? kv.listShift(key) : kv.listPop(key));
        return;
      }
      const count = args.integerIn(2, 0, Number.MAX_VALUE, OUT_OF_RANGE);
      if (kv.listLength(key) === 0) out.nullArray();
      else out.bulks(take(kv, key, end, count));
    },
  };
}

/** Removes elements from one end of a list that is there, the outermost first. */
export function take(kv: Session["kv"], key: string, end: ListEnd, count: number) {
  if (count === 0) return [];
  const length = kv.listLength(key);
  const taken = Math.min(count, length);
  const values = end === "head" ? kv.listRange(key, 0, taken - 1) : kv.listRange(key, -taken, -1);
  if (taken === length) kv.listClear(key);
  else if (end === "head") kv.listTrim(key, taken, -1);
  else kv.listTrim(key, 0, -taken - 1);
  return end === "head" ? values : values.reverse();
}

function positions({ kv, args, out }: Session): void {
  const options: { rank?: number; count?: number; limit?: number } = {};
  for (let index = 3; index < args.count; index += 2) {
    const word = args.word(index);
    if (index + 1 >= args.count) throw new ReplyError(SYNTAX);
    if (word === "RANK") {
      options.rank = args.integer(index + 1);
      if (options.rank === 0) {
        throw new ReplyError(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to " +
            "start from the end of the list",
        );
      }
      if (options.rank < -(2 ** 62)) throw new ReplyError("ERR value is out of range");
    } else if (word === "COUNT") {
      options.count = args.integerIn(index + 1, 0, Number.MAX_VALUE, "ERR COUNT can't be negative");
    } else if (word === "MAXLEN") {
      options.limit = args.integerIn(index + 1, 0, Number.MAX_VALUE, "ERR MAXLEN can't be negative");
    } else throw new ReplyError(SYNTAX);
  }
  const found = kv.listPositions(args.key(1), args.value(2), options);
  if (options.count === undefined) {
    if (found.length === 0) out.null();
    else out.integer(found[0]!);
    return;
  }
  out.array(found.length);
  for (const position of found) out.integer(position);
}
