/** How sure is a write? What callers of `ready`, `flush`, `replicated` and `waitFor` wait for. */

import { checkOptions, parseDuration } from "./arguments.ts";
import type { VersionVector } from "./causality/version-vector.ts";
import { TidemarkError } from "./errors.ts";
import type { Replicator } from "./replication/replicator.ts";
import type { ReplicatedOptions, Token, WaitOptions } from "./tidemark.ts";

/** A host that leaves waits at most this long for the server and another host to have everything. */
const LEAVE_TIMEOUT_MS = 2_000;
const READY_TIMEOUT_MS = 30_000;
const REPLICATED_TIMEOUT_MS = 5_000;
const NEVER = Number.POSITIVE_INFINITY;
const SELF = 0;

export class Assurance {
  readonly #replicator: Replicator;
  readonly #vector: VersionVector;

  constructor(replicator: Replicator, vector: VersionVector) {
    this.#replicator = replicator;
    this.#vector = vector;
  }

  async ready(options: WaitOptions): Promise<void> {
    const { node, waits } = this.#replicator;
    await waits.add({
      check: () => {
        if (node.fence !== undefined) throw node.fence;
        return node.state === "ready";
      },
      timeoutMs: timeoutOf(options, READY_TIMEOUT_MS),
      signal: options.signal,
      what: "this host to catch up with the others",
    });
  }

  async flushed(options: WaitOptions): Promise<void> {
    const { waits, node } = this.#replicator;
    const seq = this.#vector.get(SELF);
    if (node.publisher.confirmedSeq >= seq) return;
    this.#replicator.confirm();
    await waits.add({
      check: () => node.publisher.confirmedSeq >= seq,
      timeoutMs: timeoutOf(options, NEVER),
      signal: options.signal,
      what: "the NATS server to confirm this host's writes",
    });
  }

  async replicated(hosts: number, options: WaitOptions): Promise<number> {
    const replicator = this.#replicator;
    const seq = this.#vector.get(SELF);
    if (seq === 0) return replicator.livePeers().length;
    if (replicator.appliedBy(seq) < hosts) {
      replicator.requestAcknowledgement();
      await replicator.waits.add({
        check: () => replicator.appliedBy(seq) >= hosts,
        timeoutMs: timeoutOf(options, REPLICATED_TIMEOUT_MS),
        signal: options.signal,
        what: `${hosts} other hosts to apply this host's writes`,
        lenient: true,
      });
    }
    return replicator.appliedBy(seq);
  }

  async applied(token: Token, options: WaitOptions): Promise<void> {
    const { node, waits } = this.#replicator;
    const origin = (): number => node.origins.find(token.incarnation) ?? Number.MAX_SAFE_INTEGER;
    await waits.add({
      check: () => this.#vector.covers(origin(), token.seq),
      timeoutMs: timeoutOf(options, NEVER),
      signal: options.signal,
      what: `write ${token.seq} of ${token.incarnation}`,
    });
  }

  /** The host leaves: its last writes are with another host if that can be, and all are told. */
  async leave(): Promise<void> {
    const replicator = this.#replicator;
    const { node, waits } = replicator;
    if (!node.transport.connected) return;
    node.state = "leaving";
    const seq = this.#vector.get(SELF);
    replicator.requestAcknowledgement();
    replicator.confirm();
    const someone = (): boolean => replicator.livePeers().length === 0 || replicator.appliedBy(seq) > 0;
    await waits.add({
      check: () => node.publisher.confirmedSeq >= seq && someone(),
      timeoutMs: LEAVE_TIMEOUT_MS,
      what: "the last writes to arrive",
      lenient: true,
    });
    replicator.sayGoodbye();
    await new Promise<void>((resolve) => node.transport.flush(() => resolve()));
  }
}

/** Throws `INVALID_ARGUMENT` unless it is a token. */
export function checkToken(token: Token): void {
  if (typeof token?.incarnation === "string" && Number.isSafeInteger(token.seq)) return;
  throw new TidemarkError("INVALID_ARGUMENT", "waitFor takes what token() of another host returned");
}

/** How many hosts a caller of `replicated` wants. Throws `INVALID_ARGUMENT`. */
export function hostsOf(options: ReplicatedOptions): number {
  checkOptions(options, ["timeout", "signal", "hosts"], "replicated");
  const { hosts = 1 } = options;
  if (Number.isInteger(hosts) && hosts >= 0) return hosts;
  throw new TidemarkError("INVALID_ARGUMENT", `hosts takes a whole number, not ${hosts}`);
}

function timeoutOf(options: WaitOptions, otherwise: number): number {
  checkOptions(options, ["timeout", "signal", "hosts"], "a wait");
  return options.timeout === undefined ? otherwise : parseDuration(options.timeout, "timeout");
}
