/** Answers what other hosts ask: replays from the log or the inbox, snapshots chunk by chunk, all rows. */
import { VersionVector } from "../causality/version-vector.ts";
import { BUCKETS } from "../crdt/digest.ts";
import type { HostAddress } from "../transport/transport.ts";
import { REPLAY_BYTES } from "./catch-up.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Peer } from "./membership.ts";
import type { Message, ReplayRequest, SyncRequest } from "./messages.ts";
import { type Node, SELF } from "./node.ts";
import { type Donor, decodeDigests } from "./state-sync.ts";
import { type Rate, REPLAY_RATE, REPLAY_RATE_TOGETHER, TokenBuckets } from "./token-buckets.ts";

/** Asked for one range by so many hosts within so many milliseconds, it is sent to all once more instead. */
const SHARED_ASKERS = 3;
const SHARED_MS = 50;

/** Requests of one host: far above what catching up takes. */
const REQUEST_RATE: Rate = { perSecond: 2_000, burst: 4_000 };
/** Snapshots begun for one host: each costs a first chunk. */
const OPENING_RATE: Rate = { perSecond: 10, burst: 20 };

/** Loads asked of one host by another: a cold start asks for everything at once. */
const LOAD_RATE: Rate = { perSecond: 20_000, burst: 50_000 };

export class Responder {
  readonly #node: Node;
  /** The range of our own events asked for last: how often, and since when. */
  #asked = { first: 0, times: 0, since: 0 };
  readonly #donor: Donor;
  readonly #heartbeats: Heartbeats;
  /** Bytes of replays and of chunks given again. */
  readonly #budget: TokenBuckets;
  readonly #requests: TokenBuckets;
  readonly #openings: TokenBuckets;
  readonly #loads: TokenBuckets;

  constructor(node: Node, donor: Donor, heartbeats: Heartbeats) {
    this.#node = node;
    this.#donor = donor;
    this.#heartbeats = heartbeats;
    const monotonic = (): number => node.world.monotonic();
    this.#budget = new TokenBuckets(monotonic, REPLAY_RATE, REPLAY_RATE_TOGETHER);
    this.#requests = new TokenBuckets(monotonic, REQUEST_RATE);
    this.#loads = new TokenBuckets(monotonic, LOAD_RATE);
    this.#openings = new TokenBuckets(monotonic, OPENING_RATE);
  }

  answer(message: Message): void {
    const { membership, world, counts, quarantine } = this.#node;
    // Only hosts that we have heard of are answered, and only at the address they announced.
    const peer = membership.get(message.incarnation);
    if (peer === undefined) return;
    if (message.type === "load-request") {
      // Beyond the rate it goes unanswered, and the asker asks again, here or elsewhere.
      if (this.#loads.take(peer.node, 1)) this.#node.loads.asked(peer, message);
      return;
    }
    if (!this.#requests.take(peer.node, 1)) {
      counts.dropped++;
      quarantine.note(peer.node, "flood", `more than ${REQUEST_RATE.perSecond} requests a second`);
      return;
    }
    const now = world.monotonic();
    switch (message.type) {
      case "replay-request":
        this.#replay(peer, message);
        return;
      case "sync-request": {
        if (this.#donor.isPast(message.session, 0)) return;
        const open = this.#donor.has(message.session) || this.#openSession(peer, message, now);
        if (open) this.#giveChunk(peer, message.session, 0, now);
        else this.#sendChunk(peer, message.session, undefined);
        return;
      }
      case "chunk-request":
        if (this.#donor.isPast(message.session, message.index)) return;
        if (this.#donor.isAhead(message.session, message.index)) return;
        this.#giveChunk(peer, message.session, message.index, now);
        return;
      case "rows-request":
        this.#heartbeats.sendSoon();
        return;
      default:
        quarantine.note(peer.node, "misplaced", `a ${message.type} among the requests`);
    }
  }

  #askedByMany(first: number): boolean {
    const now = this.#node.world.monotonic();
    if (this.#asked.first !== first || now - this.#asked.since > SHARED_MS) {
      this.#asked = { first, times: 0, since: now };
    }
    this.#asked.times++;
    return this.#asked.times === SHARED_ASKERS;
  }

  #giveChunk(peer: Peer, session: string, index: number, now: number): void {
    const again = this.#donor.repeats(session, index);
    const chunk = this.#donor.chunk(session, index, now);
    // Beyond the budget it goes unanswered, as a replay does.
    if (again && !this.#budget.take(peer.incarnation, chunk?.length ?? 0)) return;
    this.#sendChunk(peer, session, chunk);
  }

  #sendChunk(peer: HostAddress, session: string, chunk: Uint8Array | undefined): void {
    const { incarnation } = this.#node.self;
    if (chunk !== undefined) this.#node.sendBytes("rp", peer, chunk);
    else this.#node.send("rp", peer, { type: "sync-refusal", incarnation, session });
  }

  #openSession(peer: Peer, message: SyncRequest, now: number): boolean {
    const { origins, replica, state } = this.#node;
    if (state !== "ready" && state !== "leaving") return false;
    if (!this.#openings.take(peer.node, 1)) return false;
    const seen = new VersionVector();
    for (const [name, seq] of message.seen) {
      // Of a host that we never heard of there is nothing in our image.
      const origin = origins.find(name);
      if (origin !== undefined) seen.raise(origin, seq);
    }
    const digests = decodeDigests(message.digests, BUCKETS);
    return this.#donor.open(message.session, () => replica.openImage(seen, digests), now);
  }

  #replay(peer: Peer, request: ReplayRequest): void {
    const { origins, log, inbox, replica, self, publisher, counts, state } = this.#node;
    const { incarnation } = self;
    const origin = origins.find(request.origin);
    if (origin === SELF) publisher.release();
    // What is held back is on its way; sent to each who asks as well, it would be sent many times. It is not on
    // its way from a host that may not publish or is about to go, nor soon enough for one that has to catch up.
    const isHeldBack = request.first > publisher.publishedSeq && replica.vector.covers(SELF, request.first);
    if (origin === SELF && state === "ready" && peer.state === "ready" && isHeldBack) return;
    const frames =
      origin === undefined
        ? []
        : (log.since(origin, request.first, REPLAY_BYTES) ??
          inbox.since(origin, request.first, REPLAY_BYTES));
    if (frames.length > 0) {
      const bytes = frames.map((frame) => frame.bytes);
      const size = bytes.reduce((sum, each) => sum + each.length, 0);
      // Beyond the budget the request goes unanswered: the asker backs off and asks again, here or elsewhere.
      if (!this.#budget.take(peer.incarnation, size)) return;
      counts.replaysServed++;
      if (origin === SELF && this.#askedByMany(request.first)) {
        // Receivers that have them drop them; the others are served by one message instead of many.
        for (const frame of bytes) this.#node.sendBytes("ev", self, frame);
        return;
      }
      this.#node.send("rp", peer, { type: "replay", incarnation, origin: request.origin, frames: bytes });
      return;
    }
    const reason =
      origin !== undefined && replica.vector.covers(origin, request.first) ? "trimmed" : "unknown";
    this.#node.send("rp", peer, { type: "replay-refusal", incarnation, origin: request.origin, reason });
  }
}
