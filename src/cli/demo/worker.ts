/** One host of the demo as a process of its own: opens the library and does what it is ordered to. */
import { setTimeout as delay } from "node:timers/promises";
import { open, type Tidemark } from "../../tidemark.ts";
import { shownBy } from "./content.ts";
import type { Expectation, OrderName, Orders, Reply, Request } from "./orders.ts";
import { perform } from "./writes.ts";

/** Past it something is wrong, and the demo says so. */
const SEEN_LIMIT_MS = 15_000;
/** Watching tells at once of all that a reader sees; a changed deadline is only seen by looking. */
const LOOK_EVERY_MS = 1;

let kv: Tidemark;
const expected = new Map<number, Promise<bigint>>();

type Handlers = {
  [Name in OrderName]: (
    takes: Orders[Name]["takes"],
  ) => Orders[Name]["answers"] | Promise<Orders[Name]["answers"]>;
};

const handlers: Handlers = {
  async open(options) {
    const startedAt = performance.now();
    kv = await open(options);
    await kv.ready();
    return { incarnation: kv.incarnation, readyMs: performance.now() - startedAt, keys: kv.size };
  },
  write({ writes }) {
    const startedAt = process.hrtime.bigint();
    const returned = writes.map((write) => perform(kv, write));
    return { startedAt, returned, token: kv.token() };
  },
  async pace({ writes, everyMs }) {
    let reads = 0;
    let unread = 0;
    for (const write of writes) {
      perform(kv, write);
      reads++;
      if ("key" in write && !kv.has(write.key)) unread++;
      await delay(everyMs);
    }
    return { reads, unread, token: kv.token() };
  },
  expect(what) {
    const number = expected.size + 1;
    const seen = firstShown(what);
    seen.catch(() => undefined); // whoever asks for it is told
    expected.set(number, seen);
    return number;
  },
  seen: (number) => expected.get(number)!,
  async applied(tokens) {
    await Promise.all(tokens.map((token) => kv.waitFor(token, { timeout: SEEN_LIMIT_MS })));
    return process.hrtime.bigint();
  },
  status: () => kv.status(),
  contents: () => new Map(Array.from(kv.keys(), (key) => [key, shownBy(kv, key)])),
  async close() {
    await kv.close();
    return undefined;
  },
};

function isShown(what: Expectation): boolean {
  if ("key" in what) return shownBy(kv, what.key) === what.content;
  return Array.from(kv.keys({ prefix: what.prefix })).length === what.keys;
}

function firstShown(what: Expectation): Promise<bigint> {
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const look = () => {
      if (done.signal.aborted || !isShown(what)) return;
      const at = process.hrtime.bigint();
      end();
      resolve(at);
    };
    const looking = setInterval(look, LOOK_EVERY_MS);
    const late = setTimeout(() => {
      end();
      reject(new Error(`not seen within ${SEEN_LIMIT_MS} ms: ${JSON.stringify(what).slice(0, 200)}`));
    }, SEEN_LIMIT_MS);
    const end = () => {
      clearInterval(looking);
      clearTimeout(late);
      done.abort();
    };
    void watchFor(what, look, done.signal);
    look();
  });
}

async function watchFor(what: Expectation, look: () => void, signal: AbortSignal): Promise<void> {
  const prefix = "key" in what ? what.key : what.prefix;
  for await (const _ of kv.watch({ prefix, signal })) look();
}

async function reply<Name extends OrderName>({ id, name, takes }: Request<Name>): Promise<void> {
  let answered: Reply;
  try {
    answered = { id, answer: await handlers[name](takes) };
  } catch (error) {
    answered = { id, failure: error instanceof Error ? error.message : String(error) };
  }
  process.send!(answered);
}

process.on("message", (request: Request) => void reply(request));
// A Ctrl-C at the terminal reaches every process; when to end is the demo's to say, and when the demo is gone.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
