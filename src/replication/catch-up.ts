/**
 * Getting what was missed: by replay of frames while somebody's log has them, else by an exact image.
 * One mechanism for a lost message, a healed partition and a joiner.
 */
import { VersionVector } from "../causality/version-vector.ts";
import { mayGive } from "./audit.ts";
import { readChunkHeader } from "./image-codec.ts";
import { isLive, liveTimeout, type Peer } from "./membership.ts";
import type { Message, Row } from "./messages.ts";
import { type Node, SELF } from "./node.ts";
import { type Candidate, chooseSource, type Need, retryDelay } from "./recovery.ts";
import { isEndless, type Pull, pullStep, startPull, takeChunk } from "./state-sync.ts";

/** An answer to a replay request carries at most this many bytes of frames. */
export const REPLAY_BYTES = 1024 * 1024;

/** So many unreadable answers for one origin, and its events are taken over as state. */
const POISONED_AFTER = 3;

/** Requests sent in one tick, at most: more gaps than that wait for the next. */
const REQUESTS_PER_TICK = 32;

/** So often an origin says that it never made what is asked for before those who claim it are not believed. */
const DENIED_OFTEN = 3;

/** A donor whose image could not be read is not asked again for this long, milliseconds. */
const UNREADABLE_MS = 10_000;

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
  #sessions = 0;
  /** Donors that refused or fell silent, and until when not to ask them. */
  readonly #avoid = new Map<string, number>();
  /** How often in a row an image of a host, by its name, came to nothing: those that fail least are asked first. */
  readonly #failures = new Map<string, number>();

  constructor(node: Node, ports: CatchUpPorts) {
    this.#node = node;
    this.#ports = ports;
  }

  get pulling(): boolean {
    return this.#pull !== undefined;
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
    const { replica, world, self, membership } = this.#node;
    const now = world.monotonic();
    const from = donor ?? this.#bestDonor(now);
    if (from === undefined || (this.#avoid.get(from.incarnation) ?? 0) > now) return false;
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
    this.#ask(this.#pull, membership.get(from.incarnation)!);
    return true;
  }

  /** Frames of one answer were applied: go on at once if there is more, for that is much faster than waiting. */
  replayed(origin: number, from: Peer, gained: number, since: number | undefined): void {
    if (gained === 0 || since === undefined) return;
    const { world } = this.#node;
    const now = world.monotonic();
    const tookMs = now - since;
    this.#node.tell({
      type: "replay",
      origin: this.#node.origins.name(origin),
      from: from.incarnation,
      events: gained,
      tookMs,
    });
    this.#node.lastRepair = {
      kind: "replay",
      at: world.now(),
      from: from.incarnation,
      events: gained,
      tookMs,
    };
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
    if (need.unreadable >= POISONED_AFTER && from.state === "ready") this.startSync(from);
  }

  refused(origin: number, from: Peer, reason: "trimmed" | "unknown"): void {
    const need = this.#node.needs.get(origin);
    if (need === undefined || this.#done(need)) return;
    if (reason === "trimmed") this.startSync(from.partial ? this.#completeDonor(origin, from) : from);
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
    if (!header.last) {
      const donor = this.#node.membership.get(pull.donor);
      if (donor !== undefined) this.#ask(pull, donor);
      return;
    }
    this.#pull = undefined;
    this.#install(pull, now);
  }

  syncRefused(session: string): void {
    if (this.#pull?.session === session) this.#abandon(this.#pull);
  }

  #endless(pull: Pull): void {
    const donor = this.#node.membership.get(pull.donor)?.node ?? pull.donor;
    const detail = `its snapshot has ${pull.chunks.length} chunks and ${pull.bytes} bytes so far`;
    this.#node.quarantine.note(donor, "endless", detail);
    this.#node.trouble =
      `the snapshot of ${donor} is larger than half of the memory here, or has no end; ` +
      "give this host more memory, or look after that one";
    this.#failed(pull);
    this.#abandon(pull);
  }

  /** The donor's connection or ours is gone: begin anew later. */
  reset(): void {
    this.#pull = undefined;
  }

  #install(pull: Pull, now: number): void {
    const { replica, log, inbox, needs, counts, world, changedRows, publisher } = this.#node;
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
      const donor = this.#node.membership.get(pull.donor)?.node ?? pull.donor;
      this.#node.trouble =
        `the snapshot of ${donor} cannot be read (${(error as Error).message}); ` +
        "give all hosts the same version, maxKeyBytes and maxValueBytes";
      this.#failed(pull);
      this.#avoid.set(pull.donor, now + UNREADABLE_MS);
      throw error;
    }
    this.#node.trouble = undefined;
    this.#failures.clear();
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
    this.#node.lastRepair = {
      kind: "snapshot",
      at: world.now(),
      from: pull.donor,
      events,
      tookMs: now - pull.startedAt,
    };
    this.#node.tell({ type: "snapshot", from: pull.donor, events, tookMs: now - pull.startedAt });
    needs.resetBackOff(now);
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
    const donor = this.#node.membership.get(pull.donor);
    const timeout = liveTimeout(this.#node.heartbeatMs());
    if (donor === undefined || !isLive(donor, now, timeout)) {
      this.#abandon(pull);
      return;
    }
    const step = pullStep(pull, now);
    if (step === "abandon") {
      this.#failed(pull);
      this.#abandon(pull);
    } else if (step === "retry") this.#ask(pull, donor);
  }

  /** Whatever was staged is dropped: half an image is worse than none. */
  #abandon(pull: Pull): void {
    const { world, needs } = this.#node;
    const now = world.monotonic();
    this.#pull = undefined;
    this.#avoid.set(pull.donor, now + 200 + 800 * world.random());
    for (const [donor, until] of this.#avoid) if (until <= now) this.#avoid.delete(donor);
    needs.resetBackOff(now + 100);
  }

  #failed(pull: Pull): void {
    const name = this.#node.membership.get(pull.donor)?.node;
    if (name !== undefined) this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
  }

  #ask(pull: Pull, donor: Peer): void {
    const { self } = this.#node;
    const { incarnation, node } = self;
    const index = pull.chunks.length;
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

  /** The host that has applied the most, of those that have let nothing go if there are any. */
  #bestDonor(now: number): Peer | undefined {
    let best: Peer | undefined;
    for (const peer of this.#donors(now)) {
      if (best === undefined || this.#isBetter(peer, best)) best = peer;
    }
    return best;
  }

  #isBetter(peer: Peer, than: Peer): boolean {
    if (peer.partial !== than.partial) return than.partial;
    const failures = (this.#failures.get(peer.node) ?? 0) - (this.#failures.get(than.node) ?? 0);
    return failures === 0 ? peer.vector.total() > than.vector.total() : failures < 0;
  }

  /** A host that has let nothing go and has more of an origin's events than we; else the one that offered. */
  #completeDonor(origin: number, offered: Peer): Peer {
    const now = this.#node.world.monotonic();
    const applied = this.#node.replica.vector.get(origin);
    return this.#donors(now).find((peer) => !peer.partial && peer.vector.get(origin) > applied) ?? offered;
  }

  #donors(now: number): Peer[] {
    const timeout = liveTimeout(this.#node.heartbeatMs());
    const isOpen = (peer: Peer): boolean => (this.#avoid.get(peer.incarnation) ?? 0) <= now;
    return this.#node.membership.live(now, timeout).filter((peer) => peer.state === "ready" && isOpen(peer));
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

function encodeDigests(digests: Int32Array): Uint8Array {
  const bytes = new Uint8Array(digests.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < digests.length; i++) view.setInt32(i * 4, digests[i]!);
  return bytes;
}

/** The digests of a request; `undefined` when the asking host has no data or sent nonsense. */
export function decodeDigests(bytes: Uint8Array, buckets: number): Int32Array | undefined {
  if (bytes.length !== buckets * 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Int32Array.from({ length: buckets }, (_, i) => view.getInt32(i * 4));
}
