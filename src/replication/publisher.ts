/**
 * Own events on their way out: batched into frames, sent while there is a connection and credit, kept
 * until the server is known to have them. A NATS client throws away what it had buffered whenever it
 * dials anew, without an error; so nothing counts as sent until a flush after it has come back.
 */
import type { ReplicatedEvent } from "../crdt/event.ts";
import { ACK_REQUESTED, type Frame, type FrameBuilder } from "./frame.ts";

/** Bytes sent and not confirmed, at most: the client's own buffer has no bound. */
const CREDIT_BYTES = 8 * 1024 * 1024;

/**
 * Bytes sent that a receiver worth waiting for has not applied, at most. A server keeps 64 MiB for a client
 * by default, from all writers together; of what is in here a receiver at full speed has a few tenths of a
 * second.
 */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** So often receivers are asked how far they have come: heartbeats are too far between for a busy writer. */
const MARK_BYTES = WINDOW_BYTES / 8;

/** A command with more events than fit is several frames: `setMany` says so. */
const MAX_COMMAND_BYTES = 512 * 1024;

export interface PublisherPorts {
  connected(): boolean;
  /** Hands a frame to the network. */
  publish(frame: Frame): void;
  flush(done: (error?: unknown) => void): void;
  /** A finished frame, to be logged, whether or not it can be sent now. */
  framed(frame: Frame): void;
  confirmed(): void;
  /** The receiver to wait for, of those that have applied at least `floor`, if there is one. */
  slowest(floor: number): { readonly node: string; readonly reached: number } | undefined;
}

/** A frame on its way out, and how many bytes were framed with it. */
interface Outgoing {
  readonly frame: Frame;
  readonly end: number;
}

export class Publisher {
  readonly #builder: FrameBuilder;
  readonly #ports: PublisherPorts;
  readonly #frameBytes: number;
  /** Frames that are not confirmed, oldest first; the first `#sent` of them were published. */
  #frames: Outgoing[] = [];
  #sent = 0;
  #bytes = 0;
  #sentBytes = 0;
  #confirmedSeq = 0;
  #lastSeq = 0;
  #flags = 0;
  #flushing = false;
  #republished = 0;
  #framedBytes = 0;
  /** How far the frames go that were ever published. */
  #publishedEnd = 0;
  #publishedSeq = 0;
  /** Frames whose receivers were asked how far they have come: up to which event, and how many bytes that are. */
  #marks: { readonly seq: number; readonly end: number }[] = [];
  /** What begins before this may be sent without looking at the receivers again. */
  #allowedEnd = 0;
  #slowedBy: string | undefined;
  /** A receiver that has not come this far cannot be helped by waiting. */
  #floor = 0;
  readonly #keptBytes: number;

  /** `keptBytes`: how much of what was sent can be replayed. */
  constructor(builder: FrameBuilder, frameBytes: number, keptBytes: number, ports: PublisherPorts) {
    this.#builder = builder;
    this.#keptBytes = keptBytes;
    this.#frameBytes = frameBytes;
    this.#ports = ports;
  }

  /** The last event the server is known to have. */
  get confirmedSeq(): number {
    return this.#confirmedSeq;
  }

  get unconfirmedBytes(): number {
    return this.#bytes + this.#builder.bytes;
  }

