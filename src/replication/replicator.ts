/**
 * Replication of one host: publish, receive, tick. Control flow only; what to do is decided by the parts
 * (`publisher`, `receiver`, `responder`, `heartbeats`, `join`, `catch-up`), and PROTOCOL.md is the wire.
 */
import type { Origins } from "../causality/origins.ts";
import type { VersionVector } from "../causality/version-vector.ts";
import type { ReplicatedEvent } from "../crdt/event.ts";
import { TidemarkError } from "../errors.ts";
import { EventLog } from "../log/event-log.ts";
import type { Channel, HostAddress, Transport, TransportListener } from "../transport/transport.ts";
import { Audit } from "./audit.ts";
import { CatchUp } from "./catch-up.ts";
import { cut, MAX_MESSAGE_BYTES } from "./fragments.ts";
import { ACK_REQUESTED, type Frame, FrameBuilder } from "./frame.ts";
import { currentInterval, Heartbeats } from "./heartbeats.ts";
import { encodeChunk } from "./image-codec.ts";
import { Inbox } from "./inbox.ts";
import { Join } from "./join.ts";
import { liveTimeout, Membership, type Peer, rendezvousRank } from "./membership.ts";
import { encodeMessage } from "./message-codec.ts";
import {
  type LoadDesk,
  type Node,
  noCounts,
  type Replica,
  type ReplicationSettings,
  SELF,
  type Surroundings,
} from "./node.ts";
import { Publisher } from "./publisher.ts";
import { Quarantine } from "./quarantine.ts";
import { Receiver } from "./receiver.ts";
import { type Need, Needs } from "./recovery.ts";
import type { ReplicationEvent, Told } from "./replication-event.ts";
import { Responder } from "./responder.ts";
import { settledVector } from "./settlement.ts";
import { slowestReceiver } from "./slowest.ts";
import { Donor } from "./state-sync.ts";
import { Waits } from "./waits.ts";

/** How long frames are kept for replays. */
const LOG_AGE_MS = 15 * 60_000;
/** Own frames are confirmed at least this often while there are any, milliseconds. */
const CONFIRM_MS = 20;
/** A tick this late means that the host was paused: it compares notes at once. */
const PAUSE_MS = 1_000;
/** Hosts gone this long are forgotten, their data never. */
const FORGET_MS = 10 * 60_000;

export interface ReplicatorOptions {
  readonly self: HostAddress;
  readonly settings: ReplicationSettings;
  readonly world: Surroundings;
  readonly transport: Transport;
  readonly origins: Origins;
  readonly replica: Replica;
  /** Absent: this host loads for nobody. */
  readonly loads?: LoadDesk | undefined;
  /** Hears what replication met with. */
  tell(event: ReplicationEvent): void;
}

/** A host without an upstream has no asker to answer and asks nobody; who asks it all the same goes on to the next. */
const NO_LOADS: LoadDesk = { serves: "none", asked: () => undefined, answered: () => undefined };

export class Replicator {
  readonly node: Node;
  readonly waits: Waits;
  readonly donor: Donor;
  readonly audit: Audit;
  readonly #catchUp: CatchUp;
  readonly #heartbeats: Heartbeats;
  readonly #join: Join;
  readonly #receiver: Receiver;
  #fragments = 0;
  #releasing = false;
  #lastTick: number;
  readonly #startedAt: number;
  #confirmAt = 0;
  #sweepAt = 0;

