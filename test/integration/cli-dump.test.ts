/** `dump`, `restore`, `diff` and `bench` of the built program between hosts that are processes. Needs `npm run build`. */
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ended, endWhatRuns, run, Served, start } from "./support/program.ts";

endWhatRuns("with the file");
const folder = mkdtempSync(join(tmpdir(), "tidemark-dump-"));
const file = (name: string) => join(folder, name);
const clients: Redis[] = [];
afterAll(() => {
  for (const client of clients) client.disconnect();
  rmSync(folder, { recursive: true });
});

interface Host {
  readonly url: string;
  readonly redis: Redis;
}

async function host(): Promise<Host> {
  const served = new Served(["--resp", "0", "--http", "off"]);
  const url = await served.listening();
  await served.next("ready");
  const redis = new Redis(url);
  clients.push(redis);
  return { url, redis };
}

const KEYS = 30_000;
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
let one: Host;
let two: Host;

beforeAll(async () => {
  [one, two] = [await host(), await host()];
  const { redis } = one;
  for (let from = 0; from < KEYS; from += 5_000) {
    const pipeline = redis.pipeline();
    for (let index = from; index < from + 5_000; index++) pipeline.set(`key:${index}`, `value ${index}`);
    await pipeline.exec();
  }
  await redis.set("bytes", BYTES);
  await redis.set("brief", "v", "EX", 1_000);
  await redis.set("ä\n\u0000", "odd key");
  await redis.incrby("count", 41);
  await redis.rpush("list", "a", "b", "a");
  await redis.sadd("set", "x", "y", "z");
});

async function told(args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await run([...args, "--json"], { TIDEMARK_URL: one.url });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as Record<string, unknown>;
}

async function difference(
  first: string,
  second: string,
  ...args: string[]
): Promise<[number | null, object[]]> {
  const { code, out } = await run(["diff", first, second, "--json", ...args]);
  return [
    code,
    out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object),
  ];
}

describe("dump and restore", () => {
  it("carry every key with its type, its bytes and its time to live to another host", async () => {
    const keys = KEYS + 6;
    expect(await told(["dump", file("all")])).toMatchObject({ keys, file: file("all") });
    expect(await told(["restore", file("all"), "--url", two.url])).toMatchObject({
      restored: keys,
      left: 0,
      expired: 0,
    });
    expect(await two.redis.getBuffer("bytes")).toEqual(BYTES);
    expect(await two.redis.get("ä\n\u0000")).toBe("odd key");
    expect(await two.redis.pexpiretime("brief")).toBe(await one.redis.pexpiretime("brief"));
    expect(await two.redis.lrange("list", 0, -1)).toEqual(["a", "b", "a"]);
    expect(await difference(one.url, two.url)).toEqual([0, [{ same: keys, different: 0 }]]);
    expect(await two.redis.incr("count")).toBe(42);
  });

  it("leave alone what is there unless told to replace it", async () => {
    await two.redis.set("key:1", "mine");
    const some = file("some");
    expect(await told(["dump", some, "--match", "key:1"])).toMatchObject({ keys: 1 });
    expect(await told(["restore", some, "--url", two.url])).toMatchObject({ restored: 0, left: 1 });
    expect(await two.redis.get("key:1")).toBe("mine");
    expect(await told(["restore", some, "--url", two.url, "--replace"])).toMatchObject({
      restored: 1,
      left: 0,
    });
    expect(await two.redis.get("key:1")).toBe("value 1");
    expect(await run(["dump", some], { TIDEMARK_URL: one.url })).toMatchObject({
      code: 2,
      err: expect.stringMatching(/INVALID_ARGUMENT: .* is there; .*--overwrite/),
    });
  });

  it("carry a collection that is larger than one request may be", async () => {
    const member = "m".repeat(1_000);
    for (let from = 0; from < 20_000; from += 1_000)
      await one.redis.rpush(
        "large",
        ...Array.from({ length: 1_000 }, (_, index) => `${from + index}${member}`),
      );
    await told(["dump", file("large"), "--match", "large"]);
    expect(await told(["restore", file("large"), "--url", two.url])).toMatchObject({ restored: 1 });
    expect(await two.redis.llen("large")).toBe(20_000);
    expect(await two.redis.lindex("large", 19_999)).toBe(`19999${member}`);
    await Promise.all([one, two].map(({ redis }) => redis.del("large")));
  });

  it("go on where they were interrupted", async () => {
    const [whole, resumed] = [file("whole"), file("resumed")];
    const { keys, bytes } = await told(["dump", whole]);
    // Cut within a block, as a crash leaves it.
    writeFileSync(`${resumed}.part`, readFileSync(whole));
    truncateSync(`${resumed}.part`, Math.floor((bytes as number) / 2));
    expect(await told(["dump", resumed, "--resume"])).toMatchObject({ keys });
    const three = await host();
    // So that there is time to interrupt it.
    await three.redis.config("SET", "max-requests-per-second", "10000");
    const interrupted = start(["restore", resumed, "--url", three.url]);
    const done = ended(interrupted);
    await expect.poll(() => existsSync(`${resumed}.restoring`), { interval: 5, timeout: 20_000 }).toBe(true);
    interrupted.kill("SIGKILL");
    await done;
    await three.redis.config("SET", "max-requests-per-second", "0");
    const before = await three.redis.dbsize();
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(keys as number);
    expect(await told(["restore", resumed, "--resume", "--url", three.url])).toMatchObject({ keys });
    expect(existsSync(`${resumed}.restoring`)).toBe(false);
    expect(await difference(one.url, three.url)).toEqual([0, [{ same: keys, different: 0 }]]);
    const anew = await run(["restore", resumed, "--resume", "--url", three.url]);
    expect(anew).toMatchObject({ code: 1, err: expect.stringMatching(/DUMP_REFUSED: .*leave out --resume/) });
  });

  it("refuse a dump that is damaged or not complete before a key is written", async () => {
    const damaged = readFileSync(file("whole"));
    damaged[damaged.length - 5_000]! ^= 1;
    writeFileSync(file("damaged"), damaged);
    writeFileSync(file("cut"), damaged.subarray(0, 200_000));
    writeFileSync(file("other"), "no dump");
    const four = await host();
    for (const name of ["damaged", "cut", "other"]) {
      const { code, err } = await run(["restore", file(name), "--url", four.url]);
      expect(code).toBe(1);
      expect(err).toMatch(/^tidemark: DUMP_REFUSED: the dump cannot be used: /);
    }
    expect(await four.redis.dbsize()).toBe(0);
    expect((await run(["restore", file("none"), "--url", four.url])).err).toMatch(
      /INVALID_ARGUMENT: .*ENOENT/,
    );
  });
});

