/**
 * The transport over NATS. It makes honest what the clients leave vague: connected means "our
 * subscriptions are with the server", flushed means "the server had it and refused none of it", and
 * whatever the server does not allow reaches the listener. It keeps no queue and repeats nothing: what
 * is lost is found by sequence numbers above the seam.
 */
import { TidemarkError } from "../errors.ts";
import { isNatsClient, type NatsMessage, type NatsSubscription, type Violation } from "./nats-client.ts";
import { dial, planDial } from "./nats-connect.ts";
import { NatsLink, surface } from "./nats-link.ts";
import { CHANNELS, NatsSubjects } from "./nats-subjects.ts";
import type { Channel, HostAddress, Transport, TransportListener } from "./transport.ts";

export interface NatsTransportOptions {
  readonly namespace: string;
  readonly node: string;
  /** In place of `tidemark.<namespace>`. */
  readonly subjectPrefix?: string | undefined;
  /** How long to try for a first connection; `Infinity`: until a server answers. */
  readonly connectTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

// Permissions can be granted by reloading the server, which no client is told of: so ask again.
const RECHECK_MS = 5_000;
// The server's default, until a server has told us.
const DEFAULT_MAX_PAYLOAD = 1_048_576;

/**
 * Connects, or takes the user's open connection, and gives the transport of one host. Rejects with
 * `CONNECT_FAILED` when no server answers in time or the server refuses the credentials, with
 * `INVALID_ARGUMENT` when the options make no sense, with the signal's reason when aborted.
 */
export async function connectNats(
  nats: string | readonly string[] | object,
  { namespace, node, subjectPrefix, connectTimeoutMs, signal }: NatsTransportOptions,
): Promise<Transport> {
  const subjects = new NatsSubjects(namespace, subjectPrefix);
  if (typeof nats === "object" && isNatsClient(nats)) {
    const link = new NatsLink(nats, undefined);
    if (!link.ending) return new NatsTransport(link, subjects);
    throw new TidemarkError(
      "CONNECT_FAILED",
      "The NATS connection given to Tidemark is closed; give an open one.",
    );
  }
  const plan = planDial(nats, node);
  const client = await dial(plan, { timeoutMs: connectTimeoutMs, signal });
  const redial = (closing: AbortSignal) =>
    dial(plan, { timeoutMs: Number.POSITIVE_INFINITY, signal: closing });
  return new NatsTransport(new NatsLink(client, redial), subjects);
}

/**
 * `new`: not started. `checking`: the link may be up, our subscriptions are not confirmed. `up`: they
 * were, and the listener was told. `down`: the link is lost. `closed`: for good.
 */
type State = "new" | "checking" | "up" | "down" | "closed";

class NatsTransport implements Transport {
  readonly #link: NatsLink;
  readonly #subjects: NatsSubjects;
  #state: State = "new";
  #self!: HostAddress;
  #listener!: TransportListener;
  #closed: Promise<void> | undefined;
  #maxMessageBytes = DEFAULT_MAX_PAYLOAD;
  readonly #subscriptions = new Map<Channel, NatsSubscription>();
  /** What the server refuses, since the last check: by operation and channel. */
  readonly #refused = new Map<string, Violation>();
  /** Which troubles the listener knows of, since it was last told `connected` or `disconnected`. */
  readonly #reported = new Set<string>();
  /** Only the newest check counts: a link lost and found between may have swallowed an older one. */
  #checks = 0;
  #recheck: NodeJS.Timeout | undefined;
  readonly #flushes = new Set<(error?: TidemarkError) => void>();

  constructor(link: NatsLink, subjects: NatsSubjects) {
    this.#link = link;
    this.#subjects = subjects;
  }

  get connected(): boolean {
    return this.#state === "up";
  }

  get maxMessageBytes(): number {
    // While dialling the client has no server information; what the last server said still holds.
    this.#maxMessageBytes = this.#link.client.info?.max_payload ?? this.#maxMessageBytes;
    return this.#maxMessageBytes;
  }

  start(self: HostAddress, listener: TransportListener): void {
    if (this.#state !== "new") throw new TypeError("A transport is started once.");
    if (this.#subjects.of("rq", self) === undefined) throw new TypeError("This address cannot be a subject.");
    this.#self = self;
    this.#listener = listener;
    this.#link.start({
      lost: () => this.#down(),
      back: (renewed) => {
        if (renewed) this.#subscriptions.clear();
        this.#check();
      },
      violated: (violation, cause) => this.#onViolation(violation, cause),
      refused: (reason, error) => this.#report(reason, error),
    });
    this.#check();
  }

