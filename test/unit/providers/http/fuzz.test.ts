/**
 * Random bytes, damaged requests, odd headers and paths: nothing that is sent ends the host, stops it, gets past the
 * token, or leaves a connection behind. `TIDEMARK_FRAMES=100000` for a long run.
 */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type HttpDoor, serveHttp } from "../../../../src/providers/http/http.ts";
import { Random } from "../../../../src/testing/random.ts";
import { open, type Tidemark } from "../../../../src/tidemark.ts";

const REQUESTS = Number(process.env.TIDEMARK_FRAMES ?? 2_000);
const SEED = Number(process.env.TIDEMARK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 50;
const TOKEN = "0123456789abcdef";

let kv: Tidemark;
let door: HttpDoor;
beforeAll(async () => {
  kv = await open({ node: "very-own-name" });
  door = await serveHttp({ kv, port: 0, token: TOKEN });
});
afterAll(async () => {
  await door.close();
  await kv.close();
});

const METHODS = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "CONNECT", "TRACE", "get", "G\x00T", "PRI", ""];
const PATHS = [
  "/",
  "/status",
  "/metrics",
  "/events",
  "/healthz",
  "/readyz?x=%zz",
  "//status",
  "/./status",
  "/status/../status",
  "/%73tatus",
  "/status%00",
  "http://[::/status",
  "https://a:b@c/status",
  "*",
  "?",
  "#",
  "/__proto__",
  "/\xff\xfe",
  `/${"a".repeat(9_000)}`,
];
const NAMES = [
  "host",
  "authorization",
  "content-length",
  "transfer-encoding",
  "connection",
  "upgrade",
  "expect",
  "__proto__",
  "constructor",
  "x-\xff",
  "",
  " ",
  "a:b",
];
const VALUES = [
  "a",
  "",
  "0",
  "-1",
  "5",
  "1e9",
  "99999999999999999999",
  "chunked",
  "chunked, identity",
  "close",
  "keep-alive",
  "upgrade",
  "websocket",
  "100-continue",
  "Bearer",
  "Bearer \xff",
  `Bearer ${TOKEN}x`,
  "Basic dGlkZW1hcms6eA==",
  "\x00",
  "\x7f",
  "y".repeat(3_000),
];

class Mischief {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#random.integer(0, of.length - 1)]!;
  }

  #noise(most: number): string {
    return String.fromCharCode(
      ...Array.from({ length: this.#random.integer(0, most) }, () => this.#random.integer(0, 255)),
    );
  }

  /** A request that may be right, wrong, damaged or no request at all. */
  next(): string {
    const kind = this.#random.next();
    if (kind < 0.15) return this.#noise(400);
    const headers = Array.from({ length: this.#random.integer(0, kind > 0.95 ? 200 : 5) }, () =>
      [this.#one(NAMES), this.#one(VALUES)].join(this.#one([": ", ":", " : ", " ", ":\r\n "])),
    );
    const version = this.#one(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]);
    const lines = [`${this.#one(METHODS)} ${this.#one(PATHS)} ${version}`, "host: a", ...headers];
    const text = `${lines.join(this.#one(["\r\n", "\r\n", "\r\n", "\n", "\r"]))}\r\n\r\n${this.#noise(30)}`;
    if (kind < 0.8) return text;
    const [from, to] = [this.#random.integer(0, text.length), this.#random.integer(0, text.length)];
    return kind < 0.9 ? text.slice(0, from) : text.slice(0, from) + this.#noise(5) + text.slice(to);
  }
}

/** Sends bytes, hangs up soon after, and answers with what came. */
function tried(text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host: door.address.host, port: door.address.port });
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      answer += chunk;
    });
    // To be hung up on is an answer, too.
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
    socket.write(text, "latin1", () => setTimeout(() => socket.destroy(), 30));
  });
}

describe("the HTTP door, fuzzed", () => {
  it(`takes ${REQUESTS} odd requests (seed ${SEED})`, { timeout: 60_000 + REQUESTS * 5 }, async () => {
    const mischief = new Mischief(SEED);
    let answered = 0;
    for (let done = 0; done < REQUESTS; done += AT_ONCE) {
      const texts = Array.from({ length: Math.min(AT_ONCE, REQUESTS - done) }, () => mischief.next());
      const answers = await Promise.all(texts.map(tried));
      for (const [index, answer] of answers.entries()) {
        const shown = JSON.stringify(texts[index]);
        expect(answer, shown).toMatch(/^(HTTP\/1\.1 \d{3} |$)/);
        expect(answer, shown).not.toMatch(/^HTTP\/1\.1 5/m);
        // Nobody here has the token, and readiness alone tells the name.
        if (answer.includes("very-own-name")) expect(answer, shown).toContain('"ready": true');
        if (answer !== "") answered++;
      }
    }
    expect(answered).toBeGreaterThan(REQUESTS / 3);
    expect((await fetch(`${door.address.url}/healthz`)).status).toBe(200);
    await vi.waitFor(async () => {
      const answer = await fetch(`${door.address.url}/metrics`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      const text = await answer.text();
      expect(text).toMatch(/tidemark_http_streams\{[^}]*\} 0\n/);
      expect(Number(/tidemark_http_connections\{[^}]*\} (\d+)\n/.exec(text)![1])).toBeLessThan(5);
    }, 10_000);
  });
});
