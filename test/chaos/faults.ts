/**
 * What is done to a fleet and its servers. A fault is drawn, begins, and ends by itself after a while or when
 * everything is healed. Each round draws its own mix of them (swarm testing: a mix of all faults hides what
 * only shows where some are absent).
 */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../src/testing/random.ts";
import type { Fleet, Site } from "./fleet.ts";
import { type Link, type LinkMode, OPEN } from "./link.ts";
import type { ServerCluster, ServerProcess } from "./servers.ts";

export type FaultName = keyof typeof WEIGHTS;

const WEIGHTS = {
  killHost: 3,
  leaveHost: 1,
  stopHost: 3,
  killServer: 2,
  endServer: 1,
  lameDuck: 0.5,
  stopServer: 2,
  disturbRoute: 3,
  splitServer: 2,
  disturbHost: 3,
  cutHostOff: 2,
} as const;

/** Longer than healing is waited for. */
const LAST_MS = 600_000;

/** The faults of one round: which, how often, how long. */
export interface Weather {
  readonly weights: ReadonlyMap<FaultName, number>;
  /** Milliseconds between the beginnings of two, on average. */
  readonly everyMs: number;
  /** Milliseconds the longest of them lasts. */
  readonly longestMs: number;
}

export interface FaultPorts {
  readonly fleet: Fleet;
  readonly cluster: ServerCluster;
  readonly random: Random;
  /** Hosts that are not to be ended in this round. */
  readonly spared: ReadonlySet<string>;
  /** An incarnation was ended. */
  readonly died: () => void;
  readonly say: (line: string) => void;
}

export function drawWeather(random: Random, longestMs: number): Weather {
  const names = Object.keys(WEIGHTS) as FaultName[];
  const chosen = random.shuffle(names).slice(0, random.integer(2, names.length));
  return {
    weights: new Map(chosen.map((name) => [name, WEIGHTS[name]])),
    everyMs: random.magnitude(200, 3_000),
    longestMs: random.magnitude(500, longestMs),
  };
}

/** The faults of one round while they last. */
export class Faults {
  readonly #ports: FaultPorts;
  readonly #weather: Weather;
  readonly #counts: Map<FaultName, number>;
  readonly #ending = new Set<Promise<void>>();
  readonly #healing = new AbortController();
  /** Whether links may be slow as well as dead. */
  #delays = true;