  publish(channel: Channel, address: HostAddress, bytes: Uint8Array): void {
    if (this.#state !== "up") return;
    const subject = this.#subjects.of(channel, address);
    if (subject === undefined) return; // no host can have this address, so nobody would hear it
    const limit = this.maxMessageBytes;
    if (bytes.byteLength > limit) {
      const sentence = `A message of ${bytes.byteLength} bytes was not sent: the NATS server takes ${limit} (max_payload).`;
      this.#listener.refused(new TidemarkError("TRANSPORT", sentence));
      return;
    }
    try {
      this.#link.client.publish(subject, bytes);
    } catch (cause) {
      if (this.#link.ending) return; // the link tells
      const sentence = `The NATS client does not publish to ${subject}.`;
      this.#listener.refused(new TidemarkError("TRANSPORT", sentence, { cause }));
    }
  }

  flush(done: (error?: TidemarkError) => void): void {
    const settle = (error?: TidemarkError) => {
      if (this.#flushes.delete(settle)) done(error);
    };
    this.#flushes.add(settle);
    if (this.#state !== "up") {
      queueMicrotask(() => settle(unknownOutcome("there is no link to the NATS server")));
      return;
    }
    this.#roundTrip(
      () => {
        // To the client a refused message is as good as sent.
        const refused = [...this.#refused.values()].some(({ operation }) => operation === "publish");
        settle(refused ? unknownOutcome("the NATS server refuses messages of ours") : undefined);
      },
      (cause) => settle(unknownOutcome("the round trip to the NATS server failed", cause)),
    );
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const wasUp = this.#state === "up";
    this.#state = "closed";
    this.#forget("the transport was closed");
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
    await this.#link.close({ flush: wasUp });
  }

  #down(): void {
    const wasUp = this.#state === "up";
    this.#state = "down";
    this.#forget("the link to the NATS server was lost");
    if (wasUp) this.#listener.disconnected();
  }

  /** Ends what was under way on a link that is no more, and fails it: the client would do so late or not. */
  #forget(reason: string): void {
    this.#checks++;
    clearTimeout(this.#recheck);
    this.#recheck = undefined;
    this.#reported.clear();
    for (const settle of [...this.#flushes]) settle(unknownOutcome(reason));
  }

  /**
   * Brings every missing subscription to the server and waits for its answer. What was refused before
   * is tried again, a subject we publish to with an empty message, which every receiver ignores.
   */
  #check(): void {
    const check = ++this.#checks;
    if (this.#state !== "up") this.#state = "checking";
    const refused = [...this.#refused.values()];
    this.#refused.clear();
    try {
      for (const channel of CHANNELS) {
        if (!this.#subscriptions.has(channel)) this.#subscriptions.set(channel, this.#subscribe(channel));
      }
      for (const { operation, subject } of refused) {
        if (operation === "publish") this.#link.client.publish(subject, new Uint8Array(0));
      }
    } catch (cause) {
      if (this.#link.ending) return; // the link tells
      const error = new TidemarkError("TRANSPORT", "The NATS client does not subscribe.", { cause });
      queueMicrotask(() => this.#report("subscribe", error));
      return;
    }
    this.#roundTrip(
      () => {
        if (check !== this.#checks) return;
        if (this.#refused.size > 0) return this.#recheckLater();
        this.#state = "up";
        this.#reported.clear();
        this.#listener.connected();
      },
      () => {
        if (check === this.#checks) this.#link.giveUp();
      },
    );
  }

  /** A round trip to the server. Refusals met on the way have been handled when `answered` is called. */
  #roundTrip(answered: () => void, failed: (cause: unknown) => void): void {
    // The server sends a refusal before the answer, but status events cross async iterators and so come
    // a few microtasks after it: hence the wait for the end of the turn.
    this.#link.client.flush().then(() => setImmediate(answered), failed);
  }

  #recheckLater(): void {
    this.#recheck ??= setTimeout(() => {
      this.#recheck = undefined;
      this.#check();
    }, RECHECK_MS);
  }

  #subscribe(channel: Channel): NatsSubscription {
    const subject = this.#subjects.heard(channel, this.#self);
    const subscription = this.#link.client.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) return this.#onMessage(channel, message);
        // The client has ended the subscription; the next check makes a new one.
        if (this.#subscriptions.get(channel) === subscription) this.#subscriptions.delete(channel);
        this.#onViolation({ operation: "subscription", subject }, error);
      },
    });
    return subscription;
  }

  #onMessage(channel: Channel, message: NatsMessage): void {
    if (this.#state === "closed" || message.data.byteLength === 0) return; // empty: somebody's #check
    const toAll = channel === "ev" || channel === "hb";
    const address = toAll ? this.#subjects.parse(channel, message.subject) : this.#self;
    if (address === undefined) return;
    if (toAll && address.incarnation === this.#self.incarnation) return;
    try {
      this.#listener.received(channel, address, message.data);
    } catch (cause) {
      surface(cause);
    }
  }

  #onViolation(violation: Violation, cause: unknown): void {
    const { operation, subject } = violation;
    const channel = this.#subjects.channelOf(subject);
    if (this.#state === "closed" || channel === undefined || !this.#isOurs(violation, channel)) return;
    const key = `${operation} ${channel}`;
    this.#refused.set(key, violation);
    if (this.#state !== "down") this.#recheckLater();
    const verb = operation === "publish" ? "publish" : "subscribe";
    const sentence =
      `The NATS server does not let this host ${verb} to "${subject}". ` +
      `Grant its user: ${verb} "${this.#subjects.grant(operation, channel, this.#self.node)}".`;
    this.#report(key, new TidemarkError("FENCED", sentence, { cause }));
  }

  /** Whether a violation is about what we do: a connection of the user's may serve others as well. */
  #isOurs({ operation, subject }: Violation, channel: Channel): boolean {
    if (operation === "subscription") return subject === this.#subjects.heard(channel, this.#self);
    return channel === "rq" || channel === "rp" || subject === this.#subjects.of(channel, this.#self);
  }

  #report(trouble: string, error: TidemarkError): void {
    if (this.#state === "closed" || this.#reported.has(trouble)) return;
    this.#reported.add(trouble);
    this.#listener.refused(error);
  }
}

function unknownOutcome(reason: string, cause?: unknown): TidemarkError {
  const sentence = `It is not known whether the NATS server has what was published: ${reason}.`;
  return new TidemarkError("TRANSPORT", sentence, { cause });
}
