/**
 * What arrives: frames are applied in the order of their origins' sequences, early ones wait, known ones
 * are dropped; everything else is handed to the part it concerns. A message that cannot be read is
 * counted and treated as lost, and loss is repaired.
 */
import { MAX_SKEW_MS, stampToMs } from "../causality/hybrid-logical-clock.ts";
import { TidemarkError } from "../errors.ts";
import type { Channel, HostAddress } from "../transport/transport.ts";
import type { CatchUp } from "./catch-up.ts";
import { malformed } from "./cbor.ts";
import { Assemblies } from "./fragments.ts";
import { ACK_REQUESTED, type FrameHeader, readFrameEvents, readFrameHeader } from "./frame.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { noteReached, type Peer } from "./membership.ts";
import { bulkType, decodeMessage } from "./message-codec.ts";
import type { Message, Replay } from "./messages.ts";
import { type Node, SELF } from "./node.ts";
import { UNKNOWN_SENDER } from "./quarantine.ts";
import type { Responder } from "./responder.ts";
import { type Rate, TokenBuckets } from "./token-buckets.ts";
import type { Waits } from "./waits.ts";
import { WorkQueue } from "./work-queue.ts";

/** Heartbeats of one host: a paused one may hear a minute of them at once. */
const HEARTBEAT_RATE: Rate = { perSecond: 200, burst: 4_000 };
/** What a message that waits costs besides its bytes. */
const WAITING_BYTES = 128;
/** No later day can be written. */
const MAX_DATE_MS = 8.64e15;

interface Received {
  readonly channel: Channel;
  readonly address: HostAddress;
  readonly bytes: Uint8Array;
}

export interface ReceiverParts {
  readonly catchUp: CatchUp;
  readonly heartbeats: Heartbeats;
  readonly responder: Responder;
  readonly waits: Waits;
}

export class Receiver {
  readonly #node: Node;
  readonly #parts: ReceiverParts;
  readonly #assemblies: Assemblies;
  readonly #work: WorkQueue<Received>;
  readonly #heartbeatRate: TokenBuckets;
  /** Origins whose frame asked for an acknowledgement before we could give it, and up to where. */
  readonly #owed = new Map<number, number>();

  constructor(node: Node, parts: ReceiverParts) {
    const { settings, world } = node;
    this.#node = node;
    this.#parts = parts;
    this.#assemblies = new Assemblies(4 * settings.inboxBytes);
    this.#heartbeatRate = new TokenBuckets(() => world.monotonic(), HEARTBEAT_RATE);
    this.#work = new WorkQueue(world, 4 * settings.inboxBytes, (message) => this.#handle(message));
  }

  /** Messages given up because a queue was full. */
  get dropped(): number {
    return this.#work.dropped + this.#assemblies.dropped;
  }

  /** Bytes of messages that wait to be handled. */
  get queuedBytes(): number {
    return this.#work.bytes;
  }

  get fragmentBytes(): number {
    return this.#assemblies.bytes;
  }

  /** Takes a message from the transport; handled now, or soon if this turn has done enough. */
  receive(channel: Channel, address: HostAddress, bytes: Uint8Array): void {
    if (channel === "hb" && !this.#heartbeatRate.take(address.node, 1)) {
      this.#node.counts.dropped++;
      const { perSecond } = HEARTBEAT_RATE;
      this.#node.quarantine.note(address.node, "flood", `more than ${perSecond} heartbeats a second`);
      return;
    }
    this.#work.push({ channel, address, bytes }, bytes.length + WAITING_BYTES);
  }

  /** Gives up pieces of messages that never became whole. */
  expire(now: number): void {
    this.#assemblies.expire(now);
  }

