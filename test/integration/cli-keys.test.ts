/** `get`, `set`, `del` and `keys` of the built program, on hosts that are processes. Needs `npm run build`. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endWhatRuns, run, Served } from "./support/program.ts";

endWhatRuns("with the file");

const folder = mkdtempSync(join(tmpdir(), "tidemark-cli-"));
const file = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

/** Any bytes, among them such as are no UTF-8 and such as end lines. */
const BYTES = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256));

async function host(...args: string[]): Promise<string> {
  const served = new Served(["--resp", "0", "--http", "off", ...args]);
  const url = await served.listening();
  await served.next("ready");
  return url;
}

let url = "";
beforeAll(async () => {
  url = await host();
});

const tidemark = (args: readonly string[], input?: string | Uint8Array) =>
  run(args, { TIDEMARK_URL: url }, input);

async function told(args: readonly string[], input?: string | Uint8Array): Promise<Record<string, unknown>> {
  const { out, err } = await tidemark([...args, "--json"], input);
  expect(err).toBe("");
  return JSON.parse(out) as Record<string, unknown>;
}

describe("get and set", () => {
  it("take text from the command line, and give it back with its type and time to live", async () => {
    expect(await tidemark(["set", "greeting", "grüß Gott", "--ttl", "10m"])).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    expect(await tidemark(["get", "greeting"])).toEqual({ code: 0, out: "grüß Gott\n", err: "" });
    const { ttlMs, ...rest } = await told(["get", "greeting"]);
    expect(rest).toEqual({ key: "greeting", type: "string", value: "grüß Gott" });
    expect(ttlMs).toBeGreaterThan(590_000);
    expect(ttlMs).toBeLessThanOrEqual(600_000);
    await tidemark(["set", "greeting", "", "--keep-ttl"]);
    expect(await told(["get", "greeting"])).toMatchObject({ value: "", ttlMs: expect.any(Number) });
  });

  it("take and give any bytes, by file and by pipe", async () => {
    writeFileSync(file("in"), BYTES);
    expect(await told(["set", "bytes", "--file", file("in")])).toEqual({
      key: "bytes",
      set: true,
      bytes: 512,
    });
    expect((await tidemark(["get", "bytes", "--file", file("out")])).code).toBe(0);
    expect(readFileSync(file("out"))).toEqual(BYTES);
    expect(await told(["get", "bytes"])).toMatchObject({ value: { base64: BYTES.toString("base64") } });
    await tidemark(["set", "piped"], BYTES);
    await tidemark(["get", "piped", "--file", file("piped")]);
    expect(readFileSync(file("piped"))).toEqual(BYTES);
    const { code, out, err } = await tidemark(["get", "bytes"]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/^tidemark: NOT_TEXT: bytes holds 512 bytes .*--file.*--json.*\n$/);
  });

  it("carry a value of several megabytes", async () => {
    const large = Buffer.alloc(6 * 1024 * 1024, BYTES);
    expect(await told(["set", "large", "--file", "-"], large)).toMatchObject({ bytes: large.length });
    await tidemark(["get", "large", "--file", file("large")]);
    expect(readFileSync(file("large")).equals(large)).toBe(true);
    expect((await tidemark(["set", "large"], Buffer.alloc(9 * 1024 * 1024))).err).toMatch(
      /^tidemark: REFUSED: .*string exceeds maximum allowed size/,
    );
  });

  it("end with 3 where the answer is no", async () => {
    await tidemark(["set", "there", "1"]);
    expect(await tidemark(["get", "absent"])).toMatchObject({
      code: 3,
      out: "",
      err: expect.stringContaining("absent"),
    });
    expect(await told(["get", "absent"])).toEqual({ key: "absent", type: null, value: null });
    expect((await tidemark(["set", "there", "2", "--if-absent"])).code).toBe(3);
    expect((await tidemark(["set", "absent", "2", "--if-present"])).code).toBe(3);
    expect((await tidemark(["get", "there"])).out).toBe("1\n");
    expect((await tidemark(["set", "there", "2", "--if-present"])).code).toBe(0);
  });
});

