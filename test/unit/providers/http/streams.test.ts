/** The event stream as the page reads it, over real sockets. */
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type HttpDoor, serveHttp } from "../../../../src/providers/http/http.ts";
import { MAX_STREAMS } from "../../../../src/providers/http/streams.ts";
import type { ReplicationEvent } from "../../../../src/replication/replication-event.ts";
import { open, type Tidemark } from "../../../../src/tidemark.ts";
import { FULL } from "./full-status.ts";

const opened: { close(): Promise<unknown> | unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

/** A busy machine may take longer than what is waited for by default. */
const soon = (check: () => unknown) => vi.waitFor(check, { timeout: 10_000 });

interface Host {
  readonly door: HttpDoor;
  tell(...events: ReplicationEvent[]): void;
  /** How often its status was asked for. */
  readonly asked: () => number;
}

/** A door on a host that tells what it is told to, with a status that can be made large. */
async function host(more: object = {}): Promise<Host> {
  let listener: (batch: readonly ReplicationEvent[]) => void = () => undefined;
  const status = vi.fn(() => ({ ...FULL, ...more }));
  const kv = {
    status,
    on: (_kind: string, heard: typeof listener) => {
      listener = heard;
      return () => {
        listener = () => undefined;
      };
    },
  } as unknown as Pick<Tidemark, "status" | "on">;
  const door = await serveHttp({ kv, port: 0 });
  opened.push(door);
  return { door, tell: (...events) => listener(events), asked: () => status.mock.calls.length };
}

/** One reader of a stream, and the messages that came. */
class Reader {
  readonly #abort = new AbortController();
  readonly #answer: Promise<Response>;
  #text = "";
  /** How the stream came to its end: as it should, or cut off. */
  ended: "whole" | "cut off" | undefined;

  constructor(door: HttpDoor) {
    this.#answer = fetch(`${door.address.url}/events`, { signal: this.#abort.signal });
    opened.push({ close: () => this.#abort.abort() });
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of (await this.#answer).body!) this.#text += Buffer.from(chunk).toString();
      this.ended = "whole";
    } catch {
      // It was aborted by this test, or cut off by the door.
      this.ended = "cut off";
    }
  }

  get answer(): Promise<Response> {
    return this.#answer;
  }

  messages(event: string): unknown[] {
    return this.#text
      .split("\n\n")
      .filter((message) => message.startsWith(`event: ${event}\ndata: `))
      .map((message) => JSON.parse(message.slice(`event: ${event}\ndata: `.length)));
  }

  leave(): void {
    this.#abort.abort();
  }
}

const gap: ReplicationEvent = { type: "gap", at: 1, origin: "01B", applied: 2, known: 5 };

describe("/events", () => {
  it("is a stream of reports, each second, of a host as it is", async () => {
    const kv = await open({ node: "solo" });
    opened.push(kv);
    const door = await serveHttp({ kv, port: 0 });
    opened.push(door);
    const reader = new Reader(door);
    const answer = await reader.answer;
    expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    await soon(() => expect(reader.messages("report")[0]).toMatchObject({ node: "solo", keys: 0 }));
    kv.set("a", "1");
    await soon(() => expect(reader.messages("report").at(-1)).toMatchObject({ keys: 1 }));
  });

  it("begins with what happened before, and goes on with what happens", async () => {
    const { door, tell } = await host();
    tell(gap);
    const early = new Reader(door);
    await soon(() => expect(early.messages("timeline").flat()).toHaveLength(1));
    tell(gap, gap);
    await soon(() => expect(early.messages("timeline").flat()).toHaveLength(3));
    const late = new Reader(door);
    await soon(() => expect(late.messages("timeline").flat()).toHaveLength(3));
    tell(gap);
    for (const reader of [early, late]) {
      await soon(() => expect(reader.messages("timeline").flat()).toHaveLength(4));
      const ids = reader.messages("timeline").flat() as { id: number }[];
      expect(ids.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    }
  });

  it("costs nothing while nobody reads, and one status for all who do", async () => {
    const { door, asked } = await host();
    const readers = Array.from({ length: 10 }, () => new Reader(door));
    await soon(() => expect(readers.every((each) => each.messages("report").length > 0)).toBe(true));
    const [begun, had] = [asked(), readers[0]!.messages("report").length];
    await soon(() => expect(readers.every((each) => each.messages("report").length >= had + 2)).toBe(true));
    expect(asked() - begun).toBeLessThanOrEqual(readers[0]!.messages("report").length - had + 1);
    for (const reader of readers) reader.leave();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const left = asked();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(asked()).toBe(left);
  });

  it("takes so many readers and no more, until one leaves", async () => {
    const { door } = await host();
    const readers = Array.from({ length: MAX_STREAMS }, () => new Reader(door));
    for (const reader of readers) expect((await reader.answer).status).toBe(200);
    const refused = await fetch(`${door.address.url}/events`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("5");
    expect(await refused.json()).toMatchObject({ code: "TOO_MANY_STREAMS" });
    expect((await fetch(`${door.address.url}/healthz`)).status).toBe(200);
    readers[0]!.leave();
    await soon(async () => {
      const again = new Reader(door);
      const { status } = await again.answer;
      if (status !== 200) again.leave();
      expect(status).toBe(200);
    });
  });

  it("cuts off who does not read, and nobody else", async () => {
    // More than sockets hold by themselves, for the one who does not read.
    let digest = "d".repeat(16 * 1024 * 1024);
    const { door } = await host({
      get digest() {
        return digest;
      },
    });
    const sluggard = await standStill(door);
    digest = "d";
    const reader = new Reader(door);
    const metrics = async () => (await fetch(`${door.address.url}/metrics`)).text();
    await soon(async () => expect(await metrics()).toMatch(/tidemark_http_slow_readers_total\{[^}]*\} 1\n/));
    expect(await metrics()).toMatch(/tidemark_http_streams\{[^}]*\} 1\n/);
    expect(reader.ended).toBeUndefined();
    sluggard.resume();
    await new Promise((resolve) => sluggard.once("close", resolve));
  });

  it("makes a few messages of a storm", async () => {
    const { door, tell } = await host();
    const reader = new Reader(door);
    await soon(() => expect(reader.messages("report").length).toBeGreaterThan(0));
    for (let batch = 0; batch < 500; batch++) tell(...Array<ReplicationEvent>(100).fill(gap));
    await soon(() => expect(reader.messages("timeline").flat().at(-1)).toMatchObject({ id: 50_000 }));
    expect(reader.messages("timeline").flat().length).toBeLessThanOrEqual(200);
    expect(reader.ended).toBeUndefined();
  });

  it("answers HEAD without a stream, and nobody who has no path to it", async () => {
    const { door } = await host();
    const head = await fetch(`${door.address.url}/events`, { method: "HEAD" });
    expect(head.headers.get("content-type")).toMatch(/event-stream/);
    expect(await head.text()).toBe("");
    expect((await fetch(`${door.address.url}/events/`)).status).toBe(404);
  });

  it("ends with the door", async () => {
    const { door } = await host();
    const reader = new Reader(door);
    await reader.answer;
    await door.close();
    await soon(() => expect(reader.ended).toBe("whole"));
  });

  it("tells when the status cannot be had, and goes on", async () => {
    let failing = false;
    const { door } = await host({
      get keys() {
        if (failing) throw new Error("broken");
        return 9;
      },
    });
    const reader = new Reader(door);
    await reader.answer;
    failing = true;
    await soon(() => expect(reader.messages("failed")).toContainEqual({ error: "broken" }));
    expect((await fetch(`${door.address.url}/events`)).status).toBe(500);
    failing = false;
    const before = reader.messages("report").length;
    await soon(() => expect(reader.messages("report").length).toBeGreaterThan(before));
  });
});

/** Somebody who asks for the stream and reads nothing. */
async function standStill(door: HttpDoor): Promise<Socket> {
  const socket = connect({ host: door.address.host, port: door.address.port });
  opened.push({ close: () => socket.destroy() });
  socket.on("error", () => undefined);
  socket.write("GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  return socket;
}
