/**
 * Read-through: memory, else one load per key. The walk is `get`; what to do with an entry of some age is
 * `freshness.ts`, who waits for whom is `singleflight.ts`, how the upstream is called is `calls.ts`.
 *
 * A load must never undo what happened while it ran. With a caller A, the upstream U and a writer W:
 *
 *   1. A asks for key k, which is not there; a flight begins and U reads row r1.
 *   2. W writes (or deletes, or invalidates) k: here, or on another host whose event is applied here.
 *   3. U's answer r1 comes. Entering it now would bring back what W had replaced.
 *
 * So every event on a key marks the flight of that key as overtaken (`touched`). An overtaken flight enters
 * nothing: it answers what memory holds now or, if that is nothing, loads again.
 */
import { TidemarkError } from "../errors.ts";
import { type Answer, codeOf, type FinalAnswer, failedAnswer } from "./answer.ts";
import { LoadCalls, upstreamFailed, whenAll } from "./calls.ts";
import type { LoaderCounts } from "./counts.ts";
import { type Fleet, RemoteLoads } from "./fleet.ts";
import { Followers } from "./followers.ts";
import { freshnessOf, loadedDeadline } from "./freshness.ts";
import type { Held, LoaderWorld, Memory } from "./memory.ts";
import { Negatives } from "./negatives.ts";
import type { LoadingSettings } from "./settings.ts";
import { type Flight, Singleflight } from "./singleflight.ts";
import type { Timers } from "./timers.ts";
import type { Row, Stored, Upstream } from "./upstream.ts";

/** An overtaken flight begins anew so often; then its callers get what was loaded, and memory does not. */
const MOST_RESTARTS = 3;

export interface LoaderPorts {
  readonly upstream: Upstream<unknown>;
  readonly settings: LoadingSettings;
  readonly memory: Memory;
  readonly world: LoaderWorld;
  readonly timers: Timers;
  readonly counts: LoaderCounts;
  /** Absent: this host is alone. */
  readonly fleet?: Fleet | undefined;
  /** What waits for its commit: its value, `undefined` for a deletion. */
  unsaved(key: string): { readonly value: Stored | undefined } | undefined;
}

type LoadFlight = Flight<Stored | undefined>;

export class Loader {
  readonly followers = new Followers();
  readonly #ports: LoaderPorts;
  readonly #calls: LoadCalls;
  readonly #flights = new Singleflight<Stored | undefined>();
  readonly #negatives: Negatives;
  readonly #remote: RemoteLoads | undefined;
  /** Flights that leave together at the end of the turn, where the upstream loads many at once. */
  readonly #departing: LoadFlight[] = [];