describe("collections", () => {
  it("are shown a line for each element, and whole", async () => {
    const redis = promisify(execFile);
    const { port } = new URL(url);
    const many = Array.from({ length: 450 }, (_, index) => `m${1_000 + index}`);
    await redis("redis-cli", ["-p", port, "rpush", "list", ...many]);
    await redis("redis-cli", ["-p", port, "sadd", "members", ...many]);
    expect((await tidemark(["get", "list"])).out).toBe(`${many.join("\n")}\n`);
    expect(await told(["get", "members"])).toEqual({ key: "members", type: "set", ttlMs: null, value: many });
    expect((await tidemark(["get", "list", "--file", file("no")])).err).toMatch(
      /^tidemark: WRONG_TYPE: list is a list/,
    );
  });
});

describe("keys and del", () => {
  it("list by pattern and type, count, and describe", async () => {
    for (const key of ["k:1", "k:2", "k:ä"]) await tidemark(["set", key, "v", "--ttl", "1h"]);
    expect((await tidemark(["keys", "k:*"])).out.trim().split("\n").sort()).toEqual(["k:1", "k:2", "k:ä"]);
    expect(await told(["keys", "k:[12]", "--count"])).toEqual({ keys: 2 });
    expect((await tidemark(["keys", "k:*", "--type", "set"])).out).toBe("");
    const { out } = await tidemark(["keys", "k:1", "--long", "--json"]);
    expect(JSON.parse(out)).toEqual({
      key: "k:1",
      type: "string",
      ttlMs: expect.any(Number),
      bytes: expect.any(Number),
    });
    const table = (await tidemark(["keys", "k:1", "--long"])).out.split("\n");
    expect(table[0]).toMatch(/^type +ttl +bytes {2}key$/);
    expect(table[1]).toMatch(/^string +60m +\d+ {2}k:1$/);
    expect(await told(["del", "k:1", "k:2", "k:3"])).toEqual({ keys: 3, deleted: 2 });
    expect((await tidemark(["del", "k:ä"])).out).toBe("1 of 1 key was there and removed\n");
  });
});

describe("a failure", () => {
  it.each<[args: string[], code: number, err: RegExp]>([
    [
      ["get", "k", "--url", "redis://127.0.0.1:1"],
      1,
      /CONNECT_FAILED: redis:\/\/127\.0\.0\.1:1 is not there: .*tidemark serve/,
    ],
    [["get", "k", "--url", "http://127.0.0.1"], 2, /INVALID_ARGUMENT: --url takes redis:\/\//],
    [["get", "k", "--url", "redis://h/3"], 2, /database 0 only/],
    [["get", "k", "--password", "x"], 1, /NOT_ALLOWED: .* has no password set; leave out --password/],
    [["get", "k", "--resp-cert", "c"], 2, /takes both --resp-cert and --resp-key/],
    [["get", "k", "--url", "rediss://h", "--resp-ca", "/none"], 2, /--resp-ca: ENOENT/],
    [["get", "k", "--timeout", "soon"], 2, /--timeout takes/],
    [["get"], 2, /missing required argument 'key'/],
    [["set", "k", "v", "--ttl", "0"], 2, /--ttl takes a duration above 0/],
    [["set", "k", "v", "--if-absent", "--if-present"], 2, /one of --if-absent and --if-present/],
    [["set", "k", "v", "--file", "f"], 2, /give the value once/],
    [["set", "k", "--file", "/none/such"], 2, /--file: ENOENT/],
    [["keys", "--type", "hash"], 2, /Allowed choices are string, list, set/],
  ])("%j", async (args, code, err) => {
    const ended = await tidemark(args);
    expect(ended).toMatchObject({ code, out: "" });
    expect(ended.err).toMatch(err);
  });

  it("is JSON with --json", async () => {
    const { code, err } = await tidemark(["get", "k", "--json", "--url", "redis://127.0.0.1:1"]);
    expect(code).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ event: "error", code: "CONNECT_FAILED" });
  });

  it("is something that never answers, hangs up, or speaks otherwise", async () => {
    const answers: Record<string, (socket: import("node:net").Socket) => void> = {
      silent: () => undefined,
      gone: (socket) => socket.destroy(),
      other: (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    };
    const said: Record<string, string> = {};
    for (const [name, answer] of Object.entries(answers)) {
      const stranger = createServer((socket) => answer(socket.on("error", () => undefined))).listen(
        0,
        "127.0.0.1",
      );
      await once(stranger, "listening");
      const { port } = stranger.address() as { port: number };
      const { code, err } = await tidemark([
        "get",
        "k",
        "--url",
        `redis://127.0.0.1:${port}`,
        "--timeout",
        "300",
      ]);
      expect(code).toBe(1);
      said[name] = err;
      stranger.close();
    }
    expect(said.silent).toMatch(/TIMEOUT: .* did not answer within 300 ms/);
    expect(said.gone).toMatch(/CONNECT_FAILED: .* closed the connection; if it serves TLS, write rediss/);
    expect(said.other).toMatch(/CONNECT_FAILED: .* does not speak the Redis protocol/);
  });
});

