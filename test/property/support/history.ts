/**
 * Histories: what up to four sites write, carry to one another, take over as images, forget by dying, in
 * any order. The events are real ones, made by the product's own writing side on what a site had seen.
 */
import fc from "fast-check";
import type { Origins } from "../../../src/causality/origins.ts";
import type { ReplicatedEvent } from "../../../src/crdt/event.ts";
import { TidemarkError } from "../../../src/errors.ts";
import type { Writes } from "../../../src/writes.ts";
import { type Clock, carryVector, Site, START_MS, Transfer } from "../../unit/support/site.ts";

/** All events of one start of one site. */
export interface Made {
  readonly name: string;
  readonly origins: Origins;
  readonly events: readonly ReplicatedEvent[];
}

export interface Step {
  readonly name: string;
  act(world: History): void;
}

export const KEYS = ["a", "ab", "b", "é", ""];

/** A run of a history. */
export class History {
  readonly clock: Clock = { now: START_MS };
  readonly sites: Site[] = [];
  readonly made: Made[] = [];
  readonly transfers: { from: Site; to: Site; transfer: Transfer }[] = [];
  #starts = 0;

  constructor(sites: number) {
    for (let place = 0; place < sites; place++) this.start(place);
  }

  /** Puts a new, empty site in a place; what was there is dead. */
  start(place: number): void {
    const old = this.sites[place];
    for (let i = this.transfers.length - 1; i >= 0; i--) {
      const { from, to } = this.transfers[i]!;
      if (from === old || to === old) this.transfers.splice(i, 1);
    }
    // Names that do not sort in the order of their starts: the tie-break must not lean on it.
    const start = this.#starts++;
    const name = `${"mfxbtzq"[start % 7]}-${start}`;
    const site = new Site(name, { clock: this.clock });
    this.sites[place] = site;
    this.made.push({ name, origins: site.origins, events: site.made });
  }

  site(index: number): Site {
    return this.sites[index % this.sites.length]!;
  }

  /** Applies the next `count` events of one origin, from whoever has them. */
  deliver(to: Site, made: Made, count: number): void {
    const origin = to.origins.intern(made.name);
    if (made.name === to.name) return;
    for (let left = count; left > 0; left--) {
      const event = made.events[to.store.vector.get(origin)];
      if (event === undefined) return;
      to.apply(event, made.origins);
    }
  }

  /** Everybody gets everything. */
  settle(): void {
    for (const site of this.sites) {
      for (const made of this.made) this.deliver(site, made, Number.POSITIVE_INFINITY);
    }
  }

  /** A site that applied, in order of origins, exactly what a vector stands for. */
  replayed(vector: Iterable<readonly [name: string, seq: number]>, name = "reader"): Site {
    const reader = new Site(name, { clock: this.clock });
    const rows = new Map(vector);
    for (const made of this.made) this.deliver(reader, made, rows.get(made.name) ?? 0);
    return reader;
  }

  rowsOf(site: Site): [string, number][] {
    return [...site.store.vector.entries()].map(([origin, seq]) => [site.origins.name(origin), seq]);
  }
}

