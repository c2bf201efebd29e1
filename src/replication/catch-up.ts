/**
 * Getting what was missed: by replay of frames while somebody's log has them, else by an exact image.
 * One mechanism for a lost message, a healed partition and a joiner.
 */
import { VersionVector } from "../causality/version-vector.ts";
import { mayGive } from "./audit.ts";
import { Building } from "./building.ts";
import { Donors } from "./donors.ts";
import { readChunkHeader } from "./image-codec.ts";
import { isLive, liveTimeout, type Peer } from "./membership.ts";
import type { Message, Row } from "./messages.ts";
import { type ImageBuild, type Node, SELF } from "./node.ts";
import { UNKNOWN_SENDER } from "./quarantine.ts";
import { type Candidate, chooseSource, type Need, retryDelay } from "./recovery.ts";
import {
  encodeDigests,
  goesOn,
  isEndless,
  nextToAsk,
  type Pull,
  pullStep,
  startPull,
  takeChunk,
} from "./state-sync.ts";

/** An answer to a replay request carries at most this many bytes of frames. */
export const REPLAY_BYTES = 1024 * 1024;

/** So many unreadable answers for one origin, and its events are taken over as state. */
const POISONED_AFTER = 3;

/** Requests sent in one tick, at most: more gaps than that wait for the next. */
const REQUESTS_PER_TICK = 32;

/** So often an origin says that it never made what is asked for before those who claim it are not believed. */
const DENIED_OFTEN = 3;

export interface CatchUpPorts {
  /** An image was installed. */
  installed(): void;
  /** All data are about to be replaced: images being given are of what will be no more. */
  replacing(): void;
  /** A whole image took the place of our data. */
  tookOver(from: string, differing: number, keys: readonly string[]): void;
}

export class CatchUp {
  readonly #node: Node;
  readonly #ports: CatchUpPorts;
  #pull: Pull | undefined;
  #building: Building | undefined;
  #sessions = 0;
  readonly #donors: Donors;

  constructor(node: Node, ports: CatchUpPorts) {
    this.#node = node;
    this.#ports = ports;
    this.#donors = new Donors(node);
  }

  get pulling(): boolean {
    return this.#pull !== undefined;
  }

  /** Whether the store holds what it does not yet stand for: what others write has to wait. */
  get building(): boolean {
    return this.#building?.active === true;
  }

