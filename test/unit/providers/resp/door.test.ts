/** The door around the commands: who comes in, how much one client may take, and how it closes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type RespOptions, serveResp } from "../../../../src/providers/resp/resp.ts";
import { type Served, served } from "./client.ts";

let host: Served | undefined;
afterEach(async () => {
  await host?.close();
  host = undefined;
});
async function open(options: Partial<RespOptions> = {}): Promise<Served> {
  host = await served(options);
  return host;
}
const until = (isSo: () => boolean) =>
  vi.waitFor(() => expect(isSo()).toBe(true), { timeout: 5_000, interval: 5 });

const NO_AUTH = "-NOAUTH Authentication required.\r\n";
const WRONG_PASS = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

describe("the address", () => {
  it("is refused beyond this machine without a password, unless that is consented to", async () => {
    const { host: kv } = await open();
    const remote = { kv, host: "0.0.0.0", port: 0 };
    await expect(serveResp(remote)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    for (const consent of [{ allowOpen: true }, { password: "secret" }]) {
      const door = await serveResp({ ...remote, ...consent });
      expect(door.address.host).toBe("0.0.0.0");
      await door.close();
    }
  });

  it("is refused with a sentence when it is taken", async () => {
    const { door, host: kv } = await open();
    await expect(serveResp({ kv, port: door.address.port })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining("something else listens there"),
    });
  });
});

describe("a password", () => {
  it("is asked for before anything else", async () => {
    const { connect, door } = await open({ password: "secret" });
    const client = await connect();
    for (const [request, reply] of [
      ["GET a", NO_AUTH],
      ["PING", NO_AUTH],
      ["AUTH wrong", WRONG_PASS],
      ["AUTH nobody secret", WRONG_PASS],
      ["GET a", NO_AUTH],
      ["AUTH secret", "+OK\r\n"],
      ["GET a", "$-1\r\n"],
      ["RESET", "+RESET\r\n"],
      ["GET a", NO_AUTH],
      ["AUTH default secret", "+OK\r\n"],
      ["GET a", "$-1\r\n"],
    ] as const)
      expect(await client.ask(request, reply)).toBe(reply);
    expect(door.status().wrongPasswords).toBe(2);
    const other = await connect();
    other.send("HELLO 3");
    expect(await other.until("\r\n")).toMatch(/^-NOAUTH HELLO must be called/);
    other.send("HELLO 3 AUTH default secret");
    expect(await other.until("modules\r\n*0\r\n")).toContain("$5\r\nproto\r\n:3\r\n");
  });

  it("may be set while it runs, any bytes of it", async () => {
    const { connect } = await open();
    const client = await connect();
    const set = Buffer.from(
      "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$3\r\na\x00\xff\r\n",
      "latin1",
    );
    await client.ask(set, "+OK\r\n");
    const other = await connect();
    expect(await other.ask("PING", NO_AUTH)).toBe(NO_AUTH);
    const auth = Buffer.from("*2\r\n$4\r\nAUTH\r\n$3\r\na\x00\xff\r\n", "latin1");
    expect(await other.ask(auth, "+OK\r\n")).toBe("+OK\r\n");
  });
});

describe("users", () => {
  const users = [
    { name: "app", password: "1", keys: ["app:*", "shared"], rights: "write" as const },
    { name: "look", password: "2", rights: "read" as const },
    { name: "boss", password: "3" },
  ];
  const NO_KEY = "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
  const noCommand = (name: string) => `-NOPERM this user has no permissions to run the '${name}' command\r\n`;

  it("may do what they may, and no more", async () => {
    const { connect } = await open({ users });
    const client = await connect();
    for (const [request, reply] of [
      ["GET shared", NO_AUTH],
      ["AUTH 1", WRONG_PASS],
      ["AUTH app 1", "+OK\r\n"],
      ["SET app:1 v", "+OK\r\n"],
      ["SET other v", NO_KEY],
      ["MSET app:1 v other v", NO_KEY],
      ["SINTERCARD 2 shared other", NO_KEY],
      ["RENAME app:1 other", NO_KEY],
      ["KEYS app:*", noCommand("keys")],
      ["SCAN 0", noCommand("scan")],
      ["DBSIZE", noCommand("dbsize")],
      ["FLUSHALL", noCommand("flushall")],
      ["CONFIG GET *", noCommand("config|get")],
      ["CLIENT ID", ":1\r\n"],
      ["AUTH look 2", "+OK\r\n"],
      ["GET app:1", "$1\r\nv\r\n"],
      ["SET app:1 w", noCommand("set")],
      ["DBSIZE", ":1\r\n"],
      ["SHUTDOWN", noCommand("shutdown")],
      ["AUTH boss 3", "+OK\r\n"],
      ["FLUSHALL", "+OK\r\n"],
    ] as const)
      expect({ request, reply: await client.ask(request, reply) }).toEqual({ request, reply });
  });

  it.each<[what: string, options: object, message: string]>([
    ["two of one name", { users: [users[0]!, users[0]!] }, "two users"],
    ["without a password", { users: [{ name: "a", password: "" }] }, "needs a password"],
    ["with a bad name", { users: [{ name: "a b", password: "1" }] }, "the name of a user"],
    ["with bad rights", { users: [{ name: "a", password: "1", rights: "all" as never }] }, "rights of user"],
    ["with no key", { users: [{ name: "a", password: "1", keys: [] }] }, "keys of user"],
    ["default twice", { users: [{ name: "default", password: "1" }], password: "2" }, "once"],
  ])("are refused: %s", async (_what, options, message) => {
    const { host: kv } = await open();
    await expect(serveResp({ kv, port: 0, ...options })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
  });
});

describe("pipelines", () => {
  it("are answered in order, with one write for all that came together", async () => {
    const { connect } = await open();
    const client = await connect();
    let chunks = 0;
    client.socket.on("data", () => chunks++);
    const many = 500;
    client.socket.write("INCR n\r\n".repeat(many));
    const replies = Array.from({ length: many }, (_, index) => `:${index + 1}\r\n`).join("");
    expect(await client.read(replies.length)).toBe(replies);
    expect(chunks).toBeLessThan(5);
  });

  it("wait for a command that waits, and go on behind it", async () => {
    const { connect } = await open();
    const client = await connect();
    client.socket.write("WAIT 1 30\r\nSET a 1\r\nGET a\r\n");
    expect(await client.read(16)).toBe(":0\r\n+OK\r\n$1\r\n1\r\n");
  });

  it("end at QUIT, and at what is no request, whose error is told", async () => {
    const { connect, host: kv, door } = await open();
    const first = await connect();
    first.socket.write("QUIT\r\nSET a 1\r\n");
    expect(await first.rest()).toBe("+OK\r\n");
    const second = await connect();
    second.socket.write("PING\r\n*1\r\nfoo\r\nSET a 1\r\n");
    expect(await second.rest()).toBe("+PONG\r\n-ERR Protocol error: expected '$', got 'f'\r\n");
    expect(kv.has("a")).toBe(false);
    expect(door.status().protocolErrors).toBe(1);
  });

  it("stay silent when told so", async () => {
    const { connect } = await open();
    const client = await connect();
    client.socket.write("CLIENT REPLY OFF\r\nPING a\r\nNOSUCH\r\nCLIENT REPLY ON\r\n");
    expect(await client.read(5)).toBe("+OK\r\n");
    client.socket.write("CLIENT REPLY SKIP\r\nPING a\r\nPING b\r\n");
    expect(await client.read(7)).toBe("$1\r\nb\r\n");
  });
});

describe("limits", () => {
  it("of clients: one more is told so", async () => {
    const { connect, door } = await open({ limits: { maxClients: 2 } });
    const [first, second] = [await connect(), await connect()];
    await first.ask("PING", "+PONG\r\n");
    await second.ask("PING", "+PONG\r\n");
    const third = await connect();
    expect(await third.rest()).toBe("-ERR max number of clients reached\r\n");
    first.socket.destroy();
    await until(() => door.status().clients === 1);
    const fourth = await connect();
    expect(await fourth.ask("PING", "+PONG\r\n")).toBe("+PONG\r\n");
    expect(door.status().refusedConnections).toBe(1);
  });

  it("of idleness", async () => {
    const { connect, door } = await open({ limits: { idleTimeoutMs: 100 } });
    const client = await connect();
    await client.closed;
    await until(() => door.status().clients === 0);
    expect(door.status().idle).toBe(1);
  });

  it("of replies: a reader that stands still is cut off, and harms nobody", async () => {
    const { connect, door, host: kv } = await open({ limits: { outputTimeoutMs: 500 } });
    kv.set("big", "x".repeat(1024 * 1024));
    const slow = await connect();
    slow.socket.pause();
    slow.socket.write("GET big\r\n".repeat(500));
    const other = await connect();
    for (let i = 0; i < 20; i++) expect(await other.ask("PING", "+PONG\r\n")).toBe("+PONG\r\n");
    // 500 MiB were asked for; what waits stays near the mark at which reading stops.
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(100 * 1024 * 1024);
    await until(() => door.status().slowReaders === 1);
    await until(() => door.status().clients === 1);
  });

  it("of replies: one that is larger than all that may wait cuts off, and is not built", async () => {
    const { connect, door, host: kv } = await open({ limits: { maxOutputBytes: 1024 * 1024 } });
    kv.set("big", "x".repeat(2 * 1024 * 1024));
    const client = await connect();
    client.send("GET big");
    expect(await client.rest()).toBe("");
    expect(door.status().slowReaders).toBe(1);
    const other = await connect();
    expect(await other.ask("PING", "+PONG\r\n")).toBe("+PONG\r\n");
  });

  it("of replies: a slow reader that does read gets everything", async () => {
    const { connect, host: kv } = await open();
    kv.set("big", "x".repeat(256 * 1024));
    const client = await connect();
    client.socket.write("GET big\r\n".repeat(100));
    const reply = `$${256 * 1024}\r\n${"x".repeat(256 * 1024)}\r\n`;
    for (let i = 0; i < 100; i++) expect((await client.read(reply.length)) === reply).toBe(true);
  });

  it("of requests in a second: the next ones wait", async () => {
    const { connect, door } = await open({ limits: { maxRequestsPerSecond: 50 } });
    const client = await connect();
    const startedAt = performance.now();
    client.socket.write("PING\r\n".repeat(70));
    expect(await client.read(70 * 7)).toBe("+PONG\r\n".repeat(70));
    expect(performance.now() - startedAt).toBeGreaterThan(300);
    expect(door.status().throttled).toBeGreaterThan(0);
  });
});

describe("CLIENT", () => {
  it("lists and kills", async () => {
    const { connect } = await open();
    const [one, two] = [await connect(), await connect()];
    await one.ask("CLIENT SETNAME first", "+OK\r\n");
    await two.ask("PING", "+PONG\r\n");
    one.send("CLIENT LIST");
    const list = await one.until("\n\r\n");
    expect(list).toMatch(/id=1 addr=127\.0\.0\.1:\d+ .*name=first .*qbuf=13 .*cmd=client\|list user=default/);
    expect(list).toMatch(/id=2 .*cmd=ping/);
    expect(await one.ask("CLIENT KILL TYPE normal", ":1\r\n")).toBe(":1\r\n");
    await two.closed;
    expect(await one.ask("CLIENT KILL ID 99", ":0\r\n")).toBe(":0\r\n");
    one.send("CLIENT KILL ID 1 SKIPME no");
    expect(await one.rest()).toBe(":1\r\n");
  });
});

describe("closing", () => {
  it("sends what was answered, and ends everybody", async () => {
    const { connect, door } = await open();
    const client = await connect();
    await client.ask("PING", "+PONG\r\n");
    await door.close();
    await client.closed;
    await expect(connect()).rejects.toThrow();
  });

  it("is what SHUTDOWN asks the host for", async () => {
    let asked = 0;
    const { connect } = await open({ onShutdown: () => asked++ });
    const client = await connect();
    expect(
      await client.ask("SHUTDOWN SAVE", "-ERR there is nothing to save to; use SHUTDOWN NOSAVE\r\n"),
    ).toMatch(/^-ERR/);
    client.send("SHUTDOWN NOSAVE");
    expect(await client.rest()).toBe("");
    expect(asked).toBe(1);
  });
});

describe("TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-resp-"));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function certificate(name: string) {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
    const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    execFileSync("openssl", [...args, "-days", "2", "-keyout", key, "-out", cert, ...subject], {
      stdio: "ignore",
    });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  }

  const ask = (port: number, ca: Buffer): Promise<{ name: string; reply: string }> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port, ca }, () =>
        socket.write("SET a 1\r\nGET a\r\nQUIT\r\n"),
      );
      let reply = "";
      socket.on("data", (chunk) => {
        reply += chunk;
      });
      socket.on("error", reject);
      let name = "";
      socket.on("secureConnect", () => {
        name = String(socket.getPeerCertificate().subject.CN);
      });
      socket.on("close", () => resolve({ name, reply }));
    });

  it("encrypts, and takes another certificate while it runs", async () => {
    const [first, second] = [certificate("first"), certificate("second")];
    const { door } = await open({ tls: first });
    expect(door.address.url).toMatch(/^rediss:/);
    const reply = "+OK\r\n$1\r\n1\r\n+OK\r\n";
    expect(await ask(door.address.port, first.cert)).toEqual({ name: "first", reply });
    expect(() => door.renewTls({ cert: "nonsense", key: "nonsense" })).toThrow("cannot be used");
    expect(await ask(door.address.port, first.cert)).toEqual({ name: "first", reply });
    door.renewTls(second);
    expect(await ask(door.address.port, second.cert)).toEqual({ name: "second", reply });
    await expect(ask(door.address.port, first.cert)).rejects.toThrow();
  });
});