const key = fc.constantFrom(...KEYS);
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("x", "y", "z", "", "5", "-3", "ü".repeat(40)) },
  { weight: 1, arbitrary: fc.constantFrom(new Uint8Array([0xff]), new Uint8Array([0xc3, 0x28, 0])) },
);
const values = fc.array(value, { minLength: 1, maxLength: 3 });
const place = fc.nat({ max: 3 });
const ttl = fc.constantFrom(1, 50, 400, 3_000, 60_000);
const index = fc.integer({ min: -3, max: 3 });
const end = fc.constantFrom("head" as const, "tail" as const);
const delta = fc.oneof(
  fc.integer({ min: -5, max: 9 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, 2n ** 62n, -(2n ** 62n), 7n),
);

/** One command and how it reads in a counterexample. */
type Command = readonly [name: string, run: (writes: Writes) => unknown];

export const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(key, value, fc.option(ttl))
      .map(
        ([k, v, t]): Command => [
          `set ${k} ${v} ${t}`,
          (w) => w.set(k, v, t === null ? undefined : { ttl: t }),
        ],
      ),
  },
  fc
    .tuple(key, value)
    .map(([k, v]): Command => [`set ${k} ${v} keepTtl`, (w) => w.set(k, v, { keepTtl: true })]),
  fc
    .tuple(key, value, fc.constantFrom("absent" as const, "present" as const))
    .map(([k, v, onlyIf]): Command => [`set ${k} ${v} ${onlyIf}`, (w) => w.set(k, v, { onlyIf })]),
  fc
    .array(fc.tuple(key, value), { maxLength: 3 })
    .map((pairs): Command => [`setMany ${JSON.stringify(pairs)}`, (w) => w.setMany(pairs, undefined)]),
  {
    weight: 4,
    arbitrary: fc
      .tuple(key, delta)
      .map(([k, d]): Command => [`increment ${k} ${d}`, (w) => w.increment(k, d)]),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, ttl).map(([k, t]): Command => [`expire ${k} ${t}`, (w) => w.expire(k, t)]),
  },
  key.map((k): Command => [`persist ${k}`, (w) => w.persist(k)]),
  { weight: 3, arbitrary: key.map((k): Command => [`delete ${k}`, (w) => w.delete([k])]) },
  fc.constantFrom("", "a", "b").map((p): Command => [`clear ${p}`, (w) => w.clear(p)]),
  {
    weight: 3,
    arbitrary: fc.tuple(key, values).map(([k, v]): Command => [`setAdd ${k} ${v}`, (w) => w.setAdd(k, v)]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(key, values)
      .map(([k, v]): Command => [`setRemove ${k} ${v}`, (w) => w.setRemove(k, v)]),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(key, values, end)
      .map(([k, v, e]): Command => [`listAdd ${k} ${v} ${e}`, (w) => w.listAdd(k, v, e)]),
  },
  fc.tuple(key, end).map(([k, e]): Command => [`listTake ${k} ${e}`, (w) => w.listTake(k, e)]),
  fc
    .tuple(key, value, index)
    .map(([k, v, n]): Command => [`listRemove ${k} ${v} ${n}`, (w) => w.listRemove(k, v, n)]),
  fc
    .tuple(key, fc.constantFrom("before" as const, "after" as const), value, value)
    .map(([k, s, p, v]): Command => [`listInsert ${k} ${s} ${p} ${v}`, (w) => w.listInsert(k, s, p, v)]),
  fc
    .tuple(key, index, value)
    .map(([k, i, v]): Command => [`listSet ${k} ${i} ${v}`, (w) => w.listSet(k, i, v)]),
  fc
    .tuple(key, index, index)
    .map(([k, f, t]): Command => [`listTrim ${k} ${f} ${t}`, (w) => w.listTrim(k, f, t)]),
  key.map((k): Command => [`listClear ${k}`, (w) => w.listClear(k)]),
);

/** Runs a command; what it refuses has changed nothing. */
export function attempt(site: Site, [name, run]: Command): void {
  const before = site.made.length;
  try {
    run(site.writes);
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    if (site.made.length !== before) throw new Error(`${name} was refused and wrote`, { cause: error });
  }
}

function step(name: string, act: (history: History) => void): Step {
  return { name, act };
}

const write = fc
  .tuple(place, command)
  .map(([p, c]) => step(`${p}: ${c[0]}`, (history) => attempt(history.site(p), c)));
const deliver = fc
  .tuple(place, fc.nat({ max: 7 }), fc.integer({ min: 1, max: 6 }))
  .map(([p, m, count]) =>
    step(`${p} gets ${count} of ${m}`, (history) =>
      history.deliver(history.site(p), history.made[m % history.made.length]!, count),
    ),
  );
const pass = fc.constantFrom(0.5, 1, 60, 500, 4_000).map((ms) =>
  step(`${ms} ms pass`, (history) => {
    history.clock.now += ms;
  }),
);
const sweep = fc
  .tuple(place, fc.boolean())
  .map(([p, all]) => step(`${p} sweeps${all ? " for all" : ""}`, (history) => history.site(p).sweep(0, all)));
/** The owner of counters says what it has applied to one who has all that the owner made. */
const report = fc.tuple(place, place).map(([to, from]) =>
  step(`${to} hears what ${from} has applied`, (history) => {
    const [site, owner] = [history.site(to), history.site(from)];
    if (site === owner) return;
    const origin = site.origins.intern(owner.name);
    if (!site.store.vector.covers(origin, owner.made.length)) return;
    site.replica.closeCounters(origin, carryVector(owner.store.vector, owner.origins, site.origins));
  }),
);
const restart = place.map((p) =>
  step(`${p} dies and starts anew`, (history) => history.start(p % history.sites.length)),
);
const ask = fc.tuple(place, place).map(([to, from]) =>
  step(`${to} asks ${from} for an image`, (history) => {
    const [taker, donor] = [history.site(to), history.site(from)];
    if (taker === donor || history.transfers.some((each) => each.to === taker)) return;
    history.transfers.push({ from: donor, to: taker, transfer: new Transfer(donor, taker) });
  }),
);
const chunk = fc.tuple(fc.nat({ max: 2 }), fc.constantFrom(1, 40, 400)).map(([t, bytes]) =>
  step(`transfer ${t} goes on`, (history) => {
    // Many buckets are empty, so that one step of a byte takes the next that is not.
    history.transfers[t % Math.max(1, history.transfers.length)]?.transfer.step(bytes);
  }),
);
const install = fc.nat({ max: 2 }).map((t) =>
  step(`transfer ${t} is installed`, (history) => {
    const [done] = history.transfers.splice(t % Math.max(1, history.transfers.length), 1);
    done?.transfer.finish(64);
  }),
);

