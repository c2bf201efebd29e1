/**
 * The seam between replication and the network: six members, two implementations (NATS and
 * in-memory). The contract is deliberately weak, as in memberlist and TigerBeetle's message bus: a
 * message may be lost, doubled, delayed or reordered; nothing above this line trusts it further.
 */
import type { TidemarkError } from "../errors.ts";

/**
 * What a subject is for: `ev` event frames, `hb` heartbeats (both heard by every host of the
 * namespace), `rq` requests to one incarnation, `rp` answers to one incarnation.
 */
export type Channel = "ev" | "hb" | "rq" | "rp";

/** One start of one host. `node` is the configured name, `incarnation` is new at every start. */
export interface HostAddress {
  readonly node: string;
  readonly incarnation: string;
}

/** What a transport tells its host. Called synchronously, never before `start` returned. */
export interface TransportListener {
  /** The link is up and every subscription is with the server. Called again after each reconnect. */
  connected(): void;
  /** The link is down: until `connected` is called again, publishing is pointless. */
  disconnected(): void;
  /**
   * A message. `address` is the host named in the subject: the sender on `ev` and `hb`, ourselves on
   * `rq` and `rp`. `bytes` is only valid during the call: keep a copy, not the view.
   */
  received(channel: Channel, address: HostAddress, bytes: Uint8Array): void;
  /** The server refuses us something we need (a permission, a payload size): the host is not ready. */
  refused(error: TidemarkError): void;
}

/** A way to reach the other hosts of one namespace. */
export interface Transport {
  /** Whether messages published now have a chance to arrive. */
  readonly connected: boolean;
  /** Largest message in bytes that `publish` takes; may change after a reconnect. */
  readonly maxMessageBytes: number;
  /**
   * Subscribes to every host's `ev` and `hb`, and to our own `rq` and `rp`, then calls
   * `listener.connected()`. Called once.
   */
  start(self: HostAddress, listener: TransportListener): void;
  /**
   * Sends and forgets. On `ev` and `hb` the address is our own, on `rq` and `rp` the receiver's.
   * While disconnected the message is dropped. Takes ownership of `bytes`.
   */
  publish(channel: Channel, address: HostAddress, bytes: Uint8Array): void;
  /** Calls back once the server has everything published before; with an error if that is unknown. */
  flush(done: (error?: TidemarkError) => void): void;
  /** Ends every subscription and, unless the connection belongs to the user, the connection. */
  close(): Promise<void>;
}
