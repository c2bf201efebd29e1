/**
 * The clients of a simulated cluster. What one call answers and leaves behind is compared at once with
 * the plain meaning of the operation; what was promised about replication is remembered and checked.
 */
import { type ErrorCode, TidemarkError } from "../../src/errors.ts";
import type { Host } from "../../src/host.ts";
import type { Random } from "../../src/testing/random.ts";
import type { VirtualCluster } from "../../src/testing/virtual-cluster.ts";
import type { Token } from "../../src/tidemark.ts";
import { SimulationFailure, type Written } from "./checks.ts";
import { checkIntent } from "./intent.ts";
import type { Mix } from "./mix.ts";
import { type Content, contentName, expectedOutcome, readContent, sameTtl } from "./model.ts";
import { drawOperation, keysOf, type Operation, perform } from "./operations.ts";
import { valueName } from "./oracle.ts";
import { Watcher } from "./watcher.ts";

/** Refusals that have to do with the state of the host and not with the operation. */
const REFUSALS: readonly ErrorCode[] = ["NOT_READY", "BACKPRESSURE", "CLOSED", "EVICTED", "STORE_FULL"];
/** How promises about replication may end besides as asked. */
const GIVEN_UP: readonly ErrorCode[] = ["TIMEOUT", "CLOSED", "FENCED"];

/** Of how many keys a watcher keeps the changes: so few that changes fold, and enough that they do not. */
const BUFFERS = [1, 2, 1_024];

/** What is written is looked at once in so many operations, and always on hosts that have let entries go. */
const INTENT_EVERY = 3;

/** So many hosts, besides the writer, were said to have a write. */
interface Claim {
  readonly token: Token;
  readonly hosts: number;
  readonly atMs: number;
}

/** Draws operations and calls them on hosts that are alive. */
export class Client {
  readonly #cluster: VirtualCluster;
  readonly #random: Random;
  readonly #mix: Mix;
  readonly #written: Written;
  readonly #started: () => number;
  readonly #tell: (what: () => string) => void;
  readonly #claims: Claim[] = [];
  readonly #watchers = new Map<Host, Watcher>();
  #operations = 0;
  #operating = false;
  #failure: Error | undefined;

  /** `started`: how many starts of hosts there were. */
  constructor(
    stage: { cluster: VirtualCluster; random: Random; mix: Mix; written: Written; started: () => number },
    tell: (what: () => string) => void,
  ) {
    this.#cluster = stage.cluster;
    this.#random = stage.random;
    this.#mix = stage.mix;
    this.#written = stage.written;
    this.#started = stage.started;
    this.#tell = tell;
  }

  /** Whether what is being written is written by an operation. */
  get operating(): boolean {
    return this.#operating;
  }

  /** Operations that were not refused. */
  get operations(): number {
    return this.#operations;
  }

