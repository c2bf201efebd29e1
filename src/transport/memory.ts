/**
 * The in-memory network: wired-up transports that behave as core NATS through one server does, in
 * whatever time the caller's scheduler keeps (`MockNetwork` of memberlist is the model). A publisher's
 * messages reach the server in order; from there each receiver's copy meets the faults of its link. So a
 * flush says, as on NATS, that the server has everything, and nothing about who else has it.
 */
import type { TidemarkError } from "../errors.ts";
import { MemoryEndpoint, type Message } from "./memory-endpoint.ts";
import { type LinkFaults, Links } from "./memory-links.ts";
import type { Channel, Transport } from "./transport.ts";

/** Messages and their bytes. */
export interface Amount {
  messages: number;
  bytes: number;
}

/** What one host sent, and what arrived at it, by channel. */
export interface Traffic {
  readonly sent: Readonly<Record<Channel, Amount>>;
  readonly received: Readonly<Record<Channel, Amount>>;
}

/** A message at the moment it arrives. */
export interface Delivery {
  readonly from: string;
  readonly to: string;
  readonly channel: Channel;
  readonly bytes: Uint8Array;
}

export interface MemoryNetworkOptions {
  /** Runs a task in so many milliseconds, never within the call, tasks of one moment in order. */
  after(delayMs: number, task: () => void): void;
  /** The time of that scheduler, milliseconds. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  faults?: Partial<LinkFaults>;
  /** Largest message. Default 1 MiB, as in a NATS server. */
  maxMessageBytes?: number;
  /** Milliseconds between a host and the server. Default 0.1. */
  uplinkMs?: number;
  /** What the server keeps for a host that does not read, before it drops messages. Default 10,000 and 64 MiB. */
  queue?: { readonly messages: number; readonly bytes: number };
  /** Whether hosts hear what they themselves publish, as on a NATS connection without `noEcho`. Default false. */
  echo?: boolean;
  /** Hears of every message that arrives, before its receiver does. */
  observe?(delivery: Delivery): void;
}

/** Messages that did not arrive, by reason; and those that came once more. */
export interface NetworkCounts {
  lost: number;
  duplicated: number;
  /** Stopped by a partition. */
  blocked: number;
  /** Sent while, or in flight when, an end was disconnected. */
  disconnected: number;
  /** Dropped because the queue of a slow host was full. */
  overflowed: number;
}

/** A factory of transports that reach each other, and the handles that make their network fail. */
export class MemoryNetwork {
  /** Loss, doubling, delay, reordering and partitions. */
  readonly links: Links;
  readonly counts: NetworkCounts = { lost: 0, duplicated: 0, blocked: 0, disconnected: 0, overflowed: 0 };
  readonly #options: MemoryNetworkOptions;
  readonly #endpoints: MemoryEndpoint[] = [];
  readonly #traffic = new Map<string, Traffic>();
  /** Per link the moment at which its last message arrives: the next one is not earlier. */
  readonly #lastArrival = new Map<MemoryEndpoint, Map<MemoryEndpoint, number>>();
  #maxMessageBytes: number;
  /** Labels of hosts whose connection is down, so that a restart does not bring it up. */
  readonly #down = new Set<string>();

  constructor(options: MemoryNetworkOptions) {
    this.#options = options;
    this.links = new Links(options.faults);
    this.#maxMessageBytes = options.maxMessageBytes ?? 1024 * 1024;
  }