  /** An image was installed: what was early may fit now. */
  drainAll(): void {
    for (const origin of new Set([...this.#node.inbox.origins(), ...this.#owed.keys()])) this.#drain(origin);
    this.#parts.waits.look();
  }

  #handle({ channel, address, bytes }: Received): void {
    if (this.#node.state === "closed") return;
    this.#node.counts.bytesReceived += bytes.length;
    try {
      this.#dispatch(channel, address, bytes);
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== "MALFORMED_MESSAGE") throw error;
      const { node } = toAll(channel) ? address : { node: UNKNOWN_SENDER };
      this.#node.quarantine.note(node, "malformed", `on ${channel}, ${bytes.length} bytes: ${error.message}`);
    }
  }

  #dispatch(channel: Channel, address: HostAddress, bytes: Uint8Array, isWhole = false): void {
    const { settings, self, quarantine, world } = this.#node;
    const bulk = bulkType(bytes);
    if (bulk === "frame") {
      const header = readFrameHeader(bytes, settings.namespace);
      if (channel !== "ev") this.#misplaced(channel, address, "a frame");
      else if (this.#isItsOwn(address, header.origin, address.node)) this.#frame(header, bytes);
      return;
    }
    if (bulk === "chunk") {
      if (channel === "rp") this.#parts.catchUp.chunk(bytes);
      else this.#misplaced(channel, address, "a chunk");
      return;
    }
    const message = decodeMessage(bytes, settings.namespace);
    if (message.type === "fragment") {
      // Pieces in pieces in pieces could be nested deeper than the stack.
      if (isWhole) throw malformed("a piece within a piece");
      const whole = this.#assemblies.add(message, world.monotonic());
      if (whole === undefined) return;
      this.#dispatch(channel, address, whole, true);
      return;
    }
    if (message.incarnation === self.incarnation) return;
    if (channel === "hb") {
      if (message.type !== "heartbeat") this.#misplaced(channel, address, `a ${message.type}`);
      else if (this.#isItsOwn(address, message.incarnation, message.node)) {
        this.#parts.heartbeats.hear(message);
        this.#parts.waits.look();
      }
    } else if (channel === "rq") this.#parts.responder.answer(message);
    else if (channel === "rp") this.#answered(message);
    else quarantine.note(address.node, "misplaced", `a ${message.type} among the events`);
  }

  /** Whether what came under the name of one host is not said for another. */
  #isItsOwn(address: HostAddress, incarnation: string, node: string): boolean {
    const { membership, quarantine } = this.#node;
    const announcedBy = membership.get(incarnation)?.node ?? address.node;
    if (incarnation === address.incarnation && node === address.node && announcedBy === address.node)
      return true;
    quarantine.note(address.node, "not-its-own", `it speaks for ${incarnation} of ${announcedBy}`);
    return false;
  }

  #misplaced(channel: Channel, address: HostAddress, what: string): void {
    const node = toAll(channel) ? address.node : UNKNOWN_SENDER;
    this.#node.quarantine.note(node, "misplaced", `${what} on ${channel}`);
  }