describe("a host with a password", () => {
  it("says what is missing or wrong, and takes it by flag, URL and environment", async () => {
    const guarded = await host("--requirepass", "p%s");
    const ask = (env: NodeJS.ProcessEnv, ...args: string[]) =>
      run(["keys", ...args], { TIDEMARK_URL: guarded, ...env });
    expect((await ask({})).err).toMatch(/NOT_ALLOWED: .* wants a password: set TIDEMARK_PASSWORD/);
    expect((await ask({ TIDEMARK_PASSWORD: "x" })).err).toMatch(
      /NOT_ALLOWED: .* does not know that password/,
    );
    for (const ways of [
      ask({ TIDEMARK_PASSWORD: "p%s" }),
      ask({ TIDEMARK_REQUIREPASS: "p%s" }),
      ask({ TIDEMARK_PASSWORD: "wrong" }, "--password", "p%s"),
      ask({}, "--url", guarded.replace("redis://", "redis://:p%25s@")),
    ])
      expect(await ways).toEqual({ code: 0, out: "", err: "" });
  });
});

describe("a host with TLS and users", () => {
  it("is talked to by whoever trusts its certificate, within the rights of the user", async () => {
    const key = [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      file("key.pem"),
    ];
    const about = ["-subj", "/CN=host", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
    await promisify(execFile)("openssl", ["req", "-x509", ...key, "-out", file("cert.pem"), ...about]);
    const users = [{ name: "app", password: "p", keys: ["app:*"], rights: "write" }];
    writeFileSync(file("host.json"), JSON.stringify({ users, respCert: "cert.pem", respKey: "key.pem" }));
    const encrypted = await host("--config", file("host.json"));
    const ask = (...args: string[]) =>
      run(args, { TIDEMARK_URL: encrypted, TIDEMARK_USER: "app", TIDEMARK_PASSWORD: "p" });
    const ca = ["--resp-ca", file("cert.pem")];
    expect((await ask("set", "app:1", "v", ...ca)).code).toBe(0);
    expect((await ask("get", "app:1", ...ca)).out).toBe("v\n");
    expect((await ask("get", "other", ...ca)).err).toMatch(
      /NOT_ALLOWED: .*no permissions .* log in as another user/,
    );
    expect((await ask("get", "app:1")).err).toMatch(
      /CONNECT_FAILED: .*not trusted \(\w+\); name its CA with --resp-ca/,
    );
    const plain = encrypted.replace("rediss:", "redis:");
    expect((await ask("get", "app:1", "--url", plain)).err).toMatch(/CONNECT_FAILED: .*write rediss/);
    const odd = url.replace("redis:", "rediss:");
    expect((await ask("get", "app:1", "--url", odd)).err).toMatch(/CONNECT_FAILED: .*does not speak TLS/);
  });
});
