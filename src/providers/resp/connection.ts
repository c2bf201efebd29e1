/**
 * One client: bytes in, requests run one after the other, replies out, one write for all replies of what came
 * together. It stops reading while its client does not read, so that a slow reader costs no more than one
 * batch, and is cut off when it stands still for too long.
 */
import type { Socket } from "node:net";
import type { Tidemark } from "../../tidemark.ts";
import { checkRights } from "./access.ts";
import type { Command, LateReply, Session } from "./command.ts";
import { ProtocolError, ReplyError, replyTextOf } from "./failure.ts";
import { RequestParser } from "./parser.ts";
import { OutputLimitError, type ReplyWriter } from "./reply.ts";
import type { Request } from "./request.ts";
import type { Client, Service } from "./service.ts";
import type { SessionState } from "./session.ts";
import { commandOf } from "./table.ts";

/** Replies of a long pipeline leave in parts of this size. */
const FLUSH_BYTES = 256 * 1024;
/** Replies that wait for the socket stop the reading of requests from this many bytes on. */
const PAUSE_BYTES = 1024 * 1024;

export class Connection implements Session, Client {
  readonly kv: Tidemark;
  readonly args: Request;
  readonly out: ReplyWriter;
  readonly service: Service;
  readonly state: SessionState;
  readonly #socket: Socket;
  readonly #parser: RequestParser;
  /** Encrypted replies are still in use when the socket says that it has taken them. */
  readonly #encrypted: boolean;
  #paused: "no" | "waiting" | "output" | "throttled" = "no";
  #ending = false;
  /** Since when, and from which count of bytes sent on, replies wait. */
  #stuck: { since: number; bytesSent: number } | undefined;
  #tokens = 0;
  #tokensAt = 0;
  #throttle: NodeJS.Timeout | undefined;

