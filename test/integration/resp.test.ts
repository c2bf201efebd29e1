/** Clients that strangers wrote, on a host of `tidemark serve`: redis-cli, redis-benchmark, ioredis, node-redis. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { natsServerForTests } from "./support/nats.ts";

const nats = await natsServerForTests();

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
if (!existsSync(MAIN)) throw new Error("dist/ is not there: npm run build");

const run = promisify(execFile);
const PASSWORD = "correct horse";
let port = 0;
let host: ReturnType<typeof spawn>;

beforeAll(async () => {
  const args = ["serve", "--json", "--resp", "0", "--http", "off", "--requirepass", PASSWORD];
  host = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: host.stdout! })) {
    const told = JSON.parse(line) as { event: string; port: number };
    if (told.event === "listening") port = told.port;
    if (told.event === "ready") break;
  }
});
afterAll(async () => {
  const exit = once(host, "exit");
  host.kill("SIGTERM");
  expect((await exit)[0]).toBe(0);
});

async function cli(...args: string[]): Promise<string> {
  const { stdout } = await run("redis-cli", [
    "-p",
    String(port),
    "--no-auth-warning",
    "-a",
    PASSWORD,
    ...args,
  ]);
  return stdout.trimEnd();
}

beforeEach(async () => {
  await cli("flushall");
});

describe("the examples", () => {
  it.each([
    ["ioredis", "ada 1 [ 'ada', 'grace' ]\n"],
    ["node-redis", "ada mail 1\n"],
  ])("%s", async (name, said) => {
    const url = `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;
    const { stdout } = await run(process.execPath, ["--import", "tsx", `examples/${name}.ts`], {
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
      env: { ...process.env, REDIS_URL: url },
    });
    expect(stdout).toBe(said);
  });
});

describe("a host with users and TLS", () => {
  it("lets in who may, encrypted, and takes a new certificate on SIGHUP", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tidemark-serve-"));
    const file = (name: string) => join(folder, name);
    const certify = async (name: string) => {
      const key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        file(`${name}.key`),
      ];
      const about = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
      await run("openssl", ["req", "-x509", ...key, "-out", file(`${name}.pem`), ...about]);
    };
    const use = (name: string) => {
      for (const kind of ["key", "pem"]) copyFileSync(file(`${name}.${kind}`), file(`used.${kind}`));
    };
    await certify("first");
    await certify("second");
    use("first");
    writeFileSync(
      file("users.json"),
      JSON.stringify([{ name: "app", password: "p", keys: ["app:*"], rights: "write" }]),
    );
    const flags = [
      "--resp-users",
      file("users.json"),
      "--resp-cert",
      file("used.pem"),
      "--resp-key",
      file("used.key"),
    ];
    const args = [MAIN, "serve", "--json", "--resp", "0", "--http", "off", ...flags];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value as string) as Record<string, unknown>;
    try {
      const { url, port: tlsPort } = (await next()) as { url: string; port: number };
      expect(url).toMatch(/^rediss:/);
      const ask = async (ca: string, ...words: string[]) => {
        const tls = [
          "--tls",
          "--cacert",
          file(`${ca}.pem`),
          "--user",
          "app",
          "--pass",
          "p",
          "--no-auth-warning",
        ];
        const { stdout, stderr } = await run("redis-cli", ["-p", String(tlsPort), ...tls, ...words]).catch(
          (error: { stdout: string; stderr: string }) => error,
        );
        return `${stdout}${stderr}`.trim();
      };
      expect(await ask("first", "set", "app:1", "v")).toBe("OK");
      expect(await ask("first", "set", "other", "v")).toMatch(/^NOPERM/);
      expect(await next()).toMatchObject({ event: "ready" });
      use("second");
      child.kill("SIGHUP");
      expect(await next()).toMatchObject({ event: "renewed", door: "resp" });
      expect(await ask("second", "get", "app:1")).toBe("v");
      expect(await ask("first", "get", "app:1")).toMatch(/certificate verify failed/);
      writeFileSync(file("used.pem"), "nonsense");
      child.kill("SIGHUP");
      expect(await next()).toMatchObject({
        event: "notRenewed",
        reason: expect.stringContaining("cannot be used"),
      });
      expect(await ask("second", "get", "app:1")).toBe("v");
    } finally {
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      expect((await exit)[0]).toBe(0);
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("says what is wrong with the file of users", async () => {
    const refused = (file: string) =>
      run(process.execPath, [MAIN, "serve", "--http", "off", "--resp", "0", "--resp-users", file]);
    await expect(refused("/nowhere/users.json")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^tidemark: INVALID_ARGUMENT: --resp-users: ENOENT/),
    });
    await expect(refused(MAIN)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("is no JSON"),
    });
  });
});

describe.skipIf(nats === undefined)("two hosts of one namespace", () => {
  it("hold the same, and WAIT says so: what a keyvalue backend of wasmCloud needs", async () => {
    const hosts = await Promise.all(
      ["a", "b"].map(async (node) => {
        const flags = ["--nats", nats!.url, "--namespace", "resp-two", "--node", node];
        const args = [MAIN, "serve", "--json", "--resp", "0", "--http", "off", ...flags];
        const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
        let url = "";
        for await (const line of createInterface({ input: child.stdout })) {
          const told = JSON.parse(line) as { event: string; url: string };
          if (told.event === "listening") url = told.url;
          if (told.event === "ready") break;
        }
        return { child, redis: new Redis(url) };
      }),
    );
    const [a, b] = hosts.map(({ redis }) => redis) as [Redis, Redis];
    try {
      await a.mset("bucket:1", "one", "bucket:2", "two");
      await a.incrby("bucket:n", 5);
      await a.set("bucket:bytes", Buffer.from([0, 255]));
      expect(await a.wait(1, 10_000)).toBe(1);
      expect(await b.mget("bucket:1", "bucket:2", "bucket:n")).toEqual(["one", "two", "5"]);
      expect(await b.getBuffer("bucket:bytes")).toEqual(Buffer.from([0, 255]));
      expect(await b.exists("bucket:1", "bucket:none")).toBe(1);
      await Promise.all([a.incrby("bucket:n", 1), b.incrby("bucket:n", 1), b.del("bucket:1")]);
      await Promise.all([a.wait(1, 10_000), b.wait(1, 10_000)]);
      for (const redis of [a, b]) {
        expect(await redis.get("bucket:n")).toBe("7");
        const [cursor, keys] = await redis.scan(0, "MATCH", "bucket:*", "COUNT", 1_000);
        expect([cursor, keys.sort()]).toEqual(["0", ["bucket:2", "bucket:bytes", "bucket:n"]]);
      }
    } finally {
      for (const { child, redis } of hosts) {
        redis.disconnect();
        child.kill("SIGTERM");
      }
      await Promise.all(hosts.map(({ child }) => once(child, "exit")));
    }
  });
});

describe("a host that a client ends", () => {
  it("leaves as on SIGTERM", async () => {
    const child = spawn(process.execPath, [MAIN, "serve", "--json", "--resp", "0", "--http", "off"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    const told: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { event: string; port: number };
      told.push(event.event);
      if (event.event === "listening")
        await run("redis-cli", ["-p", String(event.port), "shutdown", "nosave"]);
    }
    expect((await exit)[0]).toBe(0);
    expect(told).toContain("draining");
  });
});

describe("redis-cli", () => {
  it("asks and is answered, in both versions of the protocol", async () => {
    expect(await cli("set", "greeting", "héllo")).toBe("OK");
    expect(await cli("get", "greeting")).toBe("héllo");
    expect(await cli("rpush", "l", "a", "b")).toBe("2");
    expect(await cli("-3", "lrange", "l", "0", "-1")).toBe("a\nb");
    expect(await cli("hset", "h", "f", "v")).toMatch(/^ERR unknown command 'hset'.*hashes come later/);
    await expect(run("redis-cli", ["-p", String(port), "get", "a"])).resolves.toMatchObject({
      stdout: expect.stringMatching(/^NOAUTH/),
    });
  });

  it("finds keys by scanning, and fills from a pipe", async () => {
    const pipe = spawn("redis-cli", ["-p", String(port), "--no-auth-warning", "-a", PASSWORD, "--pipe"]);
    for (let i = 0; i < 5_000; i++) pipe.stdin.write(`SET key:${i} ${i}\r\n`);
    pipe.stdin.end();
    let said = "";
    for await (const chunk of pipe.stdout) said += chunk;
    expect(said).toContain("errors: 0, replies: 5000");
    const keys = (await cli("--scan", "--pattern", "key:*")).split("\n");
    expect(new Set(keys).size).toBe(5_000);
  });
});

describe("redis-benchmark", () => {
  it("runs all that concerns what is served, without an error", async () => {
    const tests = "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,spop,lrange_100,mset";
    const sizes = ["-n", "2000", "-c", "20", "-P", "4", "-r", "1000", "--csv"];
    const { stdout, stderr } = await run("redis-benchmark", [
      ...["-p", String(port), "-a", PASSWORD, "-t", tests],
      ...sizes,
    ]);
    expect(stderr.replace(/WARNING: Could not fetch server CONFIG\n/, "")).not.toMatch(/error/i);
    expect(stdout.trim().split("\n").length).toBeGreaterThanOrEqual(14);
  });
});

describe("ioredis", () => {
  it("works as with Redis", async () => {
    const redis = new Redis({ port, password: PASSWORD });
    try {
      expect(await redis.set("a", "1", "EX", 100, "NX")).toBe("OK");
      expect(await redis.set("a", "2", "EX", 100, "NX")).toBeNull();
      expect(await redis.ttl("a")).toBe(100);
      expect(await redis.incrby("n", 41)).toBe(41);
      expect(await redis.mget("a", "none", "n")).toEqual(["1", null, "41"]);
      const bytes = Buffer.from([0, 255, 13, 10, 128]);
      await redis.set("b", bytes);
      expect(await redis.getBuffer("b")).toEqual(bytes);
      await redis.sadd("s", "x", "y");
      expect((await redis.smembers("s")).sort()).toEqual(["x", "y"]);
      await redis.rpush("l", "1", "2", "3");
      expect(await redis.lrange("l", 0, -1)).toEqual(["1", "2", "3"]);
      await expect(redis.incr("s")).rejects.toThrow("WRONGTYPE");
      const replies = await redis.pipeline().set("p", "1").incr("p").get("p").exec();
      expect(replies).toEqual([
        [null, "OK"],
        [null, 2],
        [null, "2"],
      ]);
      const found: string[] = [];
      for await (const keys of redis.scanStream({ match: "?" })) found.push(...(keys as string[]));
      expect(found.sort()).toEqual(["a", "b", "l", "n", "p", "s"]);
      await expect(redis.hset("h", "f", "v")).rejects.toThrow("hashes come later");
    } finally {
      redis.disconnect();
    }
  });

  it("sends a thousand at once, and gets each its own reply", async () => {
    const redis = new Redis({ port, password: PASSWORD, enableAutoPipelining: true });
    try {
      await Promise.all(Array.from({ length: 1_000 }, (_, index) => redis.set(`k${index}`, index)));
      const values = await Promise.all(Array.from({ length: 1_000 }, (_, index) => redis.get(`k${index}`)));
      expect(values).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index)));
      const large = "x".repeat(4 * 1024 * 1024);
      await redis.set("large", large);
      expect((await redis.get("large")) === large).toBe(true);
    } finally {
      redis.disconnect();
    }
  });
});

describe.each([2, 3] as const)("node-redis with RESP%i", (RESP) => {
  it("works as with Redis", async () => {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, password: PASSWORD, RESP });
    await client.connect();
    try {
      expect(await client.set("a", "1", { expiration: { type: "EX", value: 100 } })).toBe("OK");
      expect(await client.set("a", "2", { condition: "NX" })).toBeNull();
      expect(await client.getDel("a")).toBe("1");
      expect(await client.sAdd("s", ["x", "y"])).toBe(2);
      expect([...(await client.sMembers("s"))].sort()).toEqual(["x", "y"]);
      expect(await client.sInter(["s", "none"])).toEqual([]);
      expect(await client.rPush("l", ["1", "2"])).toBe(2);
      expect(await client.lMove("l", "m", "LEFT", "RIGHT")).toBe("1");
      expect(await client.incrByFloat("f", 0.5)).toBe("0.5");
      expect(await client.lPos("l", "none")).toBeNull();
      expect((await client.scan("0", { MATCH: "s*" })).keys).toEqual(["s"]);
      expect(await client.copy("l", "copy")).toBeTruthy();
      expect(await client.dbSize()).toBe(5);
      expect(await client.clientInfo()).toMatchObject({ user: "default", resp: RESP });
      expect(await client.configGet("databases")).toEqual({ databases: "1" });
      await expect(client.lPush("s", "x")).rejects.toThrow("WRONGTYPE");
    } finally {
      client.destroy();
    }
  });
});