  /** Asks for whatever is due; `replays` false: only goes on with an image that is being taken over. */
  tick(replays: boolean): void {
    const now = this.#node.world.monotonic();
    if (this.#pull !== undefined) this.#stepPull(this.#pull, now);
    if (!replays || this.#pull !== undefined || !this.#node.transport.connected) return;
    for (const need of this.#node.needs.due(now, REQUESTS_PER_TICK)) this.#stepNeed(need, now);
  }

  /** Begins to take over an image: from `donor`, or from the live host that has applied the most. */
  startSync(donor?: Peer): boolean {
    if (this.#pull !== undefined) return true;
    // What an image left behind that broke off goes first.
    if (this.building) return false;
    const { replica, world, self, membership } = this.#node;
    const now = world.monotonic();
    const from = donor ?? this.#donors.best();
    if (from === undefined || this.#donors.avoids(from.incarnation)) return false;
    // Who asks for the whole asks as one who has seen nothing.
    const whole = this.#node.takeover !== undefined;
    if (whole && !mayGive(this.#node, from)) return false;
    const digests = whole ? undefined : replica.bucketDigests();
    const seen = whole ? new VersionVector() : replica.vector.copy();
    // Not to be guessed: whoever could would spoil the session by a refusal or a chunk of its own.
    const chance = Math.floor(world.random() * 2 ** 48).toString(36);
    const session = `${self.incarnation}-${++this.#sessions}.${chance}`;
    const encoded = digests === undefined ? new Uint8Array(0) : encodeDigests(digests);
    this.#pull = startPull(session, from.incarnation, seen, encoded, now, whole);
    // Only a host that nobody writes on yet may hold what it does not stand for.
    const build = this.#node.state === "joining" && !whole ? replica.build() : undefined;
    this.#building = build === undefined ? undefined : this.#buildOf(build, this.#pull);
    this.#askOn(this.#pull, membership.get(from.incarnation)!);
    return true;
  }

  /** Frames of one answer were applied: go on at once if there is more, for that is much faster than waiting. */
  replayed(origin: number, from: Peer, gained: number, since: number | undefined): void {
    if (gained === 0 || since === undefined) return;
    const { world } = this.#node;
    const now = world.monotonic();
    const tookMs = now - since;
    const repair = { from: from.incarnation, events: gained, tookMs };
    this.#node.tell({ type: "replay", origin: this.#node.origins.name(origin), ...repair });
    this.#node.lastRepair = { kind: "replay", at: world.now(), ...repair };
    const need = this.#node.needs.get(origin);
    if (need === undefined || this.#done(need)) return;
    need.tries = 0;
    need.progressAt = now;
    need.denied = 0;
    this.#request(need, from);
  }

  /** An answer could not be read. If it never can, what it holds is taken over as state instead. */
  unreadable(origin: number, from: Peer): void {
    const need = this.#node.needs.get(origin);
    if (need === undefined) return;
    need.unreadable++;
    if (need.unreadable >= POISONED_AFTER && from.state === "ready")
      this.startSync(from.partial ? this.#donors.complete(origin, from) : from);
  }

  refused(origin: number, from: Peer, reason: "trimmed" | "unknown"): void {
    const need = this.#node.needs.get(origin);
    if (need === undefined || this.#done(need)) return;
    if (reason === "trimmed") this.startSync(from.partial ? this.#donors.complete(origin, from) : from);
    else if (from.origin === origin) this.#denied(need, from);
  }

  /** The author itself says that there is no such event: whoever claims to have it says what is not so. */
  #denied(need: Need, author: Peer): void {
    const { membership, world, heartbeatMs, quarantine, origins, replica, needs } = this.#node;
    need.denied++;
    // The author's row may be old: another host may have heard more since, and we not.
    if (need.denied < DENIED_OFTEN || world.monotonic() - need.progressAt < 3 * heartbeatMs()) return;
    const made = Math.max(author.vector.get(need.origin), replica.vector.get(need.origin));
    for (const peer of membership.all()) {
      const row = peer.vector.get(need.origin);
      if (row <= made) continue;
      peer.vector.set(need.origin, made);
      const claim = `it claims event ${row} of ${origins.name(need.origin)}, which made ${made}`;
      quarantine.note(peer.node, "false-row", claim);
    }
    needs.satisfied(need.origin);
  }

  /** A chunk of the image being taken over. */
  chunk(bytes: Uint8Array): void {
    const pull = this.#pull;
    const header = readChunkHeader(bytes, this.#node.settings.namespace);
    const now = this.#node.world.monotonic();
    if (pull === undefined || !takeChunk(pull, header, now)) return;
    if (isEndless(pull, this.#node.settings.imageBytes)) {
      this.#endless(pull);
      return;
    }
    const donor = this.#node.membership.get(pull.donor);
    if (donor !== undefined) this.#askOn(pull, donor);
    if (this.#building !== undefined) this.#building.came();
    else if (pull.ended) {
      this.#pull = undefined;
      this.#install(pull);
    }
  }

  syncRefused(session: string): void {
    if (this.#pull?.session === session) this.#abandon(this.#pull);
  }

  #endless(pull: Pull): void {
    const donor = this.#node.membership.get(pull.donor)?.node ?? pull.donor;
    const detail = `its snapshot has ${pull.received} chunks and ${pull.bytes} bytes so far`;
    this.#node.quarantine.note(donor, "endless", detail);
    this.#node.trouble =
      `the snapshot of ${donor} is larger than half of the memory here, or has no end; ` +
      "give this host more memory, or look after that one";
    this.#donors.failed(pull.donor);
    this.#abandon(pull);
  }

  /** The donor's connection or ours is gone: begin anew later. */
  reset(): void {
    this.#pull = undefined;
    this.#building?.discard();
  }

  /** Ends for good. */
  stop(): void {
    this.#pull = undefined;
    this.#building?.stop();
  }

  #buildOf(build: ImageBuild, pull: Pull): Building {
    const nothing = this.#node.replica.vector.copy();
    return new Building(build, pull.chunks, {
      defer: (task) => this.#node.world.defer(task),
      placed: () => {
        const donor = this.#node.membership.get(pull.donor);
        if (donor === undefined || this.#pull !== pull) return;
        goesOn(pull, this.#node.world.monotonic());
        this.#askOn(pull, donor);
      },
      finished: (events) => {
        this.#pull = undefined;
        this.#tookOver(pull, nothing, events);
      },
      failed: (error) => {
        this.#pull = undefined;
        this.#unreadable(pull, error);
        const detail = `a snapshot chunk of ${pull.bytes} bytes so far: ${error.message}`;
        this.#node.quarantine.note(UNKNOWN_SENDER, "malformed", detail);
      },
    });
  }

  #install(pull: Pull): void {
    const { replica, publisher } = this.#node;
    const before = replica.vector.copy();
    // What its events name as let go here must not go beyond what had been applied when they were written.
    publisher.release();
    let events = 0;
    try {
      if (!pull.whole) events = replica.installImage(pull.chunks, pull.seen);
      else if (!this.#takeOver(pull)) {
        this.#abandon(pull);
        return;
      }
    } catch (error) {
      this.#unreadable(pull, error as Error);
      throw error;
    }
    this.#tookOver(pull, before, events);
  }

  #unreadable(pull: Pull, error: Error): void {
    const donor = this.#node.membership.get(pull.donor)?.node ?? pull.donor;
    this.#node.trouble =
      `the snapshot of ${donor} cannot be read (${error.message}); ` +
      "give all hosts the same version, maxKeyBytes and maxValueBytes";
    this.#donors.unreadable(pull.donor);
  }

  #tookOver(pull: Pull, before: VersionVector, events: number): void {
    const { replica, log, inbox, needs, counts, world, changedRows } = this.#node;
    const now = world.monotonic();
    this.#node.trouble = undefined;
    this.#donors.succeeded();
    counts.snapshotsInstalled++;
    counts.eventsApplied += events;
    for (const [origin, seq] of replica.vector.entries()) {
      if (seq === before.get(origin)) continue;
      log.drop(origin);
      changedRows.add(origin);
      if (inbox.highest(origin) <= seq) inbox.drop(origin);
    }
    for (const [origin, seq] of before.entries()) {
      if (seq <= replica.vector.get(origin)) continue;
      // After a takeover: the giver had not applied it, and it is not applied here any more.
      log.drop(origin);
      changedRows.add(origin);
      needs.want(origin, seq, now);
    }
    const repair = { from: pull.donor, events, tookMs: now - pull.startedAt };
    this.#node.lastRepair = { kind: "snapshot", at: world.now(), ...repair };
    this.#node.tell({ type: "snapshot", ...repair });
    needs.progressed(now);
    this.#ports.installed();
  }

  /** False: the giver has not all of our own events yet. */
  #takeOver(pull: Pull): boolean {
    this.#ports.replacing();
    const found = this.#node.replica.takeOver(pull.chunks);
    if (found !== undefined) this.#ports.tookOver(pull.donor, found.differing, found.keys);
    return found !== undefined;
  }

  #stepPull(pull: Pull, now: number): void {
    // All of it is here: the donor is needed no longer.
    if (pull.ended) return;
    const donor = this.#node.membership.get(pull.donor);
    const timeout = liveTimeout(this.#node.heartbeatMs());
    if (donor === undefined || !isLive(donor, now, timeout)) {
      this.#abandon(pull);
      return;
    }
    const step = this.#backlog(pull) > 0 ? "wait" : pullStep(pull, now);
    if (step === "abandon") {
      this.#donors.failed(pull.donor);
      this.#abandon(pull);
    } else if (step === "retry") {
      pull.asked = pull.received;
      this.#askOn(pull, donor);
    }
  }

  /** Chunks that came and wait for being put in place. */
  #backlog(pull: Pull): number {
    return this.#building === undefined ? 0 : pull.chunks.length;
  }

  /** Whatever was staged is dropped: half an image is worse than none. */
  #abandon(pull: Pull): void {
    const { world, needs } = this.#node;
    this.#pull = undefined;
    this.#building?.discard();
    this.#donors.gaveUp(pull.donor);
    needs.resetBackOff(world.monotonic() + 100);
  }

  #askOn(pull: Pull, donor: Peer): void {
    for (;;) {
      const index = nextToAsk(pull, this.#backlog(pull));
      if (index === undefined) return;
      this.#ask(pull, donor, index);
    }
  }

  #ask(pull: Pull, donor: Peer, index: number): void {
    const { incarnation, node } = this.#node.self;
    const message: Message =
      index === 0
        ? {
            type: "sync-request",
            incarnation,
            node,
            session: pull.session,
            seen: rowsOf(this.#node, pull),
            digests: pull.digests,
          }
        : { type: "chunk-request", incarnation, node, session: pull.session, index };
    this.#node.send("rq", donor, message);
  }

  #stepNeed(need: Need, now: number): void {
    if (this.#done(need)) return;
    const { world, membership, replica } = this.#node;
    const timeout = liveTimeout(this.#node.heartbeatMs());
    const applied = replica.vector.get(need.origin);
    const candidates: Candidate[] = [];
    for (const peer of membership.all()) {
      if (!isLive(peer, now, timeout)) continue;
      const { incarnation, origin, vector, state } = peer;
      candidates.push({ incarnation, origin, row: vector.get(need.origin), ready: state === "ready" });
    }
    const source = chooseSource(candidates, need.origin, applied, need.tries, world.random());
    need.tries++;
    need.nextAt = now + retryDelay(need.tries, world.random());
    const peer = source === undefined ? undefined : membership.get(source.incarnation);
    if (peer !== undefined) this.#request(need, peer);
  }

  #request(need: Need, peer: Peer): void {
    const { counts, self, origins, replica, world } = this.#node;
    counts.replaysRequested++;
    need.nextAt = world.monotonic() + retryDelay(need.tries, world.random());
    const { incarnation, node } = self;
    const origin = origins.name(need.origin);
    const first = replica.vector.get(need.origin) + 1;
    this.#node.send("rq", peer, {
      type: "replay-request",
      incarnation,
      node,
      origin,
      first,
      last: need.known,
    });
  }

  #done(need: Need): boolean {
    const { needs, replica, inbox } = this.#node;
    const applied = replica.vector.get(need.origin);
    need.known = Math.max(need.known, inbox.highest(need.origin));
    if (applied < need.known && need.origin !== SELF) return false;
    needs.satisfied(need.origin);
    return true;
  }
}

function rowsOf(node: Node, pull: Pull): Row[] {
  return [...pull.seen.entries()].map(([origin, seq]) => [node.origins.name(origin), seq]);
}
