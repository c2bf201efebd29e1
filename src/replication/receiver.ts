/**
 * What arrives: frames are applied in the order of their origins' sequences, early ones wait, known ones
 * are dropped; everything else is handed to the part it concerns. A message that cannot be read is
 * counted and treated as lost, and loss is repaired.
 */
import { TidemarkError } from "../errors.ts";
import type { Channel, HostAddress } from "../transport/transport.ts";
import type { CatchUp } from "./catch-up.ts";
import { Assemblies } from "./fragments.ts";
import { ACK_REQUESTED, type FrameHeader, readFrameEvents, readFrameHeader } from "./frame.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { noteReached, type Peer } from "./membership.ts";
import { bulkType, decodeMessage } from "./message-codec.ts";
import type { Message, Replay } from "./messages.ts";
import { type Node, SELF } from "./node.ts";
import type { Responder } from "./responder.ts";
import type { Waits } from "./waits.ts";
import { WorkQueue } from "./work-queue.ts";

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
  /** Origins whose frame asked for an acknowledgement before we could give it, and up to where. */
  readonly #owed = new Map<number, number>();

  constructor(node: Node, parts: ReceiverParts) {
    const { settings, world } = node;
    this.#node = node;
    this.#parts = parts;
    this.#assemblies = new Assemblies(4 * settings.inboxBytes);
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

  /** Takes a message from the transport; handled now, or soon if this turn has done enough. */
  receive(channel: Channel, address: HostAddress, bytes: Uint8Array): void {
    this.#work.push({ channel, address, bytes }, bytes.length);
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
      this.#node.counts.rejected++;
    }
  }

  #dispatch(channel: Channel, address: HostAddress, bytes: Uint8Array): void {
    const { settings, self } = this.#node;
    const bulk = bulkType(bytes);
    if (bulk === "frame") {
      const header = readFrameHeader(bytes, settings.namespace);
      if (channel === "ev" && header.origin === address.incarnation) this.#frame(header, bytes);
      return;
    }
    if (bulk === "chunk") {
      if (channel === "rp") this.#parts.catchUp.chunk(bytes);
      return;
    }
    const message = decodeMessage(bytes, settings.namespace);
    if (message.type === "fragment") {
      const whole = this.#assemblies.add(message);
      if (whole !== undefined) this.#dispatch(channel, address, whole);
      return;
    }
    if (message.incarnation === self.incarnation) return;
    if (channel === "hb") {
      if (message.type !== "heartbeat" || message.incarnation !== address.incarnation) return;
      this.#parts.heartbeats.hear(message);
      this.#parts.waits.look();
    } else if (channel === "rq") this.#parts.responder.answer(message);
    else if (channel === "rp") this.#answered(message);
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
    if (header.first > applied + 1) {
      counts.reordered++;
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
    const { replica, origins, settings, log, counts, changedRows, world } = this.#node;
    const applied = replica.vector.get(origin);
    for (const event of readFrameEvents(header, origins, settings)) {
      if (event.seq <= applied) continue;
      replica.apply(event);
      counts.eventsApplied++;
    }
    log.append(origin, { first: header.first, last: header.last, bytes, at: world.monotonic() });
    changedRows.add(origin);
  }

  /** Applies frames of an origin that were waiting for their predecessors. */
  #drain(origin: number): void {
    const { inbox, replica, needs } = this.#node;
    for (;;) {
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
    const { membership, origins, publisher } = this.#node;
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
      case "acknowledgement":
        peer.acknowledged = Math.max(peer.acknowledged, message.seq);
        noteReached(peer, message.seq, this.#node.world.monotonic());
        publisher.applied(message.seq);
        waits.look();
        return;
      default:
        // A request does not belong on the channel of answers.
        this.#node.counts.rejected++;
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
