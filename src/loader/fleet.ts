/**
 * Loading in a fleet: the owner of a key, the first of the live hosts in the order of their weights for it
 * (rendezvous hashing), loads it for all. The others ask it and wait; what it loads reaches them as an event
 * anyway, so its answer only says how it went. One hop: who is asked loads itself, whatever it thinks of
 * who the owner is. An owner that is silent, slow or gone is left for exactly one other host, the same for
 * all who ask; after that every host is on its own.
 */
import type { Answer, FinalAnswer } from "./answer.ts";
import type { LoaderWorld } from "./memory.ts";
import type { Flight } from "./singleflight.ts";
import type { Timers } from "./timers.ts";
import type { Stored } from "./upstream.ts";

/** The other hosts, as the loader needs them. A host is named by its incarnation. */
export interface Fleet {
  readonly self: string;
  /** Who may load a key, the owner first: at most two hosts. */
  order(key: string): readonly string[];
  isLive(host: string): boolean;
  /** Whether an event of a host has been applied here. */
  covers(host: string, seq: number): boolean;
  /** Our last event. */
  seq(): number;
  ask(host: string, id: number, key: string): void;
}

type LoadFlight = Flight<Stored | undefined>;

export interface RemotePorts {
  readonly fleet: Fleet;
  readonly softTimeoutMs: number;
  readonly timers: Timers;
  readonly world: LoaderWorld;
  /** Loads here after all. */
  here(flight: LoadFlight): void;
  /** Begins anew: what was answered may be out of date. */
  again(flight: LoadFlight): void;
  /** An answer that ends the flight. */
  landed(flight: LoadFlight, answer: FinalAnswer): void;
}

interface Asked {
  readonly id: number;
  readonly flight: LoadFlight;
  readonly order: readonly string[];
  place: number;
  /** Whether the host has given a sign of life. */
  heard: boolean;
  /** The event by which it has entered the value. */
  entered: number | undefined;
  since: number;
  resendMs: number;
  cancel: () => void;
}

/** A request or its answer may get lost: it is repeated after this, then after twice as long, and so on. */
const RESEND_MS = 250;
/** A host that has not given a sign of life for this long is not waited for. */
const SILENCE_MS = 750;
/** One to ask, and one to take over. */
const MOST_HOSTS = 2;

export class RemoteLoads {
  readonly #ports: RemotePorts;
  readonly #asked = new Map<string, Asked>();
  readonly #byId = new Map<number, Asked>();
  #ids = 0;

  constructor(ports: RemotePorts) {
    this.#ports = ports;
  }

  /** Whether a key is being loaded elsewhere. */
  has(key: string): boolean {
    return this.#asked.has(key);
  }

  /** Asks the owner. False if that is this host, or nobody is. */
  begin(flight: LoadFlight): boolean {
    const { fleet, world } = this.#ports;
    const order = fleet.order(flight.key).slice(0, MOST_HOSTS);
    if (order.length === 0 || order[0] === fleet.self) return false;
    const asked: Asked = {
      id: ++this.#ids,
      flight,
      order,
      place: 0,
      heard: false,
      entered: undefined,
      since: world.monotonic(),
      resendMs: RESEND_MS,
      cancel: () => undefined,
    };
    this.#asked.set(flight.key, asked);
    this.#byId.set(asked.id, asked);
    this.#ask(asked);
    return true;
  }

  /** Nobody waits for the answer any more. */
  drop(key: string): void {
    const asked = this.#asked.get(key);
    if (asked === undefined) return;
    asked.cancel();
    this.#asked.delete(key);
    this.#byId.delete(asked.id);
  }

  answered(host: string, id: number, answer: Answer): void {
    const asked = this.#byId.get(id);
    if (asked === undefined) return;
    const place = asked.order.indexOf(host);
    if (place < 0 || place > asked.place) return;
    if (place === asked.place) asked.heard = true;
    const { flight } = asked;
    switch (answer.outcome) {
      case "loading":
        return;
      case "refused":
        if (place === asked.place) this.#next(asked);
        return;
      case "entered":
        asked.entered = answer.seq;
        this.#lookAtEntered(asked, host);
        return;
      default:
        // The order of messages from two hosts says nothing: what is answered may be older than an event on
        // the key that came meanwhile.
        if (flight.overtaken) this.#ports.again(flight);
        else this.#ports.landed(flight, answer);
    }
  }

  #ask(asked: Asked): void {
    const { fleet, world } = this.#ports;
    const host = asked.order[asked.place];
    if (host === undefined || host === fleet.self) {
      this.drop(asked.flight.key);
      this.#ports.here(asked.flight);
      return;
    }
    asked.heard = false;
    asked.entered = undefined;
    asked.since = world.monotonic();
    asked.resendMs = RESEND_MS;
    this.#send(asked, host);
  }

  #send(asked: Asked, host: string): void {
    const { fleet, timers, world, softTimeoutMs } = this.#ports;
    fleet.ask(host, asked.id, asked.flight.key);
    const now = world.monotonic();
    const waits = Math.min(asked.resendMs, Math.max(0, asked.since + softTimeoutMs - now));
    asked.resendMs *= 2;
    asked.cancel = timers.add(now + waits, () => this.#look(asked, host));
  }

  #look(asked: Asked, host: string): void {
    const { fleet, world, softTimeoutMs } = this.#ports;
    if (asked.entered !== undefined && this.#lookAtEntered(asked, host)) return;
    const waited = world.monotonic() - asked.since;
    const silent = !asked.heard && waited >= SILENCE_MS;
    if (silent || waited >= softTimeoutMs || !fleet.isLive(host)) this.#next(asked);
    else this.#send(asked, host);
  }

  #next(asked: Asked): void {
    asked.cancel();
    asked.place++;
    this.#ask(asked);
  }

  /** The event that entered the value would have ended the flight, unless something removed the value again. */
  #lookAtEntered(asked: Asked, host: string): boolean {
    if (!this.#ports.fleet.covers(host, asked.entered!)) return false;
    this.#ports.again(asked.flight);
    return true;
  }
}
