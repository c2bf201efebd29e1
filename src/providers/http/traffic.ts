/** Counts what comes to the door and what was answered, for metrics. */
import type { Server } from "node:http";
import type { HttpFigures } from "./figures.ts";
import { MAX_STREAMS, type Streams } from "./streams.ts";

export class Traffic {
  badRequests = 0;
  unauthorized = 0;
  throttled = 0;
  readonly #server: Server;
  #connections = 0;
  #refusedConnections = 0;
  /** By path, then by status code. Paths are ours, never a caller's, so that there are few. */
  readonly #answers = new Map<string, Map<number, number>>();

  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.#connections++;
      socket.once("close", () => {
        this.#connections--;
      });
    });
    server.on("drop", () => {
      this.#refusedConnections++;
    });
  }

  answered(path: string, code: number): void {
    let codes = this.#answers.get(path);
    if (codes === undefined) {
      codes = new Map();
      this.#answers.set(path, codes);
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  figures(streams: Streams): HttpFigures {
    return {
      connections: this.#connections,
      maxConnections: this.#server.maxConnections,
      refusedConnections: this.#refusedConnections,
      badRequests: this.badRequests,
      unauthorized: this.unauthorized,
      throttled: this.throttled,
      streams: streams.size,
      maxStreams: MAX_STREAMS,
      refusedStreams: streams.counts.refused,
      slowReaders: streams.counts.slowReaders,
      answers: Array.from(this.#answers, ([path, codes]) =>
        Array.from(codes, ([code, count]) => ({ path, code, count })),
      ).flat(),
    };
  }
}
