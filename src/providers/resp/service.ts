/** What all connections of one door share. */
import type { Tidemark } from "../../tidemark.ts";
import type { Access } from "./access.ts";
import type { Command } from "./command.ts";
import type { Configuration } from "./configuration.ts";
import type { RespLimits } from "./limits.ts";
import { ReplyWriter } from "./reply.ts";
import type { SessionState } from "./session.ts";

/** A connected client as others see it. */
export interface Client {
  readonly state: SessionState;
  /** Bytes of replies that it has not taken. */
  readonly outputBytes: number;
  /** Bytes of memory that a request which is not whole takes. */
  readonly heldBytes: number;
  /** Cuts it off at once. */
  kill(): void;
}

/** Counts since start, for INFO and for metrics. */
export interface RespCounts {
  connections: number;
  /** Refused because there were too many. */
  refusedConnections: number;
  commands: number;
  /** Replies that were errors. */
  errors: number;
  /** Log-ins that failed. */
  wrongPasswords: number;
  protocolErrors: number;
  /** Cut off because they did not read, and because they were silent. */
  slowReaders: number;
  idle: number;
  /** Times a client had to wait because it asked too fast. */
  throttled: number;
  bytesIn: number;
  bytesOut: number;
  /** Values that GET, GETEX and MGET found, and did not find. */
  hits: number;
  misses: number;
}

export interface CommandCounts {
  calls: number;
  failed: number;
  rejected: number;
}

export class Service {
  readonly kv: Tidemark;
  readonly access: Access;
  readonly limits: RespLimits;
  readonly configuration: Configuration;
  readonly clients = new Map<number, Client>();
  readonly out = new ReplyWriter();
  readonly startedAt = Date.now();
  readonly counts: RespCounts = noCounts();
  readonly byCommand = new Map<Command, CommandCounts>();
  /** How often each first word of an error was answered. */
  readonly errorWords = new Map<string, number>();
  /** Where it listens; known once it does. */
  port = 0;
  /** Ends the process that serves; absent where it is not for clients to end. */
  readonly shutDown: (() => void) | undefined;
  #lastId = 0;

  constructor(parts: Pick<Service, "kv" | "access" | "limits" | "configuration" | "shutDown">) {
    this.kv = parts.kv;
    this.access = parts.access;
    this.limits = parts.limits;
    this.configuration = parts.configuration;
    this.shutDown = parts.shutDown;
  }

  nextId(): number {
    return ++this.#lastId;
  }

  countsOf(command: Command): CommandCounts {
    let counts = this.byCommand.get(command);
    if (counts === undefined) {
      counts = { calls: 0, failed: 0, rejected: 0 };
      this.byCommand.set(command, counts);
    }
    return counts;
  }

  /** Counts a read as a hit or a miss; passes on what was read. */
  counted<V>(value: V | undefined): V | undefined {
    if (value === undefined) this.counts.misses++;
    else this.counts.hits++;
    return value;
  }

  countError(text: string): void {
    this.counts.errors++;
    const end = text.indexOf(" ");
    const word = end < 0 ? text : text.slice(0, end);
    // Words are ours, never a client's, so that there are few.
    this.errorWords.set(word, (this.errorWords.get(word) ?? 0) + 1);
  }

  resetCounts(): void {
    Object.assign(this.counts, noCounts());
    this.byCommand.clear();
    this.errorWords.clear();
  }
}

function noCounts(): RespCounts {
  return {
    connections: 0,
    refusedConnections: 0,
    commands: 0,
    errors: 0,
    wrongPasswords: 0,
    protocolErrors: 0,
    slowReaders: 0,
    idle: 0,
    throttled: 0,
    bytesIn: 0,
    bytesOut: 0,
    hits: 0,
    misses: 0,
  };
}