  /** `counts` is added to. */
  constructor(ports: FaultPorts, weather: Weather, counts: Map<FaultName, number>) {
    this.#ports = ports;
    this.#weather = weather;
    this.#counts = counts;
    // Every fault that lasts listens for the end.
    setMaxListeners(0, this.#healing.signal);
  }

  /** Begins faults for so many milliseconds. */
  async rage(durationMs: number): Promise<void> {
    const { random } = this.#ports;
    const until = performance.now() + durationMs;
    for (;;) {
      await delay(Math.min(random.between(0.2, 1.8) * this.#weather.everyMs, durationMs));
      if (performance.now() >= until) return;
      const name = drawFault(random, this.#weather.weights);
      const lastsMs = random.magnitude(50, this.#weather.longestMs);
      const ending = this[name](lastsMs);
      if (ending === undefined) continue;
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
      const ended = ending.finally(() => this.#ending.delete(ended));
      // Whoever heals hears of a failure; until then it is nobody's.
      ended.catch(() => undefined);
      this.#ending.add(ended);
    }
  }

  /** Some that last until they are healed, so that there is something to heal; begun so long before that. */
  async finish(durationMs: number): Promise<void> {
    const { random } = this.#ports;
    const lasting = [this.disturbRoute, this.splitServer, this.cutHostOff, this.stopHost];
    this.#delays = false;
    for (const fault of random.shuffle(lasting).slice(0, random.integer(1, 3))) {
      const ending = fault.call(this, durationMs + LAST_MS);
      if (ending !== undefined) this.#ending.add(ending);
    }
    await delay(durationMs);
  }

  /** Ends every fault. Servers and links are as new, hosts that were stopped go on; the dead stay dead. */
  async heal(): Promise<void> {
    const { fleet, cluster } = this.#ports;
    this.#healing.abort();
    for (const link of cluster.routes) link.set(OPEN);
    fleet.heal();
    await Promise.all(this.#ending);
    fleet.heal();
    await Promise.all(
      cluster.servers.map(async (server) => {
        await server.signal("SIGCONT");
        await server.start();
      }),
    );
  }

  killHost(lastsMs: number): Promise<void> | undefined {
    return this.#endHost(lastsMs, "killed", (site) => site.start!.process.kill());
  }

  leaveHost(lastsMs: number): Promise<void> | undefined {
    return this.#endHost(lastsMs, "told to leave", (site) => site.start!.process.leave(5_000));
  }

  stopHost(lastsMs: number): Promise<void> | undefined {
    const { fleet, random } = this.#ports;
    const sites = fleet.alive.filter(({ start }) => start!.ready && !start!.process.stopped);
    if (sites.length === 0) return undefined;
    const site = random.pick(sites);
    const { process } = site.start!;
    this.#say(`${site.name} stopped`, lastsMs);
    process.stop();
    return this.#later(lastsMs, () => process.resume());
  }

  killServer(lastsMs: number): Promise<void> | undefined {
    return this.#endServer(lastsMs, "killed", (server) => server.signal("SIGKILL"));
  }

  endServer(lastsMs: number): Promise<void> | undefined {
    return this.#endServer(lastsMs, "ended", (server) => server.signal("SIGTERM"));
  }

  /** It sends its clients away bit by bit; it is killed before that is over. */
  lameDuck(lastsMs: number): Promise<void> | undefined {
    return this.#endServer(lastsMs, "a lame duck", async (server) => {
      await server.signal("SIGUSR2");
      await this.#wait(2_000);
      await server.signal("SIGKILL");
    });
  }

  stopServer(lastsMs: number): Promise<void> | undefined {
    const server = this.#runningServer();
    if (server === undefined) return undefined;
    this.#say(`${server.name} stopped`, lastsMs);
    void server.signal("SIGSTOP");
    return this.#later(lastsMs, () => void server.signal("SIGCONT"));
  }

  disturbRoute(lastsMs: number): Promise<void> {
    const { cluster, random } = this.#ports;
    const count = cluster.servers.length;
    const one = random.integer(0, count - 1);
    const other = (one + random.integer(1, count - 1)) % count;
    const mode = this.#drawMode();
    this.#say(`route ${one + 1}-${other + 1}: ${JSON.stringify(mode)}`, lastsMs);
    return this.#disturb([cluster.route(one, other)], mode, lastsMs);
  }

  /** One server and its hosts on one side, the others on the other. */
  splitServer(lastsMs: number): Promise<void> {
    const { cluster, random } = this.#ports;
    const index = random.integer(0, cluster.servers.length - 1);
    const routes = cluster.servers.flatMap((_, other) =>
      other === index ? [] : [cluster.route(index, other)],
    );
    const mode = this.#drawMode();
    this.#say(`${cluster.servers[index]!.name} split off: ${JSON.stringify(mode)}`, lastsMs);
    return this.#disturb(routes, mode, lastsMs);
  }

  /** The link of one host to the server it prefers. */
  disturbHost(lastsMs: number): Promise<void> {
    const site = this.#ports.random.pick(this.#ports.fleet.sites);
    const mode = this.#drawMode();
    this.#say(`${site.name}, link: ${JSON.stringify(mode)}`, lastsMs);
    return this.#disturb(this.#ports.random.chance(0.5) ? site.links.slice(0, 1) : site.links, mode, lastsMs);
  }

  cutHostOff(lastsMs: number): Promise<void> {
    const site = this.#ports.random.pick(this.#ports.fleet.sites);
    this.#say(`${site.name} cut off`, lastsMs);
    return this.#disturb(site.links, { kind: "cut" }, lastsMs);
  }

  #endHost(lastsMs: number, how: string, end: (site: Site) => Promise<void>): Promise<void> | undefined {
    const { fleet, random, spared, died } = this.#ports;
    const sites = fleet.alive.filter(({ name, start }) => start!.ready && !spared.has(name));
    // A fleet of dead hosts proves nothing.
    if (sites.length === 0 || fleet.alive.length <= 2) return undefined;
    const site = random.pick(sites);
    this.#say(`${site.name} ${how}`, lastsMs);
    site.start!.ready = false;
    return (async () => {
      await end(site);
      died();
      await this.#wait(lastsMs);
      if (!this.#healing.signal.aborted) void fleet.start(site).catch(() => undefined);
    })();
  }

  #endServer(
    lastsMs: number,
    how: string,
    end: (server: ServerProcess) => Promise<void>,
  ): Promise<void> | undefined {
    const server = this.#runningServer();
    if (server === undefined) return undefined;
    this.#say(`${server.name} ${how}`, lastsMs);
    return (async () => {
      await end(server);
      await this.#wait(lastsMs);
      await server.start();
    })();
  }

  #runningServer(): ServerProcess | undefined {
    const servers = this.#ports.cluster.servers.filter(({ running, stopped }) => running && !stopped);
    return servers.length === 0 ? undefined : this.#ports.random.pick(servers);
  }

  #disturb(links: readonly Link[], mode: LinkMode, lastsMs: number): Promise<void> {
    for (const link of links) link.set(mode);
    const reset = this.#ports.random.chance(0.3);
    return this.#later(lastsMs, () => {
      for (const link of links) {
        // A hole may end in the connection's end as well as in what it swallowed.
        if (reset) link.reset();
        link.set(OPEN);
      }
    });
  }

  #drawMode(): LinkMode {
    const { random } = this.#ports;
    const kind = random.next();
    if (kind < 0.35) return { kind: "cut" };
    if (kind < 0.7 || !this.#delays) return { kind: "hole", way: random.pick(["forth", "back", "both"]) };
    return { kind: "delay", ms: Math.round(random.magnitude(5, 500)) };
  }

  async #later(ms: number, act: () => void): Promise<void> {
    await this.#wait(ms);
    act();
  }

  async #wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#healing.signal }).catch(() => undefined); // healed before that
  }

  #say(what: string, lastsMs: number): void {
    this.#ports.say(`${what}, ${Math.round(lastsMs)} ms`);
  }
}

function drawFault(random: Random, weights: ReadonlyMap<FaultName, number>): FaultName {
  let rest = random.next() * [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  for (const [name, weight] of weights) {
    rest -= weight;
    if (rest < 0) return name;
  }
  return [...weights.keys()].at(-1)!;
}