  /** Calls one operation on one host, sometimes several in one turn. */
  act(): void {
    const hosts = this.#cluster.hosts;
    const index = this.#random.integer(0, hosts.length - 1);
    const host = hosts[index]!;
    const turns = this.#random.chance(0.9) ? 1 : this.#random.integer(2, 12);
    if (!this.#cluster.alive(index) || this.#cluster.paused(index)) return;
    for (let turn = 0; turn < turns; turn++) {
      this.#operate(host, drawOperation(this.#random, this.#mix.vocabulary));
    }
    if (this.#random.chance(0.02)) this.#askReplicated(host);
    if (this.#random.chance(0.02)) this.#askWaitFor(host, this.#random.pick(hosts));
    if (this.#random.chance(0.01)) this.#hear(host.flush({ timeout: 5_000 }), () => {});
    if (this.#random.chance(this.#mix.watching)) this.#watch(host);
    if (this.#random.chance(0.01)) this.#hear(host.ready({ timeout: 5_000 }), () => {});
  }

  /** Throws what went wrong in a promise. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Compares what was promised with the vectors that every incarnation was last seen with: what the dead had
   * nobody knows.
   */
  checkClaims(vectors: ReadonlyMap<string, ReadonlyMap<string, number>>): void {
    const alive = new Set(this.#cluster.hosts.filter((_, index) => this.#cluster.alive(index)));
    const dead = this.#started() - alive.size;
    for (const { token, hosts, atMs } of this.#claims) {
      const having = [...alive].filter(({ incarnation }) => {
        return incarnation !== token.incarnation && covers(vectors.get(incarnation), token);
      }).length;
      if (having + dead >= hosts) continue;
      const name = `${token.incarnation}/${token.seq}`;
      throw new SimulationFailure(
        "durable",
        `${name} was said to be on ${hosts} hosts at ${atMs}, is on ${having}`,
      );
    }
  }

  /** Where a watcher of a host that lives has heard other than what that host shows. */
  watchersDiffer(): string | undefined {
    for (const [host, watcher] of this.#watchers) {
      const difference = this.#cluster.hosts.includes(host) ? watcher.difference() : undefined;
      if (difference !== undefined && this.#cluster.alive(this.#cluster.hosts.indexOf(host)))
        return difference;
    }
    return undefined;
  }

  /** Changes that watchers heard. */
  get changes(): number {
    return [...this.#watchers.values()].reduce((sum, { changes }) => sum + changes, 0);
  }

  #watch(host: Host): void {
    if (this.#watchers.has(host) || host.status().state === "leaving") return;
    this.#watchers.set(host, new Watcher(host, this.#random.pick(BUFFERS)));
  }

  #operate(host: Host, operation: Operation): void {
    const keys = keysOf(operation, this.#mix.vocabulary.keys);
    const before = new Map<string, Content>();
    for (const key of keys) {
      const content = readContent(host, key);
      if (content !== undefined) before.set(key, content);
    }
    const made = this.#written.get(host.incarnation)?.length ?? 0;
    let got: { result: unknown } | { error: ErrorCode };
    try {
      this.#operating = true;
      got = { result: perform(host, operation) };
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      if (REFUSALS.includes(error.code)) return;
      got = { error: error.code };
    } finally {
      this.#operating = false;
    }
    this.#operations++;
    this.#tell(() => `${host.node} ${inWords(operation)} -> ${JSON.stringify(got, inJson)}`);
    const outcome = expectedOutcome(operation, before, this.#mix.settings.ttlMs!);
    const wanted = "error" in outcome ? { error: outcome.error } : { result: outcome.result };
    const after = "error" in outcome ? before : outcome.contents;
    const isOther = "error" in got && "orError" in outcome && got.error === outcome.orError;
    if (!isOther && JSON.stringify(got, inJson) !== JSON.stringify(wanted, inJson)) {
      this.#fail(
        host,
        operation,
        keys,
        before,
        `answered ${JSON.stringify(got, inJson)}, not ${JSON.stringify(wanted, inJson)}`,
      );
    }
    if ("result" in got && (this.#operations % INTENT_EVERY === 0 || host.standing().partial))
      checkIntent(host, { operation, result: got.result }, this.#written, made);
    for (const key of keys) {
      const left = readContent(host, key);
      const meant = after.get(key);
      // What was only read may have been let go at once to make room for what was written.
      const onlyRead = operation.name === "copy" && key === operation.from;
      if (left === undefined && onlyRead && host.standing().partial) continue;
      if (contentName(left) !== contentName(meant)) {
        this.#fail(host, operation, [key], before, `left ${contentName(left)}, not ${contentName(meant)}`);
      }
      // With idle expiry a write to a collection or a counter begins its time anew, and not every one writes.
      const idle =
        this.#mix.settings.ttlFrom === "write" && made < (this.#written.get(host.incarnation)?.length ?? 0);
      if (left?.ttl !== undefined && !idle && !sameTtl(left.ttl, meant?.ttl) && !isMixed(host, key)) {
        this.#fail(host, operation, [key], before, `left ${left?.ttl} ms to live, not ${meant?.ttl}`);
      }
    }
  }

  #fail(host: Host, operation: Operation, keys: string[], before: Map<string, Content>, what: string): never {
    const contents = keys.map((key) => {
      const ttl = before.get(key)?.ttl;
      return `${JSON.stringify(key)} = ${contentName(before.get(key))}${ttl === undefined ? "" : ` (${ttl} ms)`}`;
    });
    const message = `${host.node} ${inWords(operation)} with ${contents.join(", ")}\n  ${what}`;
    throw new SimulationFailure("operation", message, { key: keys[0]!, vector: host.inspect().vector });
  }

  #askReplicated(host: Host): void {
    const token = host.token();
    const hosts = this.#random.integer(1, 3);
    // Of nothing written all hosts have everything.
    if (token.seq === 0) return;
    this.#hear(host.replicated({ hosts, timeout: 5_000 }), (count) => {
      this.#claims.push({ token, hosts: count, atMs: this.#cluster.now });
      // Those who have died may have had it. Everybody else has it now, and not only in the end.
      const others = this.#cluster.hosts.filter((other) => other !== host && !other.closed);
      const having = others.filter((other) => covers(other.inspect().vector, token)).length;
      if (having + this.#gone() >= count) return;
      const name = `${token.incarnation}/${token.seq}`;
      throw new SimulationFailure("durable", `${name} is said to be on ${count} hosts, and is on ${having}`);
    });
  }

  /** Starts of hosts that are no more. */
  #gone(): number {
    return this.#started() - this.#cluster.hosts.filter((host) => !host.closed).length;
  }

  #askWaitFor(host: Host, other: Host): void {
    const token = host.token();
    this.#hear(other.waitFor(token, { timeout: 5_000 }), () => {
      if (covers(other.inspect().vector, token)) return;
      const name = `${token.incarnation}/${token.seq}`;
      throw new SimulationFailure("waitFor", `${other.node} says that it has ${name}, and has not`);
    });
  }

  #hear<T>(promise: Promise<T>, fulfilled: (value: T) => void): void {
    promise.then(fulfilled).catch((error: unknown) => {
      if (error instanceof TidemarkError && GIVEN_UP.includes(error.code)) return;
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    });
  }
}

/** Whether a register has counter cells on it: nobody says which deadline such a key has. */
function isMixed(host: Host, key: string): boolean {
  const { entries, cells } = host.inspect().keys.get(key) ?? { entries: [], cells: [] };
  return cells.length > 0 && entries.some(({ kind }) => kind === "value");
}

function covers(vector: ReadonlyMap<string, number> | undefined, { incarnation, seq }: Token): boolean {
  return (vector?.get(incarnation) ?? 0) >= seq;
}

/** The operation as a call. */
function inWords(operation: Operation): string {
  const { name, ...rest } = operation;
  return `${name}(${JSON.stringify(rest, inJson).slice(1, -1)})`;
}

function inJson(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return valueName(value);
  if (value === Number.POSITIVE_INFINITY) return "Infinity";
  return typeof value === "string" && value.length > 60 ? `${value.slice(0, 20)}… (${value.length})` : value;
}
