/**
 * The subjects of one namespace: `<prefix>.<channel>.<node>.<incarnation>`. They are cut so that a
 * NATS user can be allowed to speak for one node only (`<prefix>.ev.<node>.>`), which is what stops
 * one host from speaking for another; `grant` spells those permissions out.
 */
import { TidemarkError } from "../errors.ts";
import type { Channel, HostAddress } from "./transport.ts";

export const CHANNELS: readonly Channel[] = ["ev", "hb", "rq", "rp"];

/** Node and incarnation are one subject token each; anything else could name another subject. */
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

/** A prefix is tokens without wildcards, white space or control characters; NATS itself allows more. */
const PREFIX = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const MAX_PREFIX_CHARACTERS = 256;

// Parsed addresses are kept, since every message of a host carries the same subject: no allocation,
// and one incarnation string whose hash is computed once. Far above any number of live hosts.
const MAX_CACHED_ADDRESSES = 1_024;

export type Operation = "publish" | "subscription";

export class NatsSubjects {
  readonly prefix: string;
  readonly #addresses = new Map<string, HostAddress>();

  constructor(namespace: string, prefix = `tidemark.${namespace}`) {
    if (prefix.length > MAX_PREFIX_CHARACTERS || !PREFIX.test(prefix)) {
      throw new TidemarkError(
        "INVALID_ARGUMENT",
        `A subject prefix is at most ${MAX_PREFIX_CHARACTERS} characters: tokens of letters, digits, "_" and "-", ` +
          `separated by dots; this one is not: ${JSON.stringify(prefix.slice(0, MAX_PREFIX_CHARACTERS))}.`,
      );
    }
    this.prefix = prefix;
  }

  /** The subject of a host's channel; `undefined` for an address that no host can have. */
  of(channel: Channel, { node, incarnation }: HostAddress): string | undefined {
    if (!TOKEN.test(node) || !TOKEN.test(incarnation)) return undefined;
    return `${this.prefix}.${channel}.${node}.${incarnation}`;
  }

  /** What a host subscribes to: everybody's events and heartbeats, its own requests and answers. */
  heard(channel: Channel, self: HostAddress): string {
    if (channel === "ev" || channel === "hb") return `${this.prefix}.${channel}.>`;
    return `${this.prefix}.${channel}.${self.node}.${self.incarnation}`;
  }

  /** The permission that lets a node do what it needs on a channel, whatever its incarnation. */
  grant(operation: Operation, channel: Channel, node: string): string {
    const own = channel === "ev" || channel === "hb" ? operation === "publish" : operation === "subscription";
    return own ? `${this.prefix}.${channel}.${node}.>` : `${this.prefix}.${channel}.>`;
  }

  /** The channel a subject of this namespace belongs to, wildcards included; else `undefined`. */
  channelOf(subject: string): Channel | undefined {
    if (!subject.startsWith(`${this.prefix}.`)) return undefined;
    const rest = subject.slice(this.prefix.length + 1);
    return CHANNELS.find((channel) => rest.startsWith(`${channel}.`));
  }

  /** The host named in a subject of `channel`; `undefined` if the subject is not of our making. */
  parse(channel: Channel, subject: string): HostAddress | undefined {
    const head = `${this.prefix}.${channel}.`;
    if (!subject.startsWith(head)) return undefined;
    const known = this.#addresses.get(subject);
    if (known !== undefined) return known;
    const [node, incarnation, ...more] = subject.slice(head.length).split(".");
    if (node === undefined || incarnation === undefined || more.length > 0) return undefined;
    if (!TOKEN.test(node) || !TOKEN.test(incarnation)) return undefined;
    if (this.#addresses.size >= MAX_CACHED_ADDRESSES) this.#addresses.clear();
    const address = { node, incarnation };
    this.#addresses.set(subject, address);
    return address;
  }
}