/** Only writes, carrying and time. */
export const plainSteps = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: write },
    { weight: 6, arbitrary: deliver },
    { weight: 2, arbitrary: pass },
    { weight: 1, arbitrary: sweep },
  ),
  { minLength: 1, maxLength: 40, size: "max" },
);

/** Everything that can happen to hosts. */
export const allSteps = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: write },
    { weight: 14, arbitrary: deliver },
    { weight: 4, arbitrary: pass },
    { weight: 2, arbitrary: sweep },
    { weight: 5, arbitrary: report },
    { weight: 1, arbitrary: restart },
    { weight: 4, arbitrary: ask },
    { weight: 4, arbitrary: chunk },
    { weight: 4, arbitrary: install },
  ),
  { minLength: 1, maxLength: 60, size: "max" },
);

const carrying = [
  { weight: 12, arbitrary: deliver },
  { weight: 4, arbitrary: ask },
  { weight: 2, arbitrary: chunk },
  { weight: 5, arbitrary: install },
];

function writing(commands: fc.Arbitrary<Command>) {
  return fc
    .tuple(place, commands)
    .map(([p, c]) => step(`${p}: ${c[0]}`, (history) => attempt(history.site(p), c)));
}

/** One counter, counted up and reset everywhere, and owners that say what they have seen. */
export const counterSteps = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: writing(fc.integer({ min: 1, max: 3 }).map((d) => [`+${d}`, (w) => w.increment("n", d)])),
    },
    { weight: 4, arbitrary: writing(fc.constant(["delete", (w) => w.delete(["n"])])) },
    { weight: 1, arbitrary: writing(fc.constant(["clear", (w) => w.clear("")])) },
    { weight: 1, arbitrary: writing(fc.constant(["set 100", (w) => w.set("n", "100", undefined)])) },
    { weight: 8, arbitrary: report },
    ...carrying,
  ),
  { minLength: 1, maxLength: 60, size: "max" },
);

/** One or two keys that expire, with deadlines set, moved and swept. */
export const expirySteps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: writing(
        fc
          .tuple(fc.constantFrom("k", "l"), fc.constantFrom("v", "7"), fc.constantFrom(1, 50, 400))
          .map(([k, v, t]) => [`set ${k} ${v} ${t}`, (w) => w.set(k, v, { ttl: t })]),
      ),
    },
    {
      weight: 4,
      arbitrary: writing(
        fc
          .tuple(fc.constantFrom("k", "l"), fc.constantFrom(20, 300, 5_000))
          .map(([k, t]) => [`expire ${k} ${t}`, (w) => w.expire(k, t)]),
      ),
    },
    { weight: 1, arbitrary: writing(fc.constant(["persist k", (w) => w.persist("k")])) },
    { weight: 2, arbitrary: writing(fc.constant(["increment k", (w) => w.increment("k", 1)])) },
    { weight: 2, arbitrary: writing(fc.constant(["setAdd l", (w) => w.setAdd("l", ["m"])])) },
    { weight: 6, arbitrary: pass },
    { weight: 6, arbitrary: sweep },
    ...carrying,
  ),
  { minLength: 1, maxLength: 60, size: "max" },
);

/** Lets a history happen; `after` each step may look. */
export function play(
  sites: number,
  steps: readonly Step[],
  after?: (history: History, step: Step) => void,
): History {
  const history = new History(sites);
  for (const each of steps) {
    each.act(history);
    after?.(history, each);
  }
  return history;
}

/** In a counterexample. */
export function told(steps: readonly Step[]): string {
  return steps.map(({ name }) => name).join("\n");
}

/** The events of a history in an order in which a network may bring them: of one origin always in order. */
export function interleaved(
  history: History,
  choices: readonly number[],
): { event: ReplicatedEvent; made: Made }[] {
  const next = history.made.map(() => 0);
  const order: { event: ReplicatedEvent; made: Made }[] = [];
  for (let turn = 0; ; turn++) {
    const open = history.made.flatMap((made, at) => (next[at]! < made.events.length ? [at] : []));
    if (open.length === 0) return order;
    const at = open[(choices[turn % choices.length] ?? 0) % open.length]!;
    order.push({ event: history.made[at]!.events[next[at]!++]!, made: history.made[at]! });
  }
}