  /** Bytes that may be sent before the server has to confirm some. */
  get creditBytes(): number {
    return Math.max(0, CREDIT_BYTES - this.#sentBytes);
  }

  /** Bytes of whole frames that were not sent yet. */
  get unsentBytes(): number {
    return this.#bytes - this.#sentBytes;
  }

  /** The last event that was handed to the network at least once. */
  get publishedSeq(): number {
    return this.#publishedSeq;
  }

  /** Name of the host that sending waits for at this moment. */
  get slowedBy(): string | undefined {
    return this.#slowedBy;
  }

  /** Frames sent a second time. */
  get republished(): number {
    return this.#republished;
  }

  /** Whether events wait for the end of the turn. */
  get open(): boolean {
    return this.#builder.count > 0 || this.#flags !== 0;
  }

  /** Takes an event into the open frame. */
  add(event: ReplicatedEvent): void {
    // A command is one frame and so visible at once everywhere, but not at any price.
    if (this.#builder.bytes >= MAX_COMMAND_BYTES) this.#close();
    this.#builder.add(event);
    this.#lastSeq = event.seq;
  }

  /** To be called between commands: closes the frame if it is full, so that a command stays whole. */
  endCommand(): void {
    if (this.#builder.bytes >= this.#frameBytes) this.release();
  }

  /** Has the open frame ask its receivers to say when they have applied it. */
  requestAcknowledgement(flag: number): void {
    this.#flags |= flag;
  }

  /** Closes the open frame and sends what may be sent. */
  release(): void {
    if (this.#builder.count > 0 || (this.#flags !== 0 && this.#ports.connected())) this.#close();
    this.#send();
  }

  #close(): void {
    const marked = this.#marks.at(-1)?.end ?? 0;
    const marks = this.#framedBytes + this.#builder.bytes - marked >= MARK_BYTES;
    if (marks) this.#flags |= ACK_REQUESTED;
    const frame = this.#builder.finish(this.#flags, this.#lastSeq + 1);
    this.#flags = 0;
    if (frame.last >= frame.first) this.#ports.framed(frame);
    this.#framedBytes += frame.bytes.length;
    this.#frames.push({ frame, end: this.#framedBytes });
    this.#bytes += frame.bytes.length;
    if (!marks) return;
    this.#marks.push({ seq: frame.last, end: this.#framedBytes });
    const kept = this.#framedBytes - this.#keptBytes;
    while (this.#marks.length > 1 && this.#marks[0]!.end < kept) this.#floor = this.#marks.shift()!.seq;
  }

  /** Sends what may be sent by now, and asks the server to confirm what was, once at a time. */
  confirm(): void {
    this.#send();
    if (this.#flushing || this.#sent === 0 || !this.#ports.connected()) return;
    this.#flushing = true;
    const upTo = this.#sent;
    const last = this.#frames[upTo - 1]!.frame;
    this.#ports.flush((error) => {
      this.#flushing = false;
      if (error !== undefined) return;
      this.#drop(last);
      this.#send();
      if (this.#sentBytes >= CREDIT_BYTES / 8) this.confirm();
      this.#ports.confirmed();
    });
  }

  /** Some other host has reported to have applied our events up to `seq`: they need no confirmation. */
  applied(seq: number): void {
    let last: Frame | undefined;
    for (let i = 0; i < this.#sent && this.#frames[i]!.frame.last <= seq; i++) last = this.#frames[i]!.frame;
    if (last !== undefined) this.#drop(last);
    this.#send();
    if (last !== undefined) this.#ports.confirmed();
  }

  /** The connection is back: whatever was not confirmed may be lost, so it is sent again as credit allows. */
  reconnected(): void {
    this.#republished += this.#sent;
    this.#sent = 0;
    this.#sentBytes = 0;
    this.#flushing = false;
    this.release();
    this.confirm();
  }

  #send(): void {
    if (!this.#ports.connected()) return;
    while (this.#sent < this.#frames.length && this.#sentBytes < CREDIT_BYTES) {
      const { frame, end } = this.#frames[this.#sent]!;
      if (end - frame.bytes.length >= this.#allowedEnd && !this.#allows(end - frame.bytes.length)) return;
      this.#sent++;
      this.#sentBytes += frame.bytes.length;
      this.#publishedEnd = Math.max(this.#publishedEnd, end);
      this.#publishedSeq = Math.max(this.#publishedSeq, frame.last);
      this.#ports.publish(frame);
    }
    this.#slowedBy = undefined;
  }

  /** Whether a frame that begins there may be sent, for all that is known of the receivers now. */
  #allows(begin: number): boolean {
    const slowest = this.#ports.slowest(this.#floor);
    if (slowest === undefined) this.#allowedEnd = this.#publishedEnd + MARK_BYTES;
    else this.#allowedEnd = this.#endOf(slowest.reached) + WINDOW_BYTES;
    const allowed = begin < this.#allowedEnd;
    this.#slowedBy = allowed ? undefined : slowest?.node;
    return allowed;
  }

  /** How many bytes were framed up to an event, or a mark before it. */
  #endOf(seq: number): number {
    for (let i = this.#marks.length - 1; i >= 0; i--)
      if (this.#marks[i]!.seq <= seq) return this.#marks[i]!.end;
    return 0;
  }

  #drop(last: Frame): void {
    const index = this.#frames.findIndex(({ frame }) => frame === last);
    if (index < 0) return;
    for (const { frame } of this.#frames.splice(0, index + 1)) {
      this.#bytes -= frame.bytes.length;
      this.#sentBytes -= frame.bytes.length;
    }
    this.#sent = Math.max(0, this.#sent - index - 1);
    this.#sentBytes = Math.max(0, this.#sentBytes);
    this.#confirmedSeq = Math.max(this.#confirmedSeq, last.last);
  }
}
