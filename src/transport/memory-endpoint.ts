/**
 * One host's end of the in-memory network: its connection to the server and back. Messages and flushes
 * travel to the server in one queue, so a flush that is answered confirms what was published before it.
 */
import { TidemarkError } from "../errors.ts";
import type { Channel, HostAddress, Transport, TransportListener } from "./transport.ts";

/** A message on its way. `from` is the label of the sending host. */
export interface Message {
  readonly from: string;
  readonly channel: Channel;
  readonly address: HostAddress;
  readonly bytes: Uint8Array;
}

/** What an end of the network needs from the network. */
export interface EndpointOptions {
  readonly label: string;
  after(delayMs: number, task: () => void): void;
  readonly uplinkMs: number;
  readonly queue: { readonly messages: number; readonly bytes: number };
  readonly counts: { disconnected: number; overflowed: number };
  maxMessageBytes(): number;
  /** Whether the server can be reached at all. */
  reachable(): boolean;
  sent(message: Message): void;
  atServer(message: Message): void;
  arrives(message: Message): void;
  closed(): void;
}

type FlushDone = (error?: TidemarkError) => void;

/** `Transport` in memory. */
export class MemoryEndpoint implements Transport {
  readonly #options: EndpointOptions;
  #state: "new" | "down" | "up" | "closed" = "new";
  #self: HostAddress | undefined;
  #listener: TransportListener | undefined;
  /** Counts connections: what was in flight on an earlier one is lost. */
  #connection = 0;
  /** On the way to the server. */
  #uplink: (Message | FlushDone)[] = [];
  /** Flushes not yet answered. */
  #flushes = new Set<FlushDone>();
  /** Calls that wait for a host which stands still or is slow, and the message bytes among them. */
  readonly #mailbox: { readonly run: () => void; readonly bytes: number }[] = [];
  #mailboxBytes = 0;
  #stalled = false;
  #stalledCalls: (() => void)[] = [];
  #paused = false;
  #messageMs = 0;
  #draining = false;
  #severed = false;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  get label(): string {
    return this.#options.label;
  }

  get connected(): boolean {
    return this.#state === "up";
  }

  get maxMessageBytes(): number {
    return this.#options.maxMessageBytes();
  }

  start(self: HostAddress, listener: TransportListener): void {
    if (this.#state !== "new") throw new TypeError("a transport is started once");
    this.#self = self;
    this.#listener = listener;
    this.#state = "down";
    if (this.#options.reachable()) this.connect();
  }

  publish(channel: Channel, address: HostAddress, bytes: Uint8Array): void {
    if (this.#state !== "up") {
      this.#options.counts.disconnected++;
      return;
    }
    if (bytes.byteLength > this.maxMessageBytes) {
      const size = `${bytes.byteLength} bytes, above the limit of ${this.maxMessageBytes}`;
      const error = new TidemarkError("TRANSPORT", `the message has ${size}; it was not sent`);
      this.#options.after(0, () => this.refuse(error));
      return;
    }
    const message = { from: this.label, channel, address, bytes };
    this.#options.sent(message);
    this.#toServer(message);
  }

  flush(done: FlushDone): void {
    if (this.#state !== "up") {
      this.#fail(done);
      return;
    }
    this.#flushes.add(done);
    this.#toServer(done);
  }

  close(): Promise<void> {
    if (this.#state === "closed") return Promise.resolve();
    const flushes = [...this.#flushes];
    this.#end();
    for (const done of flushes) this.#fail(done);
    // What is under way to the server still gets there.
    this.#options.after(2 * this.#options.uplinkMs, () => this.#options.closed());
    return Promise.resolve();
  }

  /** Whether a message is for us: `ev` and `hb` are everyone's, `rq` and `rp` one incarnation's. */
  subscribes(message: Message): boolean {
    if (this.#state !== "up" || this.#self === undefined) return false;
    if (message.channel === "ev" || message.channel === "hb") return true;
    return message.address.incarnation === this.#self.incarnation && message.address.node === this.#self.node;
  }

  /** What has to be done when a message that the server sends now comes to this end. */
  downlink(message: Message): () => void {
    const connection = this.#connection;
    return () => this.#whenMoving(connection, () => this.#receive(message));
  }

  /** The connection comes up; `connected()` follows when the server has the subscriptions. */
  connect(): void {
    if (this.#state !== "down") return;
    const connection = ++this.#connection;
    this.#stalled = false;
    this.#options.after(2 * this.#options.uplinkMs, () => {
      if (this.#connection !== connection || this.#state !== "down") return;
      this.#state = "up";
      this.#call(() => this.#listener?.connected());
    });
  }

  disconnect(): void {
    if (this.#state !== "up" && this.#state !== "down") return;
    const wasUp = this.#state === "up";
    this.#state = "down";
    this.#drop();
    if (wasUp) this.#options.after(0, () => this.#call(() => this.#listener?.disconnected()));
  }

  stall(stalled: boolean): void {
    if (this.#stalled === stalled) return;
    this.#stalled = stalled;
    if (stalled) return;
    for (const call of this.#stalledCalls.splice(0)) call();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.#drain();
  }

  slow(messageMs: number): void {
    this.#messageMs = messageMs;
    this.#drain();
  }

  refuse(error: TidemarkError): void {
    this.#call(() => this.#listener?.refused(error));
  }

  /** Ends it without a word. */
  sever(): void {
    if (this.#severed) return;
    this.#severed = true;
    this.#flushes.clear();
    this.#drop();
    this.#end();
    this.#options.closed();
  }

  #end(): void {
    this.#state = "closed";
    this.#listener = undefined;
    this.#flushes.clear();
    this.#mailbox.length = 0;
  }

  #toServer(item: Message | FlushDone): void {
    const connection = this.#connection;
    this.#uplink.push(item);
    this.#options.after(this.#options.uplinkMs, () =>
      this.#whenMoving(connection, () => this.#reachServer()),
    );
  }

  #reachServer(): void {
    const item = this.#uplink.shift();
    if (item === undefined) return;
    if (typeof item !== "function") {
      this.#options.atServer(item);
      return;
    }
    const connection = this.#connection;
    this.#options.after(this.#options.uplinkMs, () =>
      this.#whenMoving(connection, () => {
        if (this.#flushes.delete(item)) this.#call(() => item());
      }),
    );
  }

  /** Runs a step of this connection now, or when the stall ends; never if the connection is another by then. */
  #whenMoving(connection: number, step: () => void): void {
    if (connection !== this.#connection) this.#options.counts.disconnected++;
    else if (this.#stalled) this.#stalledCalls.push(() => this.#whenMoving(connection, step));
    else step();
  }

  /** Loses everything in flight and answers the flushes that can no longer be. */
  #drop(): void {
    this.#connection++;
    this.#uplink = [];
    this.#stalled = false;
    this.#stalledCalls = [];
    const flushes = [...this.#flushes];
    this.#flushes = new Set();
    for (const done of flushes) this.#fail(done);
  }

  /** Answers a flush that nobody will confirm, also when closed: whoever waits for it is not left waiting. */
  #fail(done: FlushDone): void {
    const error = new TidemarkError("TRANSPORT", "the connection ended before the server confirmed");
    this.#options.after(0, () => {
      if (this.#severed) return;
      if (this.#state === "closed") done(error);
      else this.#call(() => done(error));
    });
  }

  #receive(message: Message): void {
    this.#call(() => this.#hand(message), message.bytes.byteLength);
  }

  #hand(message: Message): void {
    if (this.#listener === undefined) return;
    this.#options.arrives(message);
    // The receiver may keep nothing of what it is given; so that a test notices, nothing of it lasts.
    const view = message.bytes.slice();
    this.#listener.received(message.channel, message.address, view);
    view.fill(0xdb);
  }

  /** Calls the host, in order, as soon as its process can be called. */
  #call(run: () => void, messageBytes = 0): void {
    if (this.#state === "closed") return;
    if (!this.#paused && this.#messageMs === 0 && this.#mailbox.length === 0) {
      run();
      return;
    }
    const { messages, bytes } = this.#options.queue;
    const full = this.#mailbox.length >= messages || this.#mailboxBytes + messageBytes > bytes;
    if (messageBytes > 0 && full) {
      this.#options.counts.overflowed++;
      return;
    }
    this.#mailboxBytes += messageBytes;
    this.#mailbox.push({ run, bytes: messageBytes });
    this.#drain();
  }

  #drain(): void {
    if (this.#draining || this.#paused || this.#mailbox.length === 0) return;
    this.#draining = true;
    this.#options.after(this.#messageMs, () => {
      this.#draining = false;
      if (this.#paused) return;
      const next = this.#mailbox.shift();
      if (next === undefined) return;
      this.#mailboxBytes -= next.bytes;
      next.run();
      this.#drain();
    });
  }
}
