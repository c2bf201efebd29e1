/** Sets, one at a time. */
import type { ValueInput } from "../../../tidemark.ts";
import { type Command, ONE_KEY, type Session, TWO_KEYS } from "../command.ts";
import { NOT_AN_INTEGER, ReplyError, SYNTAX } from "../failure.ts";

const OUT_OF_RANGE = "ERR value is out of range, must be positive";
/** Half of what a count may be in Redis, so that its negative is one too. */
const MOST_RANDOM = 2 ** 62;
/** Repeated draws are answered at once, so that there is a limit to how many. */
const MOST_REPEATED = 1_000_000;

export const setCommands: readonly Command[] = [
  {
    name: "sadd",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    group: "set",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Adds members and answers how many were new.",
    differs: "A member added on one host while another removes it stays.",
    run: ({ kv, args, out }) => out.integer(kv.setAdd(args.key(1), ...args.values(2))),
  },
  {
    name: "srem",
    arity: -3,
    flags: ["write", "fast"],
    group: "set",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Removes members and answers how many there were.",
    run: ({ kv, args, out }) => out.integer(kv.setRemove(args.key(1), ...args.values(2))),
  },
  {
    name: "smembers",
    arity: 2,
    flags: ["readonly"],
    group: "set",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers all members.",
    run: ({ kv, args, out }) => out.bulkSet(kv.setMembers(args.key(1))),
  },
  {
    name: "sismember",
    arity: 3,
    flags: ["readonly", "fast"],
    group: "set",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers whether something is a member.",
    run: ({ kv, args, out }) => out.bool(kv.setHas(args.key(1), args.value(2))),
  },
  {
    name: "smismember",
    arity: -3,
    flags: ["readonly", "fast"],
    group: "set",
    keys: ONE_KEY,
    since: "6.2.0",
    summary: "Answers of several whether they are members.",
    run: ({ kv, args, out }) => {
      const key = args.key(1);
      out.array(args.count - 2);
      for (let index = 2; index < args.count; index++) out.bool(kv.setHas(key, args.value(index)));
    },
  },
  {
    name: "scard",
    arity: 2,
    flags: ["readonly", "fast"],
    group: "set",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers how many members there are.",
    run: ({ kv, args, out }) => out.integer(kv.setSize(args.key(1))),
  },
  {
    name: "spop",
    arity: -2,
    flags: ["write", "fast"],
    group: "set",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Removes members at random and answers them.",
    differs: "Walks the set to the members drawn. Two hosts may pop the same member.",
    run: pop,
  },
  {
    name: "srandmember",
    arity: -2,
    flags: ["readonly"],
    group: "set",
    keys: ONE_KEY,
    since: "1.0.0",
    summary: "Answers members at random.",
    differs: "Walks the set to the members drawn. At most 1,000,000 where they may repeat.",
    run: random,
  },
  {
    name: "smove",
    arity: 4,
    flags: ["write", "fast"],
    group: "set",
    keys: TWO_KEYS,
    since: "1.0.0",
    summary: "Takes a member from one set to another.",
    run: ({ kv, args, out }) => out.bool(kv.setMove(args.key(1), args.key(2), args.value(3))),
  },
  {
    name: "sscan",
    arity: -3,
    flags: ["readonly"],
    group: "set",
    keys: ONE_KEY,
    since: "2.8.0",
    summary: "Answers some of the members, and where to go on.",
    differs:
      "COUNT is a hint: a set is walked in 64 steps at most, up to 128 members in one. Patterns as with KEYS.",
    run: scan,
  },
];

function pop({ kv, args, out }: Session): void {
  const key = args.key(1);
  if (args.count > 3) throw new ReplyError(SYNTAX);
  if (args.count === 2) {
    const [member] = kv.setRandom(key, 1);
    if (member !== undefined) kv.setRemove(key, member);
    out.bulk(member);
    return;
  }
  const count = args.integerIn(2, 0, Number.MAX_VALUE, OUT_OF_RANGE);
  const members = kv.setRandom(key, count);
  if (members.length > 0) kv.setRemove(key, ...members);
  out.bulkSet(members);
}

function random({ kv, args, out }: Session): void {
  const key = args.key(1);
  if (args.count > 3) throw new ReplyError(SYNTAX);
  if (args.count === 2) {
    out.bulk(kv.setRandom(key, 1)[0]);
    return;
  }
  const count = args.integer(2);
  if (Math.abs(count) > MOST_RANDOM) throw new ReplyError("ERR value is out of range");
  if (count >= 0) {
    out.bulks(kv.setRandom(key, count));
    return;
  }
  const members = kv.setMembers(key);
  if (members.length > 0 && -count > MOST_REPEATED)
    throw new ReplyError(`ERR value is out of range, must be at least -${MOST_REPEATED}`);
  const drawn: ValueInput[] = [];
  if (members.length > 0)
    for (let index = 0; index < -count; index++)
      drawn.push(members[Math.floor(Math.random() * members.length)]!);
  out.bulks(drawn);
}

function scan({ kv, args, out }: Session): void {
  const key = args.key(1);
  const cursor = args.integerIn(2, 0, Number.MAX_VALUE, "ERR invalid cursor");
  const options: { match?: string; count?: number } = {};
  for (let index = 3; index < args.count; index += 2) {
    const word = args.word(index);
    if (index + 1 >= args.count) throw new ReplyError(SYNTAX);
    if (word === "MATCH") options.match = args.key(index + 1);
    else if (word === "COUNT") {
      options.count = args.integer(index + 1, NOT_AN_INTEGER);
      if (options.count < 1) throw new ReplyError(SYNTAX);
    } else throw new ReplyError(SYNTAX);
  }
  const step = cursor > 0xffff_ffff ? { cursor: 0, members: [] } : kv.setScan(key, cursor, options);
  out.array(2);
  out.bulk(String(step.cursor));
  out.bulks(step.members);
}
