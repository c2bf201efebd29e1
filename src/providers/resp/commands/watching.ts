/** Watching keys over a connection: not of Redis, and named so that it cannot be taken for it. */
import { compileGlob } from "../../../crdt/glob.ts";
import type { Command, Handler, LateReply, Session } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";
import type { ReplyWriter } from "../reply.ts";
import { type Change, Watching } from "../watching.ts";
import { help } from "./help.ts";

const OURS = "Of Tidemark, not of Redis.";
const NAME = "tidemark.watch";
/** A client that is gone is only seen to be between answers. */
const LONGEST_WAIT_MS = 10_000;
const MOST_CHANGES = 1_000;
/** Connections that watch at a time; each may cost as much as the keys that it watches. */
const MOST_WATCHING = 64;

const sub = (name: string, arity: number, summary: string, differs: string, run: Handler): Command => ({
  name: `${NAME}|${name}`,
  arity,
  flags: ["readonly", "noscript", "blocking"],
  group: "server",
  since: "7.0.0",
  summary,
  differs,
  run,
});

const SUBCOMMANDS: readonly Command[] = [
  sub(
    "open",
    -3,
    "Begins to watch keys by pattern: what changes, or with ALL also what is there before.",
    `${OURS} \`TIDEMARK.WATCH OPEN pattern [ALL]\`; one watch for a connection, ${MOST_WATCHING} for a host.`,
    open,
  ),
  sub(
    "next",
    4,
    "Answers the next changes, or none after so many milliseconds.",
    `${OURS} \`TIDEMARK.WATCH NEXT count milliseconds\`, at most ${MOST_CHANGES} and ${LONGEST_WAIT_MS}. Each change is a map: ` +
      "type (set, delete, expire, evict, or synced: what was there has come), key, kind, was, value, previous, added, " +
      "removed, origin, at, folded. A user sees the keys of its patterns. A watch that nobody asks for a minute ends.",
    next,
  ),
  sub("close", 2, "Ends the watch of this connection.", OURS, ({ state, out }) => {
    state.watching?.end();
    state.watching = undefined;
    out.ok();
  }),
  {
    ...sub("help", 2, "Lists the subcommands.", OURS, ({ out }) => help(out, "TIDEMARK.WATCH", SUBCOMMANDS)),
    flags: ["loading", "stale"],
  },
];

export const watchingCommands: readonly Command[] = [
  {
    name: NAME,
    arity: -2,
    flags: [],
    group: "server",
    since: "7.0.0",
    summary: "About watching keys.",
    differs: OURS,
    subcommands: SUBCOMMANDS,
  },
];

function open({ args, out, kv, state, service }: Session): void {
  const everything = args.count > 3;
  if (args.count > 4 || (everything && args.word(3) !== "ALL")) throw new ReplyError(SYNTAX);
  const match = args.key(2);
  // A pattern that cannot be is refused here, and not at the first change.
  compileGlob(match);
  let watching = 0;
  for (const client of service.clients.values()) if (client.state.watching !== undefined) watching++;
  if (state.watching === undefined && watching >= MOST_WATCHING)
    throw new ReplyError(`ERR ${MOST_WATCHING} connections watch already; close one of them`);
  state.watching?.end();
  state.watching = new Watching(kv, match, everything);
  out.ok();
}

async function next({ args, state }: Session): Promise<LateReply> {
  const count = args.integerIn(2, 1, MOST_CHANGES, `ERR count is not between 1 and ${MOST_CHANGES}`);
  const waitMs = args.integerIn(3, 0, LONGEST_WAIT_MS, `ERR timeout is not between 0 and ${LONGEST_WAIT_MS}`);
  const { watching, user } = state;
  if (watching === undefined)
    throw new ReplyError("ERR nothing is watched here; begin with TIDEMARK.WATCH OPEN");
  const allows = user?.matches ?? (() => true);
  try {
    const changes = await watching.next({ count, waitMs, allows });
    return (out) => {
      out.array(changes.length);
      for (const change of changes) write(out, change);
    };
  } catch (error) {
    state.watching = undefined;
    watching.end();
    throw error;
  }
}

function write(out: ReplyWriter, change: Change): void {
  if (change.type === "synced") {
    out.map(1);
    out.bulk("type");
    out.bulk(change.type);
    return;
  }
  const { type, key, kind, was, value, previous, added, removed, origin, at, folded } = change;
  const single = { type, key, kind, was, value, previous, origin };
  out.map(Object.keys(single).length + 4);
  for (const [name, each] of Object.entries(single)) {
    out.bulk(name);
    out.bulk(each);
  }
  for (const [name, members] of Object.entries({ added, removed })) {
    out.bulk(name);
    out.bulks(members);
  }
  for (const [name, number] of Object.entries({ at, folded })) {
    out.bulk(name);
    out.integer(Math.round(number));
  }
}
