/**
 * A TCP link that can be disturbed: a listening port in front of another one. What is sent into a hole is
 * kept back and comes when the hole closes, as it does over TCP when packets are lost for a while.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** What a link does with what is sent over it. */
export type LinkMode =
  | { readonly kind: "open" }
  /** Ends every connection and takes no new one. */
  | { readonly kind: "cut" }
  /** Nothing gets through, and nobody is told; one way or both. */
  | { readonly kind: "hole"; readonly way: "forth" | "back" | "both" }
  | { readonly kind: "delay"; readonly ms: number };

export const OPEN: LinkMode = { kind: "open" };

/** Kept back per direction before the sender is made to wait. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

export class Link {
  readonly #server: Server;
  readonly #lanes = new Set<Lane>();
  readonly #sockets = new Set<Socket>();
  #mode: LinkMode = OPEN;

  private constructor(targetPort: number) {
    this.#server = createServer((near) => this.#accept(near, targetPort));
  }

  /** Opens a link to a port of this machine. */
  static async to(targetPort: number): Promise<Link> {
    const link = new Link(targetPort);
    await new Promise<void>((resolve, reject) => {
      link.#server.once("error", reject);
      link.#server.listen(0, "127.0.0.1", resolve);
    });
    return link;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("this link is closed");
    return address.port;
  }

  get mode(): LinkMode {
    return this.#mode;
  }

  set(mode: LinkMode): void {
    this.#mode = mode;
    if (mode.kind === "cut") this.reset();
    for (const lane of this.#lanes) lane.pump();
  }

  /** Ends the connections of the moment; new ones are taken if the mode lets them. */
  reset(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket, targetPort: number): void {
    if (this.#mode.kind === "cut") {
      near.destroy();
      return;
    }
    const far = connect(targetPort, "127.0.0.1");
    const lanes = [
      new Lane(near, far, () => laneMode(this.#mode, "forth")),
      new Lane(far, near, () => laneMode(this.#mode, "back")),
    ];
    for (const lane of lanes) this.#lanes.add(lane);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      // A reset is what these links are for; whoever is at its ends is told by the close.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        near.destroy();
        far.destroy();
        this.#sockets.delete(socket);
        for (const lane of lanes) this.#lanes.delete(lane);
      });
    }
  }
}

/** Milliseconds to keep a chunk back; `Infinity` in a hole. */
function laneMode(mode: LinkMode, way: "forth" | "back"): number {
  if (mode.kind === "delay") return mode.ms;
  return mode.kind === "hole" && (mode.way === way || mode.way === "both") ? Number.POSITIVE_INFINITY : 0;
}

/** One direction of one connection: in order, whatever the delay. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #delayMs: () => number;
  #waiting: { chunk: Buffer; at: number }[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, delayMs: () => number) {
    this.#from = from;
    this.#to = to;
    this.#delayMs = delayMs;
    from.on("data", (chunk) => {
      this.#waiting.push({ chunk, at: performance.now() });
      this.#bytes += chunk.length;
      if (this.#bytes >= MOST_WAITING_BYTES) from.pause();
      this.pump();
    });
    to.on("drain", () => this.pump());
    from.on("close", () => clearTimeout(this.#timer));
  }

  /** Passes on what is due. */
  pump(): void {
    clearTimeout(this.#timer);
    const delayMs = this.#delayMs();
    const now = performance.now();
    while (this.#waiting.length > 0 && this.#waiting[0]!.at + delayMs <= now) {
      if (this.#to.destroyed || this.#to.writableNeedDrain) break;
      const { chunk } = this.#waiting.shift()!;
      this.#bytes -= chunk.length;
      this.#to.write(chunk);
    }
    if (this.#bytes < MOST_WAITING_BYTES && this.#from.isPaused()) this.#from.resume();
    const next = this.#waiting[0];
    if (next !== undefined && Number.isFinite(delayMs) && !this.#to.writableNeedDrain) {
      this.#timer = setTimeout(() => this.pump(), Math.max(1, next.at + delayMs - now));
    }
  }
}
