/**
 * Random bytes, cut and merged frames, wrong lengths, well-formed commands with odd arguments: nothing that is sent
 * ends the host, stops it, or leaves anything behind. `TIDEMARK_FRAMES=1000000` for a long run.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { everyCommand } from "../../../../src/providers/resp/table.ts";
import { Random } from "../../../../src/testing/random.ts";
import { RawClient, type Served, served } from "./client.ts";

const FRAMES = Number(process.env.TIDEMARK_FRAMES ?? 20_000);
const SEED = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CHURN_MS = FRAMES > 100_000 ? 30_000 : 3_000;
/** Frames on one connection. */
const BATCH = 50;

/** What would end the connection for a good reason, or wait, or change the rules while they are tried. */
const LEFT_OUT = new Set(["wait", "shutdown", "quit", "config|set", "config|resetstat"]);
const NAMES = Array.from(everyCommand(), ({ name }) => name)
  .filter((name) => !LEFT_OUT.has(name))
  .map((name) => name.split("|"));
const ODD = [
  "",
  "0",
  "-1",
  "1",
  "2",
  "9223372036854775807",
  "-9223372036854775808",
  "18446744073709551616",
  "1.5",
  "nan",
  "inf",
  "a",
  "b",
  "c",
  "key",
  "*",
  "[",
  "a*b*c*",
  "NX",
  "XX",
  "EX",
  "COUNT",
  "MATCH",
  "LIMIT",
  "LEFT",
  "RIGHT",
  "BEFORE",
  "\xff\xfe",
  "\r\n",
  "x".repeat(300),
];

const frame = (words: readonly string[]) =>
  Buffer.from(
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`,
    "latin1",
  );

class Mischief {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Frames that go out together: all well-formed, or not. */
  batch(): Buffer[] {
    const soundness = this.#random.next() < 0.6 ? 1 : 0.6;
    return Array.from({ length: BATCH }, () => this.#frame(soundness));
  }

  #frame(soundness: number): Buffer {
    if (this.#random.next() < soundness) return this.#command();
    const choice = 0.6 + this.#random.next() * 0.4;
    if (choice < 0.7) return this.#damaged(this.#command());
    if (choice < 0.8) return this.#noise();
    if (choice < 0.9) return Buffer.from(`${this.#words().join(" ")}\r\n`, "latin1");
    return Buffer.from(`*${this.#pick(ODD)}\r\n$${this.#pick(ODD)}\r\n`, "latin1");
  }

  #command(): Buffer {
    return frame(this.#words());
  }

  #words(): string[] {
    const name = this.#pick(NAMES);
    return [...name, ...Array.from({ length: this.#random.integer(0, 6) }, () => this.#pick(ODD))];
  }

  #damaged(bytes: Buffer): Buffer {
    const at = this.#random.integer(0, Math.max(0, bytes.length - 1));
    if (this.#random.next() < 0.5) return bytes.subarray(0, at);
    bytes[at] = this.#random.integer(0, 255);
    return bytes;
  }

  #noise(): Buffer {
    return Buffer.from(
      Array.from({ length: this.#random.integer(1, 60) }, () => this.#random.integer(0, 255)),
    );
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#random.integer(0, items.length - 1)]!;
  }
}

let host: Served;
const warnings: unknown[] = [];
const warned = (warning: unknown) => warnings.push(warning);
beforeAll(async () => {
  process.on("warning", warned);
  host = await served({ limits: { maxArgumentBytes: 4_096, maxRequestBytes: 65_536 } });
});
afterAll(async () => {
  process.off("warning", warned);
  await host.close();
});

describe(`what clients send, seed ${SEED}`, () => {
  it(`is survived: ${FRAMES} frames`, { timeout: 60_000 + FRAMES }, async () => {
    const mischief = new Mischief(SEED);
    const witness = await host.connect();
    for (let sent = 0; sent < FRAMES; sent += BATCH) {
      const client = await RawClient.open(host.door.address.port);
      client.socket.resume();
      const bytes = Buffer.concat(mischief.batch());
      // Merged as they come, and cut somewhere.
      const cut = Math.floor(bytes.length / 3);
      client.socket.write(bytes.subarray(0, cut));
      client.socket.write(bytes.subarray(cut));
      client.socket.end();
      await client.closed;
      // Another client is served as ever.
      const reply = `$${String(sent).length}\r\n${sent}\r\n`;
      expect(await witness.ask(`ECHO ${sent}`, reply)).toBe(reply);
    }
    await vi.waitFor(() => expect(host.door.status().clients).toBe(1));
    // A fault that was answered as an internal error is told as a warning.
    expect(warnings).toEqual([]);
    expect(host.door.status().commands).toBeGreaterThan(FRAMES / 3);
    expect(host.door.status().errors).toBeGreaterThan(FRAMES / 10);
    expect(host.door.status().protocolErrors).toBeGreaterThan(FRAMES / BATCH / 10);
  });

  it("leaves nothing behind when a thousand clients come and go", {
    timeout: 60_000 + CHURN_MS,
  }, async () => {
    const random = new Random(SEED);
    const { port } = host.door.address;
    const until = performance.now() + CHURN_MS;
    const one = async (): Promise<void> => {
      while (performance.now() < until) {
        const client = await RawClient.open(port).catch(() => undefined);
        if (client === undefined) continue;
        client.socket.resume();
        const half = frame(["SET", `k${random.integer(0, 99)}`, "v".repeat(random.integer(0, 2_000))]);
        client.socket.write(half.subarray(0, random.integer(0, half.length)));
        if (random.next() < 0.5) client.socket.write(Buffer.from("\r\nKEYS *\r\n"));
        await new Promise((resolve) => setTimeout(resolve, random.integer(0, 200)));
        if (random.next() < 0.5) client.socket.destroy();
        else {
          client.socket.end();
          client.socket.destroySoon();
        }
      }
    };
    await Promise.all(Array.from({ length: 1_000 }, one));
    await vi.waitFor(() => expect(host.door.status().clients).toBe(1), { timeout: 10_000 });
    const left = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap");
    // The witness at both its ends.
    expect(left.length).toBeLessThanOrEqual(2);
    expect(warnings).toEqual([]);
  });
});
