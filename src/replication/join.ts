/**
 * How a starting host becomes ready: it listens for others, takes over what one of them has, and is ready
 * once it has applied all that the ready hosts had when it asked. With nobody there it is the first; if
 * several start at once the one with the smallest incarnation goes first.
 */
import { VersionVector } from "../causality/version-vector.ts";
import type { CatchUp } from "./catch-up.ts";
import { liveTimeout, type Peer } from "./membership.ts";
import type { Node } from "./node.ts";

/** After the first ready host was heard, others get this long to answer too, milliseconds. */
const GATHER_MS = 100;
/** Rows that nobody delivered for so long do not hold up readiness any longer, milliseconds. */
const HOPELESS_MS = 30_000;
/** A host that holds data asks for replays first, and for a snapshot if it is not level after this long, milliseconds. */
const REPLAYS_MS = 2_000;
/** A joiner waits this many times `joinWait` for a smaller one to go first. */
const PATIENCE = 5;

export class Join {
  readonly #node: Node;
  readonly #catchUp: CatchUp;
  readonly #ready: () => void;
  #startedAt = 0;
  #readyHeardAt: number | undefined;
  #installedBefore = 0;
  #target: VersionVector | undefined;
  #targetAt = 0;
  /** It holds what an earlier start of it kept, or what it had before it lost its place. */
  #warm = false;
  #had = new VersionVector();

  constructor(node: Node, catchUp: CatchUp, ready: () => void) {
    this.#node = node;
    this.#catchUp = catchUp;
    this.#ready = ready;
  }

  /** Begins anew on a host that was ready: what it had applied it has to have again, before it writes. */
  again(): void {
    this.begin();
    this.#had = this.#node.replica.vector.copy();
  }

  begin(): void {
    this.#node.state = "joining";
    this.#had = new VersionVector();
    this.#startedAt = this.#node.world.monotonic();
    this.#readyHeardAt = undefined;
    this.#warm = this.#node.replica.vector.total() > 0;
    this.#installedBefore = this.#node.counts.snapshotsInstalled;
    this.#target = undefined;
  }

  /** Whether to ask for replays: there is no point in it on a host that holds nothing yet. */
  get replays(): boolean {
    return this.#warm || this.#synced;
  }

  get #synced(): boolean {
    return this.#node.counts.snapshotsInstalled > this.#installedBefore;
  }

  tick(now: number): void {
    // A host that stands for less than it holds is neither ready nor the first.
    if (this.#node.state !== "joining" || this.#catchUp.building) return;
    const live = this.#node.membership.live(now, liveTimeout(this.#node.heartbeatMs()));
    const ready = live.filter((peer) => peer.state === "ready");
    if (ready.length === 0) {
      this.#alone(live, now);
      return;
    }
    this.#readyHeardAt ??= now;
    const gathered = now - this.#readyHeardAt >= Math.min(GATHER_MS, this.#node.settings.joinWaitMs);
    if (gathered) this.#catchUpWith(ready, now);
  }

  #alone(live: readonly Peer[], now: number): void {
    const { self, settings } = this.#node;
    const waited = now - this.#startedAt;
    if (waited < settings.joinWaitMs) return;
    const first = live.every((peer) => self.incarnation < peer.incarnation);
    if (first || waited >= PATIENCE * settings.joinWaitMs) this.#ready();
  }

  #catchUpWith(ready: readonly Peer[], now: number): void {
    const { vector } = this.#node.replica;
    if (this.#node.takeover !== undefined) {
      if (this.#catchUp.pulling || this.#catchUp.startSync()) return;
      // Nobody of those who could give it is there any more.
      if (now - this.#startedAt > HOPELESS_MS) this.#ready();
      return;
    }
    // What was asked of hosts that have died since may be nowhere: look again from time to time.
    if (this.#target === undefined || now - this.#targetAt > 1_000) {
      this.#target = new VersionVector();
      this.#target.merge(this.#had);
      for (const peer of ready) this.#target.merge(peer.vector);
      this.#targetAt = now;
    }
    if (vector.includes(this.#target) || (this.replays && this.#onlyHopelessLeft(this.#target, ready, now))) {
      this.#ready();
      return;
    }
    // A snapshot first, the tail after it by replay.
    if (this.#warm && now - this.#readyHeardAt! < REPLAYS_MS) return;
    if (!this.#synced && !this.#catchUp.pulling) this.#catchUp.startSync();
  }

  /** Whether all that is missing was asked for long and often, and nobody had it, whoever claims to. */
  #onlyHopelessLeft(target: VersionVector, ready: readonly Peer[], now: number): boolean {
    const { replica, needs, origins, quarantine } = this.#node;
    const missing = [...target.entries()].filter(([origin, seq]) => seq > replica.vector.get(origin));
    const isHopeless = (origin: number): boolean =>
      now - (needs.get(origin)?.progressAt ?? now) > HOPELESS_MS;
    if (this.#catchUp.pulling || !missing.every(([origin]) => isHopeless(origin))) return false;
    for (const [origin, seq] of missing) {
      const claim = `it claims event ${seq} of ${origins.name(origin)}, which nobody delivers`;
      for (const peer of ready)
        if (peer.vector.covers(origin, seq)) quarantine.note(peer.node, "false-row", claim);
    }
    return true;
  }
}
