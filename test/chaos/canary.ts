/**
 * Whether the network of servers is whole: a message from each reaches clients at all of them. It knows
 * nothing of hosts, so it says from when on a host that has not converged has nobody else to blame.
 */
import { setTimeout as delay } from "node:timers/promises";
import { connect, type NatsConnection } from "nats";
import type { ServerCluster } from "./servers.ts";

const SUBJECT = "tidemark-chaos-canary";
const EVERY_MS = 25;
const LIMIT_MS = 60_000;

export class Canary {
  readonly #clients: readonly NatsConnection[];
  /** By sender and receiver: the last number that came through. */
  readonly #heard: number[][];
  #number = 0;

  private constructor(clients: readonly NatsConnection[]) {
    this.#clients = clients;
    this.#heard = clients.map(() => clients.map(() => 0));
    for (const [receiver, client] of clients.entries()) {
      client.subscribe(SUBJECT, {
        callback: (error, message) => {
          if (error !== null) return;
          const { sender, number } = message.json<{ sender: number; number: number }>();
          this.#heard[sender]![receiver] = number;
        },
      });
    }
  }

  static async at({ servers }: Pick<ServerCluster, "servers">): Promise<Canary> {
    const clients = servers.map(({ host, port }) =>
      connect({
        servers: `${host}:${port}`,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 50,
        reconnectJitter: 0,
        pingInterval: 5_000,
        waitOnFirstConnect: true,
      }),
    );
    return new Canary(await Promise.all(clients));
  }

  /** Settles once a message sent from now on from each server was heard at each. */
  async whole(): Promise<void> {
    const first = this.#number + 1;
    const until = performance.now() + LIMIT_MS;
    while (this.#heard.some((receivers) => receivers.some((number) => number < first))) {
      if (performance.now() > until) throw new Error("the servers do not find each other again");
      this.#number++;
      for (const [sender, client] of this.#clients.entries()) {
        client.publish(SUBJECT, JSON.stringify({ sender, number: this.#number }));
      }
      await delay(EVERY_MS);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}