  /** A transport for one start of a host. Starts of one host share a label: faults are set by label. */
  transport(label: string): Transport {
    const endpoint: MemoryEndpoint = new MemoryEndpoint({
      label,
      after: this.#options.after,
      uplinkMs: this.#options.uplinkMs ?? 0.1,
      queue: this.#options.queue ?? { messages: 10_000, bytes: 64 * 1024 * 1024 },
      counts: this.counts,
      maxMessageBytes: () => this.#maxMessageBytes,
      reachable: () => !this.#down.has(label),
      sent: (message) => count(this.traffic(label).sent[message.channel], message.bytes),
      atServer: (message) => this.#fanOut(endpoint, message),
      arrives: (message) => this.#arrives(endpoint, message),
      closed: () => this.#forget(endpoint),
    });
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  /** What a host sent and received over all its starts. */
  traffic(label: string): Traffic {
    let traffic = this.#traffic.get(label);
    if (traffic === undefined) {
      traffic = { sent: noAmounts(), received: noAmounts() };
      this.#traffic.set(label, traffic);
    }
    return traffic;
  }

  /** Changes the largest message; transports that are connected hold it at once. */
  set maxMessageBytes(bytes: number) {
    this.#maxMessageBytes = bytes;
  }

  /** Breaks a host's connection: what it published and the server has not yet is lost, and it is told. */
  disconnect(label: string): void {
    this.#down.add(label);
    for (const endpoint of this.#labelled(label)) endpoint.disconnect();
  }

  /** Brings the connection back. */
  reconnect(label: string): void {
    this.#down.delete(label);
    for (const endpoint of this.#labelled(label)) endpoint.connect();
  }

  /**
   * Nothing moves between a host and the server, but neither has noticed: flushes wait, messages pile up.
   * Ends with `unstall`, when everything goes on, or with `disconnect`, when it is lost.
   */
  stall(label: string): void {
    for (const endpoint of this.#labelled(label)) endpoint.stall(true);
  }

  unstall(label: string): void {
    for (const endpoint of this.#labelled(label)) endpoint.stall(false);
  }

  /** The host's process stands still: what comes for it waits in a bounded queue at the server. */
  pause(label: string): void {
    for (const endpoint of this.#labelled(label)) endpoint.pause(true);
  }

  resume(label: string): void {
    for (const endpoint of this.#labelled(label)) endpoint.pause(false);
  }

  /** Makes a host a slow consumer: it needs so many milliseconds for each message; 0 for none. */
  slow(label: string, messageMs: number): void {
    for (const endpoint of this.#labelled(label)) endpoint.slow(messageMs);
  }

  /** Tells a host that the server refuses it something. */
  refuse(label: string, error: TidemarkError): void {
    for (const endpoint of this.#labelled(label)) endpoint.refuse(error);
  }

  /** Kills the transports of a host together with it: nothing more is sent, received or called back. */
  sever(label: string): void {
    for (const endpoint of this.#labelled(label)) endpoint.sever();
  }

  /** Ends every fault of links and connections. Hosts that are paused stay so. */
  heal(): void {
    this.links.heal();
    this.#down.clear();
    for (const endpoint of this.#endpoints) {
      endpoint.stall(false);
      endpoint.slow(0);
      endpoint.connect();
    }
  }

  #labelled(label: string): MemoryEndpoint[] {
    return this.#endpoints.filter((endpoint) => endpoint.label === label);
  }

  /** The server passes a message on to everyone who subscribed to its subject. */
  #fanOut(from: MemoryEndpoint, message: Message): void {
    for (const to of this.#endpoints) {
      if (!to.subscribes(message)) continue;
      if (to === from) {
        if (this.#options.echo === true) this.#send(from, to, message, this.#uplink());
        continue;
      }
      if (!this.links.passable(from.label, to.label)) {
        this.counts.blocked++;
        continue;
      }
      const faults = this.links.faults(from.label, to.label);
      const { loss, lossOn } = faults;
      const mayVanish = lossOn === undefined || lossOn.includes(message.channel);
      if (this.#options.random() < loss && mayVanish) this.counts.lost++;
      else this.#deliver(from, to, message, faults);
      if (faults.duplicate > 0 && this.#options.random() < faults.duplicate) {
        this.counts.duplicated++;
        this.#deliver(from, to, message, faults);
      }
    }
  }

  #deliver(from: MemoryEndpoint, to: MemoryEndpoint, message: Message, faults: LinkFaults): void {
    const { random } = this.#options;
    const { min, max } = faults.delay;
    const delayMs = min === max ? min : min + random() * (max - min);
    const heldBack = faults.reorder > 0 && random() < faults.reorder;
    if (heldBack) this.#options.after(delayMs + random() * faults.reorderMs, to.downlink(message));
    else this.#send(from, to, message, delayMs);
  }

  /** Sends in the order of the link. */
  #send(from: MemoryEndpoint, to: MemoryEndpoint, message: Message, delayMs: number): void {
    const now = this.#options.now();
    let last = this.#lastArrival.get(from);
    if (last === undefined) {
      last = new Map();
      this.#lastArrival.set(from, last);
    }
    const arrival = Math.max(now + delayMs, last.get(to) ?? 0);
    last.set(to, arrival);
    this.#options.after(arrival - now, to.downlink(message));
  }

  #arrives(to: MemoryEndpoint, message: Message): void {
    count(this.traffic(to.label).received[message.channel], message.bytes);
    this.#options.observe?.({
      from: message.from,
      to: to.label,
      channel: message.channel,
      bytes: message.bytes,
    });
  }

  #forget(endpoint: MemoryEndpoint): void {
    const index = this.#endpoints.indexOf(endpoint);
    if (index >= 0) this.#endpoints.splice(index, 1);
    this.#lastArrival.delete(endpoint);
    for (const last of this.#lastArrival.values()) last.delete(endpoint);
  }

  #uplink(): number {
    return this.#options.uplinkMs ?? 0.1;
  }
}

function noAmounts(): Record<Channel, Amount> {
  return {
    ev: { messages: 0, bytes: 0 },
    hb: { messages: 0, bytes: 0 },
    rq: { messages: 0, bytes: 0 },
    rp: { messages: 0, bytes: 0 },
  };
}

function count(amount: Amount, bytes: Uint8Array): void {
  amount.messages++;
  amount.bytes += bytes.byteLength;
}
