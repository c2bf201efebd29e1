/** A client that says what it is told, byte for byte, and reads as many bytes as are expected. */
import { connect, type Socket } from "node:net";
import { type RespDoor, type RespOptions, serveResp } from "../../../../src/providers/resp/resp.ts";
import { type Standalone, standalone } from "../../support/standalone.ts";

export interface Served extends Standalone {
  readonly door: RespDoor;
  connect(): Promise<RawClient>;
  close(): Promise<void>;
}

/** A standalone host in virtual time with a door on a free port. */
export async function served(options: Partial<RespOptions> = {}): Promise<Served> {
  const alone = standalone();
  const door = await serveResp({ kv: alone.host, port: 0, ...options });
  const clients: RawClient[] = [];
  return {
    ...alone,
    door,
    connect: async () => {
      const client = await RawClient.open(door.address.port);
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) client.socket.destroy();
      await door.close();
      await alone.host.close();
    },
  };
}

export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #received = Buffer.alloc(0);
  #heard: () => void = () => undefined;
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#heard();
    });
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#ended = true;
        this.#heard();
        resolve();
      });
    });
  }

  static open(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, noDelay: true });
      const client = new RawClient(socket);
      socket.once("error", reject);
      socket.once("connect", () => resolve(client));
    });
  }

  /** Sends a line, or bytes, and answers exactly as many bytes of the reply as `expected` has. */
  async ask(request: string | Buffer, expected: string): Promise<string> {
    this.send(request);
    return this.read(Buffer.byteLength(expected, "latin1"));
  }

  send(request: string | Buffer): void {
    this.socket.write(typeof request === "string" ? Buffer.from(`${request}\r\n`, "latin1") : request);
  }

  async read(bytes: number): Promise<string> {
    while (this.#received.length < bytes && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    const read = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return read.toString("latin1");
  }

  /** All that comes up to and with a text. */
  async until(text: string): Promise<string> {
    while (!this.#received.includes(text) && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    return this.read(this.#received.indexOf(text) + text.length);
  }

  /** All that comes until the connection is closed. */
  async rest(): Promise<string> {
    await this.closed;
    return this.read(this.#received.length);
  }
}