  constructor(ports: LoaderPorts) {
    this.#ports = ports;
    this.#calls = new LoadCalls(ports);
    this.#negatives = new Negatives(ports.settings.maxNegative);
    const { fleet, settings, timers, world } = ports;
    if (fleet === undefined) return;
    this.#remote = new RemoteLoads({
      fleet,
      softTimeoutMs: settings.softTimeoutMs,
      timers,
      world,
      here: (flight) => this.#depart(flight),
      again: (flight) => this.#again(flight),
      landed: (flight, answer) => this.#landedElsewhere(flight, answer),
    });
  }

  get loading(): number {
    return this.#flights.size;
  }

  get queued(): number {
    return this.#calls.queued;
  }

  /**
   * The value of a key: from memory, else loaded. Rejects `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`,
   * `UPSTREAM_BUSY`, `WRONG_TYPE`, and with the signal's reason.
   */
  async get(key: string, signal?: AbortSignal): Promise<Stored | undefined> {
    const known = this.known(key);
    return known === undefined ? this.load(key, signal) : known.value;
  }

  /** The value of a key where it is known without waiting. A look that finds nothing is to be followed by `load`. */
  known(key: string): { readonly value: Stored | undefined } | undefined {
    const { memory, counts, settings, world } = this.#ports;
    const held = memory.find(key);
    counts.gets++;
    if (held !== undefined) {
      const freshness = freshnessOf(held, world.now, settings);
      if (freshness !== "fallback") {
        counts.hits++;
        if (freshness === "revalidate") this.#revalidate(key);
        return held;
      }
    } else {
      const unsaved = this.#ports.unsaved(key);
      if (unsaved !== undefined) {
        counts.hits++;
        return unsaved;
      }
    }
    counts.misses++;
    if (held !== undefined || !this.#negatives.has(key, world.monotonic())) return undefined;
    counts.negative++;
    return { value: undefined };
  }

  /** The value of a key that is not `known`. Rejects as `get` does. */
  load(key: string, signal?: AbortSignal): Promise<Stored | undefined> {
    const held = this.#ports.memory.find(key);
    const flight = this.#join(key);
    return held === undefined ? flight.wait(signal) : this.#waitOrStale(flight, held, signal);
  }

  /** Something happened to a key: what is being loaded of it may be out of date. */
  touched(key: string): void {
    this.#negatives.forget(key);
    this.followers.touched(key);
    const flight = this.#flights.get(key);
    if (flight !== undefined) this.#overtake(flight);
  }

  /** As `touched`, for every key under a prefix. */
  touchedUnder(prefix: string): void {
    this.#negatives.forgetUnder(prefix);
    this.followers.touchedUnder(prefix);
    for (const flight of [...this.#flights.all()]) if (flight.key.startsWith(prefix)) this.#overtake(flight);
  }

  /** Loads a key for another host, here and whoever owns it, and says how it goes: the last answer is final. */
  loadFor(key: string, reply: (answer: Answer) => void): void {
    try {
      const known = this.#knownFor(key);
      if (known !== undefined) {
        reply(known);
        return;
      }
    } catch (error) {
      reply(failedAnswer(error));
      return;
    }
    const flight = this.#flightFor(key);
    flight.keep();
    reply({ outcome: "loading" });
    // A look at memory fails too, where the key has become a set or a list meanwhile.
    flight
      .wait()
      .then((value) => this.#outcomeOf(key, value))
      .then(reply, (error: unknown) => reply(failedAnswer(error)));
  }

  /** What another host answers to our request. */
  answered(host: string, id: number, answer: Answer): void {
    this.#remote?.answered(host, id, answer);
  }

  /** Ends every load. */
  close(): void {
    this.#flights.failAll(new TidemarkError("CLOSED", "this host was closed; open a new one"));
  }

  /** What can be said at once to another host that asks. */
  #knownFor(key: string): Answer | undefined {
    const { memory, settings, world } = this.#ports;
    const held = memory.find(key);
    if (held !== undefined) {
      const freshness = freshnessOf(held, world.now, settings);
      if (freshness === "fallback") return undefined;
      if (freshness === "revalidate") this.#revalidate(key);
      return { outcome: "held", value: held.value };
    }
    const unsaved = this.#ports.unsaved(key);
    if (unsaved?.value !== undefined) return { outcome: "held", value: unsaved.value };
    const forMs = Math.ceil(this.#negatives.left(key, world.monotonic()));
    return unsaved !== undefined || forMs > 0 ? { outcome: "absent", forMs } : undefined;
  }

  /** The load of a key by this host, which another one has asked for. */
  #flightFor(key: string): LoadFlight {
    const underway = this.#flights.get(key);
    const flight = underway ?? this.#open(key);
    if (underway === undefined) this.#ports.counts.backgroundLoads++;
    // Where both take the other for the owner, one of them has to begin.
    else if (this.#remote?.has(key)) this.#remote.drop(key);
    else return flight;
    this.#depart(flight);
    return flight;
  }

  #join(key: string): LoadFlight {
    const { counts } = this.#ports;
    const underway = this.#flights.get(key);
    if (underway !== undefined) {
      counts.coalesced++;
      return underway;
    }
    const flight = this.#open(key);
    if (this.#begin(flight) === "elsewhere") counts.remote++;
    else counts.loads++;
    return flight;
  }

  #revalidate(key: string): void {
    const { counts } = this.#ports;
    counts.staleHits++;
    if (this.#flights.get(key) !== undefined) return;
    counts.backgroundLoads++;
    const flight = this.#open(key);
    flight.keep();
    this.#begin(flight);
  }

  /** Sets out: to the owner of the key, or to the upstream. */
  #begin(flight: LoadFlight): "here" | "elsewhere" {
    if (this.#remote?.begin(flight)) return "elsewhere";
    this.#depart(flight);
    return "here";
  }

  #open(key: string): LoadFlight {
    const { timers, world, settings, counts } = this.#ports;
    const flight = this.#flights.open(key, () => {
      cancel();
      this.#remote?.drop(key);
      this.followers.loaded(key);
    });
    const cancel = timers.add(world.monotonic() + settings.hardTimeoutMs, () => {
      counts.timedOutLoads++;
      flight.fail(
        new TidemarkError(
          "UPSTREAM_TIMEOUT",
          `loading "${key}" took more than ${settings.hardTimeoutMs} ms; ` +
            "look at the upstream, or raise loading.hardTimeout",
        ),
      );
    });
    return flight;
  }

  /** A caller with a stale value in hand: gets it when the load fails or passes the soft time-out. */
  #waitOrStale(flight: LoadFlight, held: Held, signal: AbortSignal | undefined): Promise<Stored | undefined> {
    const { timers, world, settings, counts } = this.#ports;
    // It goes on when this caller has its stale answer, so that the next one finds a fresh value.
    flight.keep();
    return new Promise((resolve, reject) => {
      let answered = false;
      const answerStale = (): void => {
        if (!answered) counts.staleAnswers++;
        answered = true;
        resolve(held.value);
      };
      const cancel = timers.add(world.monotonic() + settings.softTimeoutMs, answerStale);
      flight.wait(signal).then(
        (value) => {
          cancel();
          resolve(value);
        },
        (error: unknown) => {
          cancel();
          if (signal?.aborted) reject(error);
          else answerStale();
        },
      );
    });
  }

  #depart(flight: LoadFlight): void {
    if (this.#ports.upstream.loadMany === undefined) {
      void this.#travel([flight]);
      return;
    }
    this.#departing.push(flight);
    if (this.#departing.length > 1) return;
    this.#ports.world.defer(() => {
      const all = this.#departing.splice(0).filter((each) => each.open);
      const { maxBatch } = this.#ports.settings;
      for (let i = 0; i < all.length; i += maxBatch) void this.#travel(all.slice(i, i + maxBatch));
    });
  }

  /** One call for these flights. Settles each of them, and never rejects itself. */
  async #travel(flights: readonly LoadFlight[]): Promise<void> {
    try {
      const rows = await this.#calls.load(
        flights.map((flight) => flight.key),
        flights.length === 1 ? flights[0]!.signal : whenAll(flights.map((flight) => flight.signal)),
      );
      for (const flight of flights) this.#land(flight, rows.get(flight.key));
    } catch (error) {
      for (const flight of flights) this.#crash(flight, error);
    }
  }

  #crash(flight: LoadFlight, error: unknown): void {
    if (!flight.open) return;
    const { counts } = this.#ports;
    const failure = upstreamFailed(`the upstream could not load "${flight.key}"`, error);
    if (failure.code === "UPSTREAM_BUSY") counts.refusedLoads++;
    else counts.failedLoads++;
    flight.fail(failure);
  }

  #land(flight: LoadFlight, row: Row | undefined): void {
    if (!flight.open) return;
    if (flight.overtaken && flight.restarts < MOST_RESTARTS) {
      this.#again(flight);
      return;
    }
    try {
      flight.settle(row === undefined ? this.#absent(flight) : this.#enter(flight, row));
    } catch (error) {
      this.#crash(flight, error);
    }
  }

  /** Something overtook it: whatever comes of it now may be out of date. */
  #again(flight: LoadFlight): void {
    this.#ports.counts.overtaken++;
    this.#remote?.drop(flight.key);
    flight.overtaken = false;
    flight.restarts++;
    if (flight.restarts > MOST_RESTARTS) this.#depart(flight);
    else this.#begin(flight);
  }

  #landedElsewhere(flight: LoadFlight, answer: FinalAnswer): void {
    const { memory, world, counts } = this.#ports;
    switch (answer.outcome) {
      case "held":
        // It is on its way as an event, or was let go here for room: entering it once more would only be noise.
        flight.settle(memory.canonical(answer.value));
        return;
      case "absent":
        counts.absent++;
        if (answer.forMs > 0) this.#negatives.remember(flight.key, world.monotonic() + answer.forMs);
        flight.settle(undefined);
        return;
      default:
        counts.failedLoads++;
        flight.fail(new TidemarkError(codeOf(answer.code), answer.message));
    }
  }

  /** How a load that was made here for another host ended. */
  #outcomeOf(key: string, value: Stored | undefined): Answer {
    const { memory, fleet, world } = this.#ports;
    if (value === undefined) {
      return { outcome: "absent", forMs: Math.ceil(this.#negatives.left(key, world.monotonic())) };
    }
    // What memory would not take travels in the answer.
    if (memory.find(key) === undefined || fleet === undefined) return { outcome: "held", value };
    return { outcome: "entered", seq: fleet.seq() };
  }

  #absent(flight: LoadFlight): undefined {
    const { counts, memory, world, settings } = this.#ports;
    counts.absent++;
    if (flight.overtaken) return;
    memory.dropLoaded(flight.key);
    if (settings.negativeTtlMs === 0) return;
    this.#negatives.remember(flight.key, world.monotonic() + settings.negativeTtlMs);
  }

  #enter(flight: LoadFlight, row: Row): Stored {
    const { memory, world, settings, counts } = this.#ports;
    const value = memory.canonical(row.value);
    if (row.stamp !== undefined) memory.observe(row.stamp);
    if (flight.overtaken) {
      counts.notKept++;
      return value;
    }
    try {
      memory.putLoaded(flight.key, value, loadedDeadline(row.ttlMs, world.now(), settings, world.random()));
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      counts.notKept++;
    }
    return value;
  }

  #overtake(flight: LoadFlight): void {
    flight.overtaken = true;
    try {
      const held = this.#ports.memory.find(flight.key);
      if (held === undefined) return;
      const { settings, world } = this.#ports;
      if (freshnessOf(held, world.now, settings) === "fresh") flight.settle(held.value);
    } catch (error) {
      flight.fail(error);
    }
  }
}
