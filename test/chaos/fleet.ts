/**
 * The hosts of a run, each behind links of its own to every server, and the journals of all their starts.
 * A start is an incarnation; a host that is started again is another one.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenOptions } from "../../src/options.ts";
import type { RecordedEvent } from "../simulation/recorded.ts";
import { HostGone, HostProcess } from "./host-process.ts";
import { JournalReader } from "./journal.ts";
import { Link, type LinkMode, OPEN } from "./link.ts";
import type { ServerCluster, ServerProcess } from "./servers.ts";

/** One start of a host. */
export interface Start {
  readonly process: HostProcess;
  readonly incarnation: string;
  ready: boolean;
}

/** One place for a host, whoever lives in it. */
export interface Site {
  readonly name: string;
  /** Its links to the servers, the one it prefers first; none at a place that was given. */
  readonly links: readonly Link[];
  readonly place: Place;
  /** `undefined` while nobody does. */
  start: Start | undefined;
  /** A start that is under way. */
  starting: Promise<void> | undefined;
}

/** The journals of all starts there ever were: the events by the incarnation that made them. */
export class Journals {
  readonly #readers = new Map<JournalReader, () => boolean>();
  readonly #events = new Map<string, RecordedEvent[]>();
  /** How many events of an incarnation were forgotten. */
  readonly #forgotten = new Map<string, number>();

  /** `ended`: whether nothing more will be written to it. */
  add(path: string, ended: () => boolean): void {
    this.#readers.set(new JournalReader(path), ended);
  }

  read(): void {
    for (const [reader, ended] of this.#readers) {
      const last = ended();
      for (const event of reader.read()) {
        const events = this.#events.get(event.origin);
        if (events === undefined) this.#events.set(event.origin, [event]);
        else events.push(event);
      }
      if (!last) continue;
      reader.close();
      this.#readers.delete(reader);
    }
  }

  /** How many events an incarnation has made. */
  made(incarnation: string): number {
    return (this.#forgotten.get(incarnation) ?? 0) + (this.#events.get(incarnation)?.length ?? 0);
  }

  /** How many incarnations have made more events than a vector covers. */
  longerThan(vector: ReadonlyMap<string, number>): number {
    const incarnations = new Set([...this.#events.keys(), ...this.#forgotten.keys()]);
    return [...incarnations].filter((name) => this.made(name) > (vector.get(name) ?? 0)).length;
  }

  /** An event that was not forgotten. */
  event(incarnation: string, seq: number): RecordedEvent | undefined {
    return this.#events.get(incarnation)?.[seq - 1 - (this.#forgotten.get(incarnation) ?? 0)];
  }

  /** Everything that was not forgotten. */
  all(): RecordedEvent[] {
    return [...this.#events.values()].flat();
  }

  /**
   * Forgets what a vector covers, but not how many events they were: what is left of them is known otherwise.
   * Of the dead it forgets what nobody has as well.
   */
  forget(vector: ReadonlyMap<string, number>, alive: ReadonlySet<string>): void {
    for (const [incarnation, events] of this.#events) {
      const before = this.#forgotten.get(incarnation) ?? 0;
      const gone = alive.has(incarnation) ? (vector.get(incarnation) ?? 0) - before : events.length;
      this.#forgotten.set(incarnation, before + gone);
      if (gone === events.length) this.#events.delete(incarnation);
      else this.#events.set(incarnation, events.slice(gone));
    }
  }

  close(): void {
    for (const reader of this.#readers.keys()) reader.close();
    this.#readers.clear();
  }
}

/** A program to run a host under, as `["ip", "netns", "exec", name]`, and addresses of servers as seen there. */
export interface Place {
  readonly prefix: readonly string[];
  readonly servers: readonly string[];
}

export interface FleetOptions {
  readonly cluster: Pick<ServerCluster, "servers">;
  readonly hosts: number;
  readonly namespace: string;
  /** Drawn anew for every start. */
  readonly options: () => OpenOptions;
  /** Where to run a host and how it reaches the servers; else here, each through links of its own. */
  readonly place?: (index: number) => Place;
  /** Told when a start has become ready, and how long that took. */
  readonly joined: (site: Site, tookMs: number) => void;
}

/** Faults end before that. */
const READY_LIMIT_MS = 600_000;

export class Fleet {
  readonly sites: Site[] = [];
  readonly journals = new Journals();
  readonly #directory: string;
  readonly #options: FleetOptions;
  #starts = 0;

  private constructor(options: FleetOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
  }

  static async create(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options, await mkdtemp(join(tmpdir(), "tidemark-chaos-")));
    for (let index = 0; index < options.hosts; index++) {
      const links = options.place === undefined ? await linksTo(options.cluster.servers, index) : [];
      const servers = links.map((link) => `127.0.0.1:${link.port}`);
      const place = options.place?.(index) ?? { prefix: [], servers };
      fleet.sites.push({ name: `host-${index + 1}`, links, place, start: undefined, starting: undefined });
    }
    return fleet;
  }

  get alive(): Site[] {
    return this.sites.filter(({ start }) => start?.process.alive === true);
  }

  /** Starts whoever is to live at a site; settles once it is ready, or has ended before. */
  start(site: Site): Promise<void> {
    site.starting ??= this.#start(site).finally(() => {
      site.starting = undefined;
    });
    return site.starting;
  }

  setLinks(site: Site, mode: LinkMode): void {
    for (const link of site.links) link.set(mode);
  }

  heal(): void {
    for (const site of this.sites) {
      this.setLinks(site, OPEN);
      if (site.start?.process.stopped) site.start.process.resume();
    }
  }

  async discard(): Promise<void> {
    for (const { start } of this.sites) await start?.process.kill();
    await Promise.all(this.sites.map(({ starting }) => starting?.catch(() => undefined)));
    for (const { start, links } of this.sites) {
      await start?.process.kill();
      await Promise.all(links.map((link) => link.close()));
    }
    this.journals.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #start(site: Site): Promise<void> {
    const startedAt = performance.now();
    const process = new HostProcess(site.name, site.place.prefix);
    const journal = join(this.#directory, `${++this.#starts}.journal`);
    const options: OpenOptions = {
      ...this.#options.options(),
      nats: { servers: [...site.place.servers], noRandomize: true },
      namespace: this.#options.namespace,
      node: site.name,
      connectTimeout: "60s",
    };
    // Until it has an incarnation it can be disturbed as any other.
    site.start = { process, incarnation: "", ready: false };
    this.journals.add(journal, () => !process.alive);
    try {
      const { incarnation } = await process.ask("open", { options, journal });
      site.start = { process, incarnation, ready: false };
      await process.ask("ready", { timeoutMs: READY_LIMIT_MS });
      site.start = { process, incarnation, ready: true };
      this.#options.joined(site, performance.now() - startedAt);
    } catch (error) {
      if (!(error instanceof HostGone) || process.crashed !== undefined) throw error;
    }
  }
}

/** A link to each server, beginning with another one for every host. */
async function linksTo(servers: readonly ServerProcess[], first: number): Promise<Link[]> {
  const links: Link[] = [];
  for (let turn = 0; turn < servers.length; turn++) {
    links.push(await Link.to(servers[(first + turn) % servers.length]!.port));
  }
  return links;
}