  constructor(socket: Socket, service: Service, encrypted: boolean) {
    this.#socket = socket;
    this.#encrypted = encrypted;
    this.service = service;
    this.kv = service.kv;
    this.out = service.out;
    this.#parser = new RequestParser(service.limits);
    this.args = this.#parser.request;
    this.state = newState(service, socket);
    this.#tokens = service.limits.maxRequestsPerSecond;
    this.#tokensAt = this.state.since;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#received(chunk));
    socket.on("drain", () => this.#drained());
    // What went wrong with a connection is its client's affair; `close` follows.
    socket.on("error", () => undefined);
    socket.on("close", () => this.#gone());
    service.clients.set(this.state.id, this);
  }

  get outputBytes(): number {
    return this.#socket.writableLength;
  }

  get heldBytes(): number {
    return this.#parser.held;
  }

  kill(): void {
    this.#socket.destroy();
  }

  end(): void {
    this.#ending = true;
  }

  /** Ends it as soon as the replies under way are out. */
  leave(): void {
    this.#ending = true;
    this.#unwatch();
    if (this.#paused !== "waiting") this.#socket.destroySoon();
  }

  /** Cuts it off if it has been silent, or has left replies unread, for too long. */
  check(now: number): void {
    if (this.state.watching?.forgotten(now)) this.#unwatch();
    const { idleTimeoutMs, outputTimeoutMs } = this.service.limits;
    if (idleTimeoutMs > 0 && this.#paused === "no" && now - this.state.lastActive > idleTimeoutMs) {
      this.service.counts.idle++;
      this.kill();
      return;
    }
    if (this.#socket.writableLength === 0) {
      this.#stuck = undefined;
      return;
    }
    const { bytesWritten } = this.#socket;
    const bytesSent = bytesWritten - this.#socket.writableLength;
    if (this.#stuck === undefined || this.#stuck.bytesSent !== bytesSent)
      this.#stuck = { since: now, bytesSent };
    else if (now - this.#stuck.since > outputTimeoutMs) this.#cutOff();
  }

  #received(chunk: Buffer): void {
    this.service.counts.bytesIn += chunk.length;
    this.state.inputBytes = chunk.length;
    this.#parser.feed(chunk);
    this.#run();
  }

  /** Runs what is there, as far as it may go, and sends the replies. */
  #run(): void {
    if (this.#paused !== "no" || this.#socket.destroyed) return;
    const { out, state } = this;
    state.lastActive = performance.now();
    out.protocol = state.protocol;
    out.maxBytes = this.service.limits.maxOutputBytes;
    try {
      while (this.#mayGoOn() && this.#parser.next(state.user === undefined)) {
        this.#execute();
        if (out.length >= FLUSH_BYTES) this.#flush();
      }
    } catch (error) {
      if (error instanceof ProtocolError) this.#refuse(error);
      else if (error instanceof OutputLimitError) {
        out.taken(false);
        this.#cutOff();
        return;
      } else throw error;
    }
    this.#flush();
    this.#parser.keep();
    state.inputBytes = this.#parser.pending;
    if (this.#ending) this.#socket.destroySoon();
  }

  #mayGoOn(): boolean {
    if (this.#ending || this.#paused !== "no") return false;
    if (this.#socket.writableLength > PAUSE_BYTES) {
      this.#pause("output");
      return false;
    }
    return this.service.limits.maxRequestsPerSecond === 0 || this.#takeToken();
  }

  #execute(): void {
    const { args, out, service, state } = this;
    const mark = out.length;
    const { replies } = state;
    service.counts.commands++;
    let command: Command | undefined;
    try {
      command = commandOf(args);
      this.#admit(command);
      const counts = service.countsOf(command);
      counts.calls++;
      state.command = command.name;
      const waiting = command.run!(this);
      if (waiting !== undefined) this.#wait(command, waiting);
    } catch (error) {
      out.rewind(mark);
      this.#failed(command, error);
    }
    if (replies === "on" || state.replies === "on") return;
    out.rewind(mark);
    if (replies === "skip" && state.replies === "skip") state.replies = "on";
  }

  #admit(command: Command): void {
    const { user } = this.state;
    try {
      if (user === undefined) {
        if (!command.flags.includes("no_auth")) throw new ReplyError("NOAUTH Authentication required.");
      } else if (!user.free) checkRights(user, command, this.args);
    } catch (error) {
      this.service.countsOf(command).rejected++;
      throw error;
    }
  }

  #failed(command: Command | undefined, error: unknown): void {
    if (error instanceof OutputLimitError) throw error;
    let text = replyTextOf(error);
    if (text === undefined) {
      // A fault in here must not end a host that still serves its data.
      process.emitWarning(error instanceof Error ? error : new Error(String(error)));
      text = `ERR internal error: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (command !== undefined) this.service.countsOf(command).failed++;
    this.service.countError(text);
    this.out.error(text);
  }

  /** Goes on with what comes behind a command once it has its reply. */
  #wait(command: Command, reply: Promise<LateReply>): void {
    const { out, state } = this;
    const muted = state.replies !== "on";
    this.#pause("waiting");
    const go = (write: () => void): void => {
      if (this.#socket.destroyed) return;
      out.protocol = state.protocol;
      write();
      if (muted) out.rewind(0);
      this.#flush();
      this.#resume();
    };
    reply.then(
      (late) => go(() => late(out)),
      (error: unknown) => go(() => this.#failed(command, error)),
    );
  }

  #flush(): void {
    const { out, service } = this;
    const { length } = out;
    if (length === 0) return;
    service.counts.bytesOut += length;
    if (this.#encrypted) this.#socket.write(Buffer.from(out.peek()));
    else this.#socket.write(out.peek());
    out.taken(!this.#encrypted && this.#socket.writableLength > 0);
    if (this.#socket.writableLength > service.limits.maxOutputBytes) this.#cutOff();
  }

  #pause(why: "waiting" | "output" | "throttled"): void {
    this.#paused = why;
    this.#socket.pause();
  }

  #resume(): void {
    this.#paused = "no";
    this.#socket.resume();
    this.#run();
  }

  #drained(): void {
    this.#stuck = undefined;
    if (this.#paused === "output") this.#resume();
  }

  /** One request of those that a client may make in a second; without any left it waits. */
  #takeToken(): boolean {
    const perSecond = this.service.limits.maxRequestsPerSecond;
    const now = performance.now();
    this.#tokens = Math.min(perSecond, this.#tokens + ((now - this.#tokensAt) * perSecond) / 1_000);
    this.#tokensAt = now;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    if (this.#parser.pending === 0) return true;
    this.service.counts.throttled++;
    this.#pause("throttled");
    const wait = Math.max(1, ((1 - this.#tokens) * 1_000) / perSecond);
    this.#throttle = setTimeout(() => this.#resume(), wait);
    return false;
  }

  #refuse(error: ProtocolError): void {
    const text = `ERR Protocol error: ${error.message}`;
    this.service.counts.protocolErrors++;
    this.service.countError(text);
    this.out.error(text);
    this.#ending = true;
  }

  #cutOff(): void {
    this.service.counts.slowReaders++;
    this.kill();
  }

  #unwatch(): void {
    this.state.watching?.end();
    this.state.watching = undefined;
  }

  #gone(): void {
    clearTimeout(this.#throttle);
    this.#unwatch();
    this.service.clients.delete(this.state.id);
  }
}

function newState(service: Service, socket: Socket): SessionState {
  const now = performance.now();
  return {
    id: service.nextId(),
    address: placeOf(socket.remoteAddress, socket.remotePort),
    localAddress: placeOf(socket.localAddress, socket.localPort),
    since: now,
    lastActive: now,
    name: "",
    libName: "",
    libVersion: "",
    protocol: 2,
    user: service.access.initial,
    replies: "on",
    noEvict: false,
    watching: undefined,
    command: "NULL",
    inputBytes: 0,
  };
}

function placeOf(address = "?", port = 0): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
