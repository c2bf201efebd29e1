/** A client and its connection: who it is, and how it is spoken to. */
import type { Command, Session } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";
import { REDIS_VERSION } from "../version.ts";

export const connectionCommands: readonly Command[] = [
  {
    name: "ping",
    arity: -1,
    flags: ["fast"],
    group: "connection",
    since: "1.0.0",
    summary: "Answers PONG, or what it was given.",
    run: ({ args, out }) => {
      if (args.count > 2) throw new ReplyError("ERR wrong number of arguments for 'ping' command");
      if (args.count === 1) out.pong();
      else out.bulk(args.bytes(1));
    },
  },
  {
    name: "echo",
    arity: 2,
    flags: ["fast"],
    group: "connection",
    since: "1.0.0",
    summary: "Answers what it was given.",
    run: ({ args, out }) => out.bulk(args.bytes(1)),
  },
  {
    name: "hello",
    arity: -1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth"],
    group: "connection",
    since: "6.0.0",
    summary: "Chooses the version of the protocol, and logs in.",
    run: hello,
  },
  {
    name: "auth",
    arity: -2,
    flags: ["noscript", "loading", "stale", "fast", "no_auth"],
    group: "connection",
    since: "1.0.0",
    summary: "Logs in with a password, or with a name and a password.",
    run: (session) => {
      const { args, out } = session;
      if (args.count > 3) throw new ReplyError(SYNTAX);
      logIn(session, args.count === 3 ? args.raw(1) : undefined, args.bytes(args.count - 1));
      out.ok();
    },
  },
  {
    name: "select",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group: "connection",
    since: "1.0.0",
    summary: "Chooses a database.",
    differs: "There is only database 0.",
    run: ({ args, out }) => {
      const index = args.int64(1, "ERR invalid DB index");
      if (index !== 0) throw new ReplyError("ERR DB index is out of range");
      out.ok();
    },
  },
  {
    name: "quit",
    arity: -1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth"],
    group: "connection",
    since: "1.0.0",
    summary: "Closes the connection.",
    run: (session) => {
      session.out.ok();
      session.end();
    },
  },
  {
    name: "reset",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "no_auth"],
    group: "connection",
    since: "6.2.0",
    summary: "Makes the connection as a new one is.",
    run: ({ state, service, out }) => {
      state.name = "";
      state.protocol = 2;
      state.user = service.access.initial;
      state.replies = "on";
      state.noEvict = false;
      state.watching?.end();
      state.watching = undefined;
      out.protocol = 2;
      out.simple("RESET");
    },
  },
];

function hello(session: Session): void {
  const { args, out, state } = session;
  let { protocol, name } = state;
  let next = 1;
  if (args.count > 1) {
    const version = args.int64(next++, "ERR Protocol version is not an integer or out of range");
    if (version !== 2 && version !== 3) throw new ReplyError("NOPROTO unsupported protocol version");
    protocol = version;
  }
  let login: [name: string, password: Buffer] | undefined;
  while (next < args.count) {
    const option = args.word(next);
    if (option === "AUTH" && next + 2 < args.count) {
      login = [args.raw(next + 1), args.bytes(next + 2)];
      next += 3;
    } else if (option === "SETNAME" && next + 1 < args.count) {
      name = checkedName(args.raw(next + 1));
      next += 2;
    } else throw new ReplyError(`ERR Syntax error in HELLO option '${args.raw(next).slice(0, 64)}'`);
  }
  if (login !== undefined) logIn(session, ...login);
  else if (state.user === undefined) {
    throw new ReplyError(
      "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH " +
        "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at " +
        "the same time",
    );
  }
  state.protocol = protocol;
  state.name = name;
  out.protocol = protocol;
  out.map(7);
  out.bulk("server");
  out.bulk("redis");
  out.bulk("version");
  out.bulk(REDIS_VERSION);
  out.bulk("proto");
  out.integer(protocol);
  out.bulk("id");
  out.integer(state.id);
  out.bulk("mode");
  out.bulk("standalone");
  out.bulk("role");
  out.bulk("master");
  out.bulk("modules");
  out.array(0);
}

function logIn({ service, state }: Session, name: string | undefined, password: Buffer): void {
  try {
    state.user = service.access.logIn(name, password);
  } catch (error) {
    service.counts.wrongPasswords++;
    throw error;
  }
}

/** A name that fits a line of CLIENT LIST. */
export function checkedName(name: string): string {
  if (/^[!-~]*$/.test(name)) return name;
  throw new ReplyError("ERR Client names cannot contain spaces, newlines or special characters.");
}
