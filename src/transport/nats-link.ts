/**
 * A connection to NATS that comes back: tells when the link is lost and when it is there again, and
 * makes another connection when one of our own cannot recover by itself. What is sent over it is the
 * transport's affair. Both clients' status events are unreliable in small ways, named where handled.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { TidemarkError } from "../errors.ts";
import {
  type NatsClient,
  type NatsStatus,
  refusesCredentials,
  stopStatus,
  type Violation,
  violationOf,
} from "./nats-client.ts";

/** Makes another connection of our own, however long it takes. */
export type Redial = (signal: AbortSignal) => Promise<NatsClient>;

/** What a link tells its transport. Nothing is told after `close`. */
export interface LinkListener {
  /** The link is lost. Told once, until `back`. */
  lost(): void;
  /** The link is there again; `renewed` if by another connection, on which nothing is subscribed. */
  back(renewed: boolean): void;
  /** The server did not allow something, not necessarily of ours: a user's connection is shared. */
  violated(violation: Violation, cause: unknown): void;
  /** The link cannot come back as things are; `reason` is the same as long as the trouble is. */
  refused(reason: string, error: TidemarkError): void;
}

// A client that found its link dead first waits until its pending bytes are written, which on a link
// that swallows them is when TCP gives up, a quarter of an hour. This long it may take; then the
// connection is replaced.
const STALE_GRACE_MS = 500;
const REDIAL_PAUSE_MS = 1_000;
// What close waits for, at most: for our last messages to be with the server, for the connection to end.
const CLOSE_FLUSH_MS = 1_500;
const CLOSE_END_MS = 500;

export class NatsLink {
  #client: NatsClient;
  /** `undefined`: the connection is the user's, neither ours to replace nor to close. */
  readonly #redial: Redial | undefined;
  #listener!: LinkListener;
  #isLost = false;
  #status: AsyncIterable<NatsStatus> | undefined;
  /** Whose events count: not those of a connection that is being replaced. */
  #watched: NatsClient | undefined;
  #stale: NodeJS.Timeout | undefined;
  readonly #closing = new AbortController();

  constructor(client: NatsClient, redial: Redial | undefined) {
    this.#client = client;
    this.#redial = redial;
  }

  /** The connection of the moment. */
  get client(): NatsClient {
    return this.#client;
  }

  /** Whether the connection is at its end, which is or will be told as `lost` and `refused`. */
  get ending(): boolean {
    return this.#client.isClosed() || this.#client.isDraining();
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
    this.#watch();
  }

  /** Takes a link for lost of which the status events said nothing, as at the start on a lost one. */
  giveUp(): void {
    if (this.#isLost || this.#closing.signal.aborted) return;
    this.#isLost = true;
    this.#listener.lost();
  }

  /**
   * Ends the watch and, if it is our own, the connection. `flush`: first see our last messages off. One
   * thing is out of reach: a dial to a server that accepts and says nothing. The client forgets such a
   * socket without ending it, and the process stays while that server does, unless told to exit.
   */
  async close({ flush }: { flush: boolean }): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#stale);
    if (this.#status !== undefined) stopStatus(this.#status);
    if (flush) await within(this.#client.flush(), CLOSE_FLUSH_MS);
    if (this.#redial !== undefined) await within(this.#client.close(), CLOSE_END_MS);
  }

  #watch(): void {
    const client = this.#client;
    this.#watched = client;
    this.#status = client.status();
    this.#follow(client, this.#status).catch(surface);
    // The status iterator of 2.x does not end with the connection.
    client.closed().then((cause) => {
      if (!this.#counts(client)) return;
      this.giveUp();
      if (this.#redial !== undefined) void this.#replace(this.#redial);
      else {
        const sentence =
          "The NATS connection given to Tidemark was closed; open a connection and a host on it.";
        this.#listener.refused("closed", new TidemarkError("TRANSPORT", sentence, { cause }));
      }
    });
  }

  #counts(client: NatsClient): boolean {
    return client === this.#watched && !this.#closing.signal.aborted;
  }

  async #follow(client: NatsClient, status: AsyncIterable<NatsStatus>): Promise<void> {
    for await (const event of status) {
      if (!this.#counts(client)) break;
      this.#onStatus(event);
    }
  }

  #onStatus(event: NatsStatus): void {
    if (event.type === "disconnect") {
      // Told again for every attempt that reaches a server and is refused.
      clearTimeout(this.#stale);
      this.giveUp();
    } else if (event.type === "staleConnection") {
      this.giveUp();
      const redial = this.#redial;
      if (redial !== undefined) this.#stale = setTimeout(() => void this.#replace(redial), STALE_GRACE_MS);
    } else if (event.type === "reconnect") {
      // Doubled like `disconnect`; and told of a link that we did not know to be lost, if it was at our start.
      if (!this.#isLost) return;
      this.#isLost = false;
      this.#listener.back(false);
    } else if (event.type === "error") {
      const violation = violationOf(event);
      if (violation !== undefined) this.#listener.violated(violation, event.error);
      else if (refusesCredentials(event)) {
        const sentence =
          "The NATS server refuses the credentials of this host, which keeps trying; mend them.";
        this.#listener.refused("credentials", new TidemarkError("FENCED", sentence, { cause: event.error }));
      }
    }
  }

  async #replace(redial: Redial): Promise<void> {
    const { signal } = this.#closing;
    clearTimeout(this.#stale);
    this.#watched = undefined;
    if (this.#status !== undefined) stopStatus(this.#status);
    void within(this.#client.close(), CLOSE_END_MS);
    while (!signal.aborted) {
      try {
        const client = await redial(signal);
        // 1. The server answers. 2. close() runs. 3. We get here: nobody else knows this connection.
        if (signal.aborted) return await within(client.close(), CLOSE_END_MS);
        this.#client = client;
        this.#isLost = false;
        this.#watch();
        return this.#listener.back(true);
      } catch (cause) {
        if (signal.aborted) return;
        if (!(cause instanceof TidemarkError)) return surface(cause);
        this.#listener.refused("redial", cause);
      }
      await within(sleep(REDIAL_PAUSE_MS, undefined, { signal }), REDIAL_PAUSE_MS);
    }
  }
}

/** Shows a bug as an uncaught exception; thrown where it happens it would end the client's read loop. */
export function surface(cause: unknown): void {
  queueMicrotask(() => {
    throw cause;
  });
}

/** Waits for the end of something, well or badly, but no longer than this. */
async function within(ending: Promise<unknown>, limitMs: number): Promise<void> {
  const limit = new AbortController();
  const settled = ending.then(
    () => undefined,
    () => undefined, // the connection is given up either way
  );
  await Promise.race([settled, sleep(limitMs, undefined, { signal: limit.signal }).catch(() => undefined)]);
  limit.abort();
}