  /** A frame, live or replayed. Returns how many events it brought. */
  #frame(header: FrameHeader, bytes: Uint8Array): number {
    const { origins, replica, counts, inbox, needs, world, settings } = this.#node;
    const origin = origins.intern(header.origin);
    if (origin === SELF) return 0;
    counts.framesReceived++;
    const applied = replica.vector.get(origin);
    if ((header.flags & ACK_REQUESTED) !== 0) {
      this.#owed.set(origin, Math.max(header.last, this.#owed.get(origin) ?? 0));
    }
    const empty = header.last < header.first;
    if (header.last <= applied) {
      if (!empty) counts.duplicates++;
      this.#acknowledge(origin);
      return 0;
    }
    if (empty) {
      needs.want(origin, header.last, world.monotonic());
      return 0;
    }
    if (header.first > applied + 1 || this.#parts.catchUp.building) {
      if (header.first > applied + 1) counts.reordered++;
      const kept = new Uint8Array(bytes);
      const early = { header: readFrameHeader(kept, settings.namespace), bytes: kept };
      if (!inbox.put(origin, early)) counts.dropped++;
      needs.want(origin, header.last, world.monotonic());
      return 0;
    }
    this.#apply(origin, header, new Uint8Array(bytes));
    this.#drain(origin);
    return replica.vector.get(origin) - applied;
  }

  /** Applies what is new of a frame that follows what was applied. `bytes` is ours to keep. */
  #apply(origin: number, header: FrameHeader, bytes: Uint8Array): void {
    const { replica, origins, settings, log, counts, changedRows, world, membership, quarantine } =
      this.#node;
    const applied = replica.vector.get(origin);
    for (const event of readFrameEvents(header, origins, settings)) {
      if (event.seq <= applied) continue;
      replica.apply(event);
      counts.eventsApplied++;
    }
    if (stampToMs(header.baseStamp) > world.now() + MAX_SKEW_MS) {
      const name = membership.get(header.origin)?.node ?? header.origin;
      const at = new Date(Math.min(stampToMs(header.baseStamp), MAX_DATE_MS)).toISOString();
      quarantine.note(name, "future-stamp", `events of ${at}; set its clock`);
    }
    log.append(origin, { first: header.first, last: header.last, bytes, at: world.monotonic() });
    changedRows.add(origin);
  }

  /** Applies frames of an origin that were waiting for their predecessors. */
  #drain(origin: number): void {
    const { inbox, replica, needs } = this.#node;
    while (!this.#parts.catchUp.building) {
      const early = inbox.next(origin, replica.vector.get(origin));
      if (early === undefined) break;
      this.#apply(origin, early.header, early.bytes);
    }
    const need = needs.get(origin);
    if (need !== undefined && replica.vector.get(origin) >= need.known) needs.satisfied(origin);
    this.#acknowledge(origin);
    this.#parts.waits.look();
  }

  #acknowledge(origin: number): void {
    const { replica, origins, membership, self } = this.#node;
    const owed = this.#owed.get(origin);
    const seq = replica.vector.get(origin);
    if (owed === undefined || seq < owed) return;
    this.#owed.delete(origin);
    const peer = membership.get(origins.name(origin));
    if (peer === undefined) return;
    this.#node.send("rp", peer, { type: "acknowledgement", incarnation: self.incarnation, seq });
  }

  #answered(message: Message): void {
    const { membership, origins, publisher, replica, quarantine } = this.#node;
    const peer = membership.get(message.incarnation);
    if (peer === undefined) return;
    const { catchUp, waits } = this.#parts;
    switch (message.type) {
      case "replay":
        this.#replayed(message, peer);
        return;
      case "replay-refusal": {
        const origin = origins.find(message.origin);
        if (origin !== undefined) catchUp.refused(origin, peer, message.reason);
        return;
      }
      case "sync-refusal":
        catchUp.syncRefused(message.session);
        return;
      case "load-answer":
        this.#node.loads.answered(peer, message);
        return;
      case "acknowledgement": {
        const made = replica.vector.get(SELF);
        if (message.seq > made) {
          const claim = `it acknowledges event ${message.seq} of this host, which made ${made}`;
          quarantine.note(peer.node, "false-row", claim);
          return;
        }
        peer.acknowledged = Math.max(peer.acknowledged, message.seq);
        noteReached(peer, message.seq, this.#node.world.monotonic());
        publisher.applied(message.seq);
        waits.look();
        return;
      }
      default:
        quarantine.note(peer.node, "misplaced", `a ${message.type} among the answers`);
    }
  }

  #replayed(message: Replay, peer: Peer): void {
    const origin = this.#node.origins.find(message.origin);
    if (origin === undefined) return;
    const since = this.#node.needs.get(origin)?.since;
    let gained = 0;
    try {
      for (const bytes of message.frames) {
        const header = readFrameHeader(bytes, this.#node.settings.namespace);
        if (header.origin === message.origin) gained += this.#frame(header, bytes);
      }
    } catch (error) {
      this.#parts.catchUp.unreadable(origin, peer);
      throw error;
    }
    this.#parts.catchUp.replayed(origin, peer, gained, since);
  }
}

/** On these channels the subject names the sender. */
function toAll(channel: Channel): boolean {
  return channel === "ev" || channel === "hb";
}
