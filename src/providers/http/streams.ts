/**
 * Server-sent events for the page: a report each second, and what replication tells as it happens. All readers get
 * the same bytes, made once. There are so many readers at most, and who does not read is cut off, so that
 * watching costs a host next to nothing and never grows; while nobody watches, nothing is made.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Report } from "./report.ts";
import type { Timeline } from "./timeline.ts";

export const MAX_STREAMS = 32;
const EVERY_MS = 1_000;
/** What is told in between is gathered for so long, so that a storm of it is a few messages. */
const GATHER_MS = 100;
/** Gathering a report may take one part in so many of the time, however large the fleet. */
const SHARE = 20;
/** What may wait for one reader, and for how long. */
const MAX_WAITING_BYTES = 256 * 1024;
const MAX_WAITING_MS = 10_000;
/** How soon a reader that lost its stream may come again. */
const RETRY_MS = 2_000;

export interface StreamCounts {
  /** Readers cut off because they did not read. */
  slowReaders: number;
  /** Streams refused because there were too many. */
  refused: number;
}

export interface StreamPorts {
  report(): Report;
  readonly timeline: Timeline;
}

interface Stream {
  readonly response: ServerResponse;
  /** Since when something waits for it, milliseconds as `performance.now` counts. */
  waitingSince: number | undefined;
}

export class Streams {
  readonly counts: StreamCounts = { slowReaders: 0, refused: 0 };
  readonly #ports: StreamPorts;
  readonly #streams = new Set<Stream>();
  #timer: NodeJS.Timeout | undefined;
  #gathering: NodeJS.Timeout | undefined;
  /** The last entry of the timeline that all have. */
  #told = 0;

  constructor(ports: StreamPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Takes a reader, if there is room; answers whether there was. Throws what gathering a report throws. */
  open(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#streams.size >= MAX_STREAMS) {
      this.counts.refused++;
      return false;
    }
    const { timeline } = this.#ports;
    // The others first, so that what they have not heard yet is not taken for told.
    this.#tellTimeline();
    const first = `retry: ${RETRY_MS}\n\n${message("timeline", timeline.since(0))}${this.#report()}`;
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      // Proxies that gather answers would make a live page a late one.
      "x-accel-buffering": "no",
    });
    if (request.method === "HEAD") {
      response.end();
      return true;
    }
    const stream: Stream = { response, waitingSince: undefined };
    this.#streams.add(stream);
    response.once("close", () => this.#gone(stream));
    this.#write(stream, first);
    this.#timer ??= setTimeout(() => this.#tick(), EVERY_MS);
    return true;
  }

  /** Says that something came to the timeline, to be told soon; costs nothing while nobody reads. */
  timelineGrew(): void {
    if (this.#streams.size > 0) this.#gathering ??= setTimeout(() => this.#tellTimeline(), GATHER_MS);
  }

  /** Ends all streams. */
  close(): void {
    this.#stopTimers();
    for (const { response } of this.#streams) response.end();
    this.#streams.clear();
  }

  #tick(): void {
    const startedAt = performance.now();
    let took = 0;
    try {
      const text = this.#report();
      took = performance.now() - startedAt;
      for (const stream of this.#streams) this.#write(stream, text);
    } catch (error) {
      // The page shows that nothing comes any more; the host itself goes on.
      const why = error instanceof Error ? error.message : String(error);
      for (const stream of this.#streams) this.#write(stream, message("failed", { error: why }));
    }
    this.#timer = this.#streams.size === 0 ? undefined : setTimeout(() => this.#tick(), pause(took));
  }

  #report(): string {
    return message("report", this.#ports.report());
  }

  #tellTimeline(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const { timeline } = this.#ports;
    const news = timeline.since(this.#told);
    this.#told = timeline.lastId;
    if (news.length === 0) return;
    const text = message("timeline", news);
    for (const stream of this.#streams) this.#write(stream, text);
  }

  #write(stream: Stream, text: string): void {
    const { response } = stream;
    const now = performance.now();
    stream.waitingSince = response.writableLength === 0 ? undefined : (stream.waitingSince ?? now);
    const late = stream.waitingSince !== undefined && now - stream.waitingSince > MAX_WAITING_MS;
    if (late || response.writableLength > MAX_WAITING_BYTES) {
      this.counts.slowReaders++;
      this.#gone(stream);
      response.destroy();
    } else response.write(text);
  }

  #gone(stream: Stream): void {
    this.#streams.delete(stream);
    if (this.#streams.size === 0) this.#stopTimers();
  }

  #stopTimers(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    this.#timer = undefined;
    this.#gathering = undefined;
  }
}

function pause(tookMs: number): number {
  return Math.max(EVERY_MS, tookMs * SHARE);
}

/** JSON has no line breaks of its own, so that one line of data is enough. */
function message(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