  constructor({ self, settings, world, transport, origins, replica, loads, tell }: ReplicatorOptions) {
    const builder = new FrameBuilder(settings.namespace, origins);
    const log = new EventLog({ maxBytes: settings.logBytes, maxAgeMs: LOG_AGE_MS });
    this.waits = new Waits(() => world.monotonic());
    const publisher = new Publisher(builder, settings.frameBytes, settings.logBytes, {
      connected: () => transport.connected && this.node.state !== "fenced",
      publish: (frame) => this.#publish(frame),
      flush: (done) => transport.flush(done),
      framed: (frame) => log.append(SELF, { ...frame, at: world.monotonic() }),
      confirmed: () => this.waits.look(),
      slowest: (floor) => {
        // A host that leaves has no later to send it in.
        if (this.node.state === "leaving") return undefined;
        const timeoutMs = liveTimeout(this.node.heartbeatMs());
        return slowestReceiver(this.node.membership.all(), { now: world.monotonic(), timeoutMs, floor });
      },
    });
    const told = (event: Told): void => tell({ ...event, at: world.now() });
    this.node = {
      self,
      settings,
      world,
      transport,
      origins,
      replica,
      loads: loads ?? NO_LOADS,
      log,
      inbox: new Inbox(settings.inboxBytes),
      needs: new Needs((need) => this.#gapFound(need)),
      membership: new Membership(),
      publisher,
      counts: noCounts(),
      quarantine: new Quarantine({
        now: () => world.now(),
        monotonic: () => world.monotonic(),
        tell: told,
      }),
      state: "connecting",
      fence: undefined,
      trouble: undefined,
      lastRepair: undefined,
      takeover: undefined,
      changedRows: new Set(),
      send: (channel, to, message) =>
        this.#sendBytes(channel, to, encodeMessage(message, settings.namespace)),
      sendBytes: (channel, to, bytes) => this.#sendBytes(channel, to, bytes),
      tell: told,
      heartbeatMs: () => currentInterval(this.node),
    };
    this.donor = new Donor(settings.chunkBytes, (session, index, source, buckets) =>
      encodeChunk(
        {
          session,
          index,
          last: source.done,
          vector: source.vector,
          buckets,
          pending: source.done ? source.pending : [],
          evicted: source.done ? source.evicted : null,
        },
        settings.namespace,
        origins,
      ),
    );
    this.audit = new Audit(this.node, () => this.#rejoin());
    this.#catchUp = new CatchUp(this.node, {
      installed: () => this.#receiver.drainAll(),
      replacing: () => this.donor.endAll(),
      tookOver: (from, differing, keys) => this.audit.tookOver(from, differing, keys),
    });
    this.#heartbeats = new Heartbeats(this.node, this.audit);
    this.#join = new Join(this.node, this.#catchUp, () => this.#becameReady());
    this.#receiver = new Receiver(this.node, {
      catchUp: this.#catchUp,
      heartbeats: this.#heartbeats,
      responder: new Responder(this.node, this.donor, this.#heartbeats),
      waits: this.waits,
    });
    this.#lastTick = world.monotonic();
    this.#startedAt = this.#lastTick;
  }

  start(): void {
    this.node.transport.start(this.node.self, this.#listener());
  }

  /** Takes over an own event that was just applied; it leaves at the end of the turn. */
  wrote(event: ReplicatedEvent): void {
    this.node.publisher.add(event);
    this.node.changedRows.add(SELF);
  }

  /** The end of one command: all its events travel in one frame. */
  endCommand(): void {
    this.node.publisher.endCommand();
    if (this.#releasing || !this.node.publisher.open) return;
    this.#releasing = true;
    this.node.world.defer(() => {
      this.#releasing = false;
      this.node.publisher.release();
    });
  }

  /** Asks the others to say at once what they have applied. */
  requestAcknowledgement(): void {
    this.node.publisher.requestAcknowledgement(ACK_REQUESTED);
    this.endCommand();
  }

  /** Asks the server to confirm now. */
  confirm(): void {
    this.node.publisher.release();
    this.node.publisher.confirm();
  }

  /** How many live hosts have reported to have applied our event `seq`. */
  appliedBy(seq: number): number {
    return this.livePeers().filter((peer) => peer.acknowledged >= seq || peer.vector.covers(SELF, seq))
      .length;
  }

  /**
   * Whether an origin's host said goodbye, or has been silent so long that others take over its duties. It
   * may only be out of reach, and still be giving its keys longer lives there: so it gets a long time.
   */
  isGone(origin: number): boolean {
    const now = this.node.world.monotonic();
    const peer = this.node.membership.get(this.node.origins.name(origin));
    if (peer?.state === "leaving") return true;
    return now - (peer?.lastSeen ?? this.#startedAt) >= FORGET_MS;
  }

  /** Hosts that are live now. */
  livePeers(): Peer[] {
    return this.node.membership.live(this.node.world.monotonic(), liveTimeout(this.node.heartbeatMs()));
  }

  /**
   * What is settled now (`settlement.ts`). The open frame is sent first: what an event says of what was let go
   * must not go beyond what was settled when it was written.
   */
  settled(): VersionVector {
    this.node.publisher.release();
    return settledVector(this.node);
  }

  /** Our place among the live ready hosts for the duties of a dead one; 0 is first. */
  rankFor(origin: number): number {
    const hosts = this.livePeers().filter((peer) => peer.state === "ready" && !peer.partial);
    const names = hosts.map((peer) => peer.incarnation);
    return rendezvousRank(this.node.origins.name(origin), this.node.self.incarnation, names);
  }

  /** Our own clock was set: what we measured of the others' moves the other way. */
  clockMoved(ms: number): void {
    for (const { offsets } of this.node.membership.all()) {
      for (let i = 0; i < offsets.length; i++) offsets[i]! -= ms;
    }
  }

  /** Bytes received and not yet handled. */
  get queuedBytes(): number {
    return this.#receiver.queuedBytes;
  }

  /** Messages given up because a queue was full. */
  get droppedMessages(): number {
    return this.#receiver.dropped;
  }

  /** Whether the store holds parts of an image that is still coming, and stands for none of it. */
  get building(): boolean {
    return this.#catchUp.building;
  }

  /** Bytes of pieces of messages that are not whole yet. */
  get fragmentBytes(): number {
    return this.#receiver.fragmentBytes;
  }

  /** The heartbeat of everything: called every 20 ms. */
  tick(): void {
    const { node } = this;
    const now = node.world.monotonic();
    const late = now - this.#lastTick > PAUSE_MS;
    this.#lastTick = now;
    if (node.state === "closed") return;
    if (now >= this.#confirmAt) {
      this.#confirmAt = now + CONFIRM_MS;
      node.publisher.confirm();
    }
    if (late) this.#heartbeats.send(true);
    else this.#heartbeats.tick(now);
    this.#join.tick(now);
    this.#catchUp.tick(node.state !== "joining" || this.#join.replays);
    this.waits.look();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + 1_000;
    node.log.expire(now);
    this.donor.expire(now);
    node.membership.forget(now, FORGET_MS);
    this.#receiver.expire(now);
    this.#dropFinals(now);
  }

  /** Tells the others that we leave, and that they need not wait for more of ours. */
  sayGoodbye(): void {
    this.node.state = "leaving";
    this.#heartbeats.send(true);
  }

  stop(): void {
    this.node.state = "closed";
    this.donor.endAll();
    this.#catchUp.stop();
    this.waits.rejectAll(new TidemarkError("CLOSED", "this host was closed; open a new one"));
  }

  #listener(): TransportListener {
    return {
      connected: () => this.#connected(),
      disconnected: () => {
        this.node.counts.disconnects++;
        this.#catchUp.reset();
      },
      received: (channel, address, bytes) => this.#receiver.receive(channel, address, bytes),
      refused: (error) => this.#fence(error),
    };
  }

  #connected(): void {
    const { node } = this;
    if (node.state === "closed") return;
    node.fence = undefined;
    if (node.state === "connecting" || node.state === "fenced") this.#join.begin();
    node.publisher.reconnected();
    node.needs.resetBackOff(node.world.monotonic());
    this.#heartbeats.send(true);
  }

  /** The server refuses us something: not ready, and saying so, until a reconnect shows otherwise. */
  #fence(error: TidemarkError): void {
    if (this.node.state === "closed") return;
    this.node.fence = error;
    this.node.state = "fenced";
    this.waits.look();
  }

  /** Our data differ from what most hosts hold: not ready until theirs are here. */
  #rejoin(): void {
    this.#catchUp.reset();
    this.#join.again();
    this.node.trouble = "its data differ from those of the other hosts; it is taking over theirs";
    this.#heartbeats.send(true);
  }

  /** A joiner lacks everything at first: that is no gap to tell of. */
  #gapFound({ origin, known }: Need): void {
    const { state, origins, replica } = this.node;
    if (state !== "ready") return;
    const applied = replica.vector.get(origin);
    this.node.tell({ type: "gap", origin: origins.name(origin), applied, known });
  }

  #becameReady(): void {
    this.node.state = "ready";
    this.node.takeover = undefined;
    this.#heartbeats.send(true);
    this.waits.look();
  }

  #publish(frame: Frame): void {
    this.node.counts.framesSent++;
    this.#sendBytes("ev", this.node.self, frame.bytes);
  }

  #sendBytes(channel: Channel, to: HostAddress, bytes: Uint8Array): void {
    const { transport, counts, self, settings } = this.node;
    counts.bytesSent += bytes.length;
    if (bytes.length <= transport.maxMessageBytes) {
      transport.publish(channel, to, bytes);
      return;
    }
    if (bytes.length > MAX_MESSAGE_BYTES) {
      this.node.trouble =
        `a message of ${bytes.length} bytes to ${to.node} is too large to be sent, and so it cannot take over ` +
        "what is here; make the largest sets and lists smaller";
      return;
    }
    const pieces = cut(bytes, self.incarnation, ++this.#fragments, transport.maxMessageBytes);
    for (const piece of pieces) transport.publish(channel, to, encodeMessage(piece, settings.namespace));
  }

  /**
   * The tail of a host that died with a hole in it: nobody alive has what is missing, so what lies beyond
   * it can never be applied and is dropped everywhere.
   */
  #dropFinals(now: number): void {
    const { needs, membership, inbox, origins, replica, counts } = this.node;
    for (const { origin, known, since } of needs.all()) {
      const name = origins.name(origin);
      if (now - since < FORGET_MS || membership.get(name) !== undefined) continue;
      inbox.drop(origin);
      needs.satisfied(origin);
      counts.finals++;
      this.node.tell({ type: "final", origin: name, applied: replica.vector.get(origin), known });
    }
  }
}
