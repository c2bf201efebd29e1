/**
 * Own events on their way out: batched into frames, sent while there is a connection and credit, kept
 * until the server is known to have them. A NATS client throws away what it had buffered whenever it
 * dials anew, without an error; so nothing counts as sent until a flush after it has come back.
 */
import type { ReplicatedEvent } from "../crdt/event.ts";
import type { Frame, FrameBuilder } from "./frame.ts";

/** Bytes sent and not confirmed, at most: the client's own buffer has no bound. */
const CREDIT_BYTES = 8 * 1024 * 1024;

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
}

export class Publisher {
  readonly #builder: FrameBuilder;
  readonly #ports: PublisherPorts;
  readonly #frameBytes: number;
  /** Frames that are not confirmed, oldest first; the first `#sent` of them were published. */
  #frames: Frame[] = [];
  #sent = 0;
  #bytes = 0;
  #sentBytes = 0;
  #confirmedSeq = 0;
  #lastSeq = 0;
  #flags = 0;
  #flushing = false;
  #republished = 0;

  constructor(builder: FrameBuilder, frameBytes: number, ports: PublisherPorts) {
    this.#builder = builder;
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
    const frame = this.#builder.finish(this.#flags, this.#lastSeq + 1);
    this.#flags = 0;
    if (frame.last >= frame.first) this.#ports.framed(frame);
    this.#frames.push(frame);
    this.#bytes += frame.bytes.length;
  }

  /** Asks the server to confirm what was sent, once at a time. */
  confirm(): void {
    if (this.#flushing || this.#sent === 0 || !this.#ports.connected()) return;
    this.#flushing = true;
    const upTo = this.#sent;
    const last = this.#frames[upTo - 1]!;
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
    for (let i = 0; i < this.#sent && this.#frames[i]!.last <= seq; i++) last = this.#frames[i];
    if (last === undefined) return;
    this.#drop(last);
    this.#send();
    this.#ports.confirmed();
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
      const frame = this.#frames[this.#sent++]!;
      this.#sentBytes += frame.bytes.length;
      this.#ports.publish(frame);
    }
  }

  #drop(last: Frame): void {
    const index = this.#frames.indexOf(last);
    if (index < 0) return;
    for (const frame of this.#frames.splice(0, index + 1)) {
      this.#bytes -= frame.bytes.length;
      this.#sentBytes -= frame.bytes.length;
    }
    this.#sent = Math.max(0, this.#sent - index - 1);
    this.#sentBytes = Math.max(0, this.#sentBytes);
    this.#confirmedSeq = Math.max(this.#confirmedSeq, last.last);
  }
}
