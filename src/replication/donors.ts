/** Whom to ask for an image: who has applied the most, has let nothing go, and has not failed us. */
import { liveTimeout, type Peer } from "./membership.ts";
import type { Node } from "./node.ts";

/** A donor whose image could not be read is not asked again for this long, milliseconds. */
const UNREADABLE_MS = 10_000;

export class Donors {
  readonly #node: Node;
  /** Those that refused or fell silent, and until when not to ask them. */
  readonly #avoid = new Map<string, number>();
  /** How often in a row an image of a host, by its name, came to nothing: those that fail least are asked first. */
  readonly #failures = new Map<string, number>();

  constructor(node: Node) {
    this.#node = node;
  }

  /** The host that has applied the most, of those that have let nothing go if there are any. */
  best(): Peer | undefined {
    let best: Peer | undefined;
    for (const peer of this.#open()) if (best === undefined || this.#isBetter(peer, best)) best = peer;
    return best;
  }

  /** A host that has let nothing go and has more of an origin's events than we; else the one that offered. */
  complete(origin: number, offered: Peer): Peer {
    const applied = this.#node.replica.vector.get(origin);
    return this.#open().find((peer) => !peer.partial && peer.vector.get(origin) > applied) ?? offered;
  }

  /** Whether a host is not to be asked now. */
  avoids(incarnation: string): boolean {
    return (this.#avoid.get(incarnation) ?? 0) > this.#node.world.monotonic();
  }

  /** An image was given up: its donor gets a moment. */
  gaveUp(incarnation: string): void {
    const now = this.#node.world.monotonic();
    this.#avoid.set(incarnation, now + 200 + 800 * this.#node.world.random());
    for (const [donor, until] of this.#avoid) if (until <= now) this.#avoid.delete(donor);
  }

  /** An image came to nothing, by its donor's fault. */
  failed(incarnation: string): void {
    const name = this.#node.membership.get(incarnation)?.node;
    if (name !== undefined) this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
  }

  /** An image could not be read. */
  unreadable(incarnation: string): void {
    this.failed(incarnation);
    this.#avoid.set(incarnation, this.#node.world.monotonic() + UNREADABLE_MS);
  }

  /** An image was taken over. */
  succeeded(): void {
    this.#failures.clear();
  }

  #isBetter(peer: Peer, than: Peer): boolean {
    if (peer.partial !== than.partial) return than.partial;
    const failures = (this.#failures.get(peer.node) ?? 0) - (this.#failures.get(than.node) ?? 0);
    return failures === 0 ? peer.vector.total() > than.vector.total() : failures < 0;
  }

  #open(): Peer[] {
    const live = this.#node.membership.live(
      this.#node.world.monotonic(),
      liveTimeout(this.#node.heartbeatMs()),
    );
    return live.filter((peer) => peer.state === "ready" && !this.avoids(peer.incarnation));
  }
}
