/** The parser: what is a request and what is none, whatever pieces it comes in. */
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../../src/providers/resp/limits.ts";
import { RequestParser } from "../../../../src/providers/resp/parser.ts";

const latin1 = (text: string) => Buffer.from(text, "latin1");

/** Every request of these pieces, as lists of words; a protocol error ends them as `!message`. */
function read(pieces: readonly Buffer[], limits = {}, stranger = false): (string[] | string)[] {
  const parser = new RequestParser({ ...DEFAULT_LIMITS, ...limits });
  const found: (string[] | string)[] = [];
  try {
    for (const piece of pieces) {
      // The chunk is overwritten afterwards, as the memory of a socket may be.
      const chunk = Buffer.from(piece);
      parser.feed(chunk);
      while (parser.next(stranger)) {
        const { request } = parser;
        found.push(Array.from({ length: request.count }, (_, index) => request.raw(index)));
      }
      parser.keep();
      chunk.fill(0x2a);
    }
  } catch (error) {
    found.push(`!${(error as Error).message}`);
  }
  return found;
}

const bulk = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

describe("requests", () => {
  it.each<[name: string, text: string, requests: (string[] | string)[]]>([
    ["an array", bulk("GET", "a"), [["GET", "a"]]],
    ["several", bulk("GET", "a") + bulk("PING"), [["GET", "a"], ["PING"]]],
    ["bytes of any kind", bulk("SET", "k", "\r\n\x00\xff*3"), [["SET", "k", "\r\n\x00\xff*3"]]],
    ["an empty argument", bulk("ECHO", ""), [["ECHO", ""]]],
    ["empty and negative arrays, passed over", `*0\r\n*-1\r\n*-10\r\n${bulk("PING")}`, [["PING"]]],
    ["a line", "PING\r\n", [["PING"]]],
    ["a line without CR", "GET a\n", [["GET", "a"]]],
    ["empty lines, passed over", "\r\n\n  \r\nPING\r\n", [["PING"]]],
    ["a line with quotes", `SET a "b c\\n\\x41\\"" 'd\\'e'\r\n`, [["SET", "a", 'b c\nA"', "d'e"]]],
    ["lines and arrays by turns", `PING\r\n${bulk("GET", "a")}PING\r\n`, [["PING"], ["GET", "a"], ["PING"]]],
    ["half an array", bulk("GET", "a").slice(0, -1), []],
    ["half a line", "PING", []],
  ])("%s", (_name, text, requests) => {
    expect(read([latin1(text)])).toEqual(requests);
    const bytes = Array.from(latin1(text), (byte) => Buffer.from([byte]));
    expect(read(bytes)).toEqual(requests);
  });

  it.each<[text: string, message: string]>([
    ["*x\r\n", "invalid multibulk length"],
    ["*3000000000\r\n", "invalid multibulk length"],
    ["*01\r\n", "invalid multibulk length"],
    ["*\r\n", "invalid multibulk length"],
    ["*1\r\nfoo\r\n", "expected '$', got 'f'"],
    ["*1\r\n\x00\r\n", "expected '$', got '\\x00'"],
    ["*1\r\n$-1\r\n", "invalid bulk length"],
    ["*1\r\n$x\r\n", "invalid bulk length"],
    ["*1\r\n$2000000000\r\n", "invalid bulk length"],
    ["*1\r\n$99999999999999999999\r\n", "invalid bulk length"],
    ['SET a "b\r\n', "unbalanced quotes in request"],
    ['SET a "b"c\r\n', "unbalanced quotes in request"],
    ["SET a 'b\r\n", "unbalanced quotes in request"],
    ["x".repeat(70_000), "too big inline request"],
    [`*${"1".repeat(70_000)}`, "too big mbulk count string"],
    [`*1\r\n$${"1".repeat(70_000)}`, "too big bulk count string"],
  ])("%.20s is none", (text, message) => {
    expect(read([latin1(text)])).toEqual([`!${message}`]);
    const half = Math.floor(text.length / 2);
    expect(read([latin1(text.slice(0, half)), latin1(text.slice(half))])).toEqual([`!${message}`]);
  });

  it("are read in whatever pieces they come", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const expected: string[][] = [];
    let text = "";
    for (let i = 0; i < 2_000; i++) {
      const words = Array.from({ length: 1 + random(5) }, () =>
        "x".repeat(random(3) === 0 ? random(300) : 1 + random(9)),
      );
      if (words[0] === "") words[0] = "PING";
      expected.push(words);
      text +=
        random(4) === 0 && words.every((word) => word !== "") ? `${words.join(" ")}\r\n` : bulk(...words);
    }
    const bytes = latin1(text);
    for (const most of [1, 3, 50, 1_000, 100_000]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + random(most);
        pieces.push(bytes.subarray(at, end));
        at = end;
      }
      expect(read(pieces)).toEqual(expected);
    }
  });
});

describe("limits", () => {
  it.each<[name: string, limits: object, text: string, message: string]>([
    ["arguments", { maxArguments: 3 }, bulk("MGET", "a", "b", "c"), "invalid multibulk length"],
    ["bytes of an argument", { maxArgumentBytes: 4 }, bulk("GET", "12345"), "invalid bulk length"],
    ["bytes of a request", { maxRequestBytes: 30 }, "*2\r\n$3\r\nGET\r\n$40\r\n", "too big request"],
  ])("%s", (_name, limits, text, message) => {
    expect(read([latin1(text)], limits)).toEqual([`!${message}`]);
  });

  it("are low for who has not logged in", () => {
    expect(read([latin1("*11\r\n")], {}, true)).toEqual(["!unauthenticated multibulk length"]);
    expect(read([latin1("*1\r\n$16385\r\n")], {}, true)).toEqual(["!unauthenticated bulk length"]);
    expect(read([latin1(bulk("AUTH", "x"))], {}, true)).toEqual([["AUTH", "x"]]);
  });

  it("hold memory for what has come, not for what was announced", () => {
    const parser = new RequestParser(DEFAULT_LIMITS);
    parser.feed(latin1(`*2\r\n$3\r\nGET\r\n$${8 * 1024 * 1024}\r\nabc`));
    expect(parser.next(false)).toBe(false);
    parser.keep();
    expect(parser.held).toBeLessThan(1_024);
  });

  it("take a large argument in small pieces in linear time", () => {
    const size = 8 * 1024 * 1024;
    const time = (pieceBytes: number) => {
      const parser = new RequestParser(DEFAULT_LIMITS);
      const startedAt = performance.now();
      parser.feed(latin1(`*2\r\n$4\r\nECHO\r\n$${size}\r\n`));
      parser.next(false);
      parser.keep();
      const piece = Buffer.alloc(pieceBytes, "x");
      for (let sent = 0; sent < size; sent += pieceBytes) {
        parser.feed(piece);
        parser.next(false);
        parser.keep();
      }
      parser.feed(latin1("\r\n"));
      expect(parser.next(false)).toBe(true);
      expect(parser.request.length(1)).toBe(size);
      expect(parser.held).toBeLessThan(3 * size);
      parser.keep();
      expect(parser.held).toBe(0);
      return performance.now() - startedAt;
    };
    time(65_536);
    // Quadratic copying would take minutes: 8,192 pieces, each copying all before it.
    expect(time(1_024)).toBeLessThan(2_000);
  });
});
