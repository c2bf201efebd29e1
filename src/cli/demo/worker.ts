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
const expected: Promise<bigint>[] = [];

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
  async expect(what) {
    const { looking, seen } = firstShown(what);
    seen.catch(() => undefined); // whoever asks for it is told
    const number = expected.push(seen) - 1;
    await looking;
    return number;
  },
  seen: (number) => expected[number]!,
  async applied(tokens) {
    await Promise.all(tokens.map((token) => kv.waitFor(token, { timeout: SEEN_LIMIT_MS })));
    return process.hrtime.bigint();
  },
  show: (key) => shownBy(kv, key),
  status: () => kv.status(),
  contents: () => new Map(Array.from(kv.keys(), (key) => [key, shownBy(kv, key)])),
  async close() {
    await kv.close();
    return undefined;
  },
};

/** Looks for something from now on; once `looking` has resolved, it is seen in the moment it comes. */
function firstShown({ key, content }: Expectation): { looking: Promise<void>; seen: Promise<bigint> } {
  const done = new AbortController();
  let look!: () => void;
  const seen = new Promise<bigint>((resolve, reject) => {
    look = () => {
      if (shownBy(kv, key) !== content) return;
      resolve(process.hrtime.bigint());
      done.abort();
    };
    const every = setInterval(look, LOOK_EVERY_MS);
    const late = setTimeout(() => {
      reject(new Error(`${key} not seen within ${SEEN_LIMIT_MS} ms as ${content.slice(0, 100)}`));
      done.abort();
    }, SEEN_LIMIT_MS);
    done.signal.addEventListener("abort", () => {
      clearInterval(every);
      clearTimeout(late);
    });
  });
  return { looking: eachChange(key, look, done.signal), seen };
}

/** Calls back after every change under a prefix; resolves when what was there before has gone by. */
function eachChange(prefix: string, changed: () => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const follow = async () => {
      let synced = false;
      for await (const change of kv.watch({ prefix, signal })) {
        if (synced) changed();
        else if (change.type === "synced") {
          synced = true;
          resolve();
        }
      }
      resolve();
    };
    follow().catch(reject);
  });
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