describe("diff", () => {
  it("names what differs between two hosts, and between a host and a dump", async () => {
    const { redis } = two;
    await redis.set("count", 41);
    await redis.del("list");
    await redis.set("new", "x");
    await redis.sadd("set", "w");
    await redis.expire("brief", 500);
    await redis.del("bytes");
    await redis.sadd("bytes", "now a set");
    const expected = [
      { key: "brief", difference: "ttl" },
      { key: "bytes", difference: "type" },
      { key: "list", difference: "only-first" },
      { key: "new", difference: "only-second" },
      { key: "set", difference: "value" },
    ];
    for (const first of [one.url, file("all")]) {
      const [code, lines] = await difference(first, two.url, "--settle", "0");
      expect(code).toBe(3);
      expect(lines.slice(0, -1).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))).toEqual(
        expected,
      );
      expect(lines.at(-1)).toEqual({ same: KEYS + 6 - 4, different: 5 });
    }
    const { code, out } = await run(["diff", one.url, two.url, "--match", "new"]);
    expect({ code, out }).toEqual({
      code: 3,
      out: "+  only in the second    new\n0 the same, 1 different\n",
    });
  });

  it("looks again, so that what was on its way is not reported", async () => {
    const comparing = difference(one.url, two.url, "--match", "key:7", "--settle", "2s");
    await two.redis.set("key:7", "on its way");
    setTimeout(() => void two.redis.set("key:7", "value 7"), 1_200);
    expect(await comparing).toEqual([0, [{ same: 1, different: 0 }]]);
  });
});

describe("bench", () => {
  it("measures, and leaves nothing behind", async () => {
    const before = await one.redis.dbsize();
    const figures = await told([
      "bench",
      "--duration",
      "400ms",
      "--clients",
      "3",
      "--pipeline",
      "4",
      "--keys",
      "700",
    ]);
    expect(figures).toMatchObject({ clients: 3, pipeline: 4, reads: 80, keys: 700, bytes: 100 });
    expect(figures.operationsPerSecond).toBeGreaterThan(100);
    const [get, set] = figures.latencies as Record<string, number>[];
    expect(get!.operationsPerSecond).toBeGreaterThan(set!.operationsPerSecond!);
    expect(get!.p50Micros).toBeLessThanOrEqual(get!.p99Micros!);
    await expect.poll(() => one.redis.dbsize(), { timeout: 20_000 }).toBe(before);
    const { out } = await run(["bench", "--duration", "200ms"], { TIDEMARK_URL: one.url });
    expect(out).toMatch(/^ +a second +p50 +p90 +p99 +longest\nget +[\d,]+ .*\nset .*\nboth +[\d,]+\n$/);
    expect((await run(["bench", "--clients", "0"])).err).toMatch(/--clients takes a whole number from 1/);
  });
});
