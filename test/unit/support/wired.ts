/** A host on a transport of the test's own: what it sends is read, what it hears is said by the test. */
import { createHost, type Host } from "../../../src/host.ts";
import { type OpenOptions, resolveSettings, type Settings } from "../../../src/options.ts";
import { bulkType, decodeMessage, encodeMessage } from "../../../src/replication/message-codec.ts";
import type { Message } from "../../../src/replication/messages.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualTime } from "../../../src/testing/virtual-time.ts";
import { VirtualWorld } from "../../../src/testing/virtual-world.ts";
import type { Channel, HostAddress, Transport, TransportListener } from "../../../src/transport/transport.ts";

export interface Sent {
  readonly channel: Channel;
  readonly to: HostAddress;
  readonly bytes: Uint8Array;
}

export class TestTransport implements Transport {
  connected = false;
  maxMessageBytes = 1024 * 1024;
  readonly sent: Sent[] = [];
  readonly flushes: ((error?: never) => void)[] = [];
  /** Flushes are answered at once. */
  prompt = true;
  closed = false;
  listener!: TransportListener;

  start(_self: HostAddress, listener: TransportListener): void {
    this.listener = listener;
  }

  publish(channel: Channel, to: HostAddress, bytes: Uint8Array): void {
    this.sent.push({ channel, to, bytes });
  }

  flush(done: () => void): void {
    if (this.prompt) queueMicrotask(done);
    else this.flushes.push(done);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export interface Wired {
  readonly host: Host;
  readonly time: VirtualTime;
  readonly transport: TestTransport;
  connect(): void;
  /** Says something to the host as another one. */
  say(channel: Channel, from: HostAddress, message: Message | Uint8Array): void;
  /** The messages sent so far that are no frames. */
  messages(): Message[];
}

export function wired(options: OpenOptions = {}, settings: Partial<Settings> = {}): Wired {
  const time = new VirtualTime();
  const transport = new TestTransport();
  const all = { ...resolveSettings({ node: "me", joinWait: 0, ...options }), ...settings };
  const host = createHost(all, new VirtualWorld(time, new Random(7)), transport);
  const self = { node: host.node, incarnation: host.incarnation };
  return {
    host,
    time,
    transport,
    connect() {
      transport.connected = true;
      transport.listener.connected();
      time.run(200);
    },
    say(channel, from, message) {
      const bytes = message instanceof Uint8Array ? message : encodeMessage(message, all.namespace);
      transport.listener.received(channel, channel === "rq" || channel === "rp" ? self : from, bytes);
    },
    messages: () =>
      transport.sent.flatMap(({ bytes }) =>
        bulkType(bytes) === undefined ? [decodeMessage(bytes, all.namespace)] : [],
      ),
  };
}
