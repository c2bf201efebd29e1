/** CLIENT: what is connected, under which names, and how a connection is answered. */
import type { Command, Handler, Session } from "../command.ts";
import { ReplyError, SYNTAX } from "../failure.ts";
import type { Client } from "../service.ts";
import { checkedName } from "./connection.ts";
import { help } from "./help.ts";

const sub = (
  name: string,
  arity: number,
  summary: string,
  run: Handler,
  more: Partial<Command> = {},
): Command => ({
  name: `client|${name}`,
  arity,
  flags: ["noscript", "loading", "stale"],
  group: "connection",
  since: "2.4.0",
  summary,
  run,
  ...more,
});

const SUBCOMMANDS: readonly Command[] = [
  sub("id", 2, "Answers the number of this connection.", ({ out, state }) => out.integer(state.id)),
  sub("info", 2, "Describes this connection.", ({ out, service, state }) =>
    out.verbatim(`${described(service.clients.get(state.id)!)}\n`),
  ),
  sub("list", -2, "Describes all connections.", list, { flags: ["admin", "noscript", "loading", "stale"] }),
  sub("kill", -3, "Cuts connections off.", kill, { flags: ["admin", "noscript", "loading", "stale"] }),
  sub("setname", 3, "Gives this connection a name.", ({ args, out, state }) => {
    state.name = checkedName(args.raw(2));
    out.ok();
  }),
  sub("getname", 2, "Answers the name of this connection.", ({ out, state }) =>
    out.bulk(state.name === "" ? undefined : state.name),
  ),
  sub(
    "setinfo",
    4,
    "Notes which library a client uses.",
    ({ args, out, state }) => {
      const attribute = args.word(2);
      const value = args.raw(3);
      if (attribute !== "LIB-NAME" && attribute !== "LIB-VER")
        throw new ReplyError(`ERR Unrecognized option '${args.raw(2).slice(0, 64)}'`);
      if (!/^[!-~]*$/.test(value))
        throw new ReplyError(
          `ERR ${attribute.toLowerCase()} cannot contain spaces, newlines or special characters.`,
        );
      if (attribute === "LIB-NAME") state.libName = value;
      else state.libVersion = value;
      out.ok();
    },
    { since: "7.2.0" },
  ),
  sub(
    "no-evict",
    3,
    "Keeps a connection although memory is short.",
    ({ args, out, state }) => {
      state.noEvict = onOff(args.word(2));
      out.ok();
    },
    {
      flags: ["admin", "noscript", "loading", "stale"],
      differs: "Noted, and without effect: connections are not evicted.",
    },
  ),
  sub("reply", 3, "Sends replies, or none, or not the next one.", ({ args, out, state }) => {
    const mode = args.word(2);
    if (mode === "ON") {
      state.replies = "on";
      out.ok();
    } else if (mode === "OFF") state.replies = "off";
    else if (mode !== "SKIP") throw new ReplyError(SYNTAX);
    else if (state.replies === "on") state.replies = "skip";
  }),
  sub("help", 2, "Lists the subcommands.", ({ out }) => help(out, "CLIENT", SUBCOMMANDS)),
];

export const clientCommands: readonly Command[] = [
  {
    name: "client",
    arity: -2,
    flags: [],
    group: "connection",
    since: "2.4.0",
    summary: "About connections.",
    subcommands: SUBCOMMANDS,
  },
];

function list({ args, out, service }: Session): void {
  let ids: Set<number> | undefined;
  if (args.count > 2) {
    const option = args.word(2);
    if (option === "ID" && args.count > 3) {
      ids = new Set();
      for (let index = 3; index < args.count; index++) ids.add(args.integer(index, "ERR Invalid client ID"));
    } else if (option === "TYPE" && args.count === 4) {
      const type = args.raw(3).toLowerCase();
      checkType(type);
      if (type !== "normal") ids = new Set();
    } else throw new ReplyError(SYNTAX);
  }
  let text = "";
  for (const client of service.clients.values())
    if (ids === undefined || ids.has(client.state.id)) text += `${described(client)}\n`;
  out.verbatim(text);
}

function kill(session: Session): void {
  const { args, out, service, state } = session;
  if (args.count === 3) {
    const address = args.raw(2);
    const found = [...service.clients.values()].find((client) => client.state.address === address);
    if (found === undefined) throw new ReplyError("ERR No such client");
    end(session, found);
    out.ok();
    return;
  }
  const tests: ((client: Client) => boolean)[] = [];
  let skipMe = true;
  for (let index = 2; index < args.count; index += 2) {
    const option = args.word(index);
    if (index + 1 >= args.count) throw new ReplyError(SYNTAX);
    const value = args.raw(index + 1);
    if (option === "ID") {
      const wrong = "ERR client-id should be greater than 0";
      const id = args.integerIn(index + 1, 1, Number.MAX_VALUE, wrong);
      tests.push((client) => client.state.id === id);
    } else if (option === "TYPE") {
      const type = checkType(value.toLowerCase());
      tests.push(() => type === "normal");
    } else if (option === "ADDR") tests.push((client) => client.state.address === value);
    else if (option === "LADDR") tests.push((client) => client.state.localAddress === value);
    else if (option === "USER") {
      if (!service.access.has(value)) throw new ReplyError(`ERR No such user '${value.slice(0, 64)}'`);
      tests.push((client) => client.state.user?.name === value);
    } else if (option === "SKIPME") {
      if (!/^(yes|no)$/i.test(value)) throw new ReplyError(SYNTAX);
      skipMe = value.toLowerCase() === "yes";
    } else throw new ReplyError(SYNTAX);
  }
  const doomed = [...service.clients.values()].filter(
    (client) => !(skipMe && client.state.id === state.id) && tests.every((test) => test(client)),
  );
  for (const client of doomed) end(session, client);
  out.integer(doomed.length);
}

/** The one that asks has its reply first. */
function end(session: Session, client: Client): void {
  if (client.state.id === session.state.id) session.end();
  else client.kill();
}

function checkType(type: string): string {
  if (/^(normal|master|replica|slave|pubsub)$/.test(type)) return type;
  throw new ReplyError(`ERR Unknown client type '${type.slice(0, 64)}'`);
}

function onOff(word: string): boolean {
  if (word === "ON" || word === "OFF") return word === "ON";
  throw new ReplyError(SYNTAX);
}

/** As Redis describes a client; what has no counterpart here is what it is for an idle one. */
function described({ state, outputBytes, heldBytes }: Client): string {
  const now = performance.now();
  const seconds = (since: number) => Math.floor((now - since) / 1_000);
  const fields: Record<string, string | number> = {
    id: state.id,
    addr: state.address,
    laddr: state.localAddress,
    fd: -1,
    name: state.name,
    age: seconds(state.since),
    idle: seconds(state.lastActive),
    flags: "N",
    db: 0,
    sub: 0,
    psub: 0,
    ssub: 0,
    multi: -1,
    qbuf: state.inputBytes,
    "qbuf-free": Math.max(0, heldBytes - state.inputBytes),
    "argv-mem": 0,
    "multi-mem": 0,
    rbs: 0,
    rbp: 0,
    obl: outputBytes,
    oll: 0,
    omem: outputBytes,
    "tot-mem": heldBytes + outputBytes,
    events: outputBytes > 0 ? "rw" : "r",
    cmd: state.command,
    user: state.user?.name ?? "(none)",
    redir: -1,
    resp: state.protocol,
    "lib-name": state.libName,
    "lib-ver": state.libVersion,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}
