import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type HttpDoor, serveHttp } from "../../../../src/providers/http/http.ts";
import type { Status } from "../../../../src/status.ts";
import { open, type Tidemark } from "../../../../src/tidemark.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function standalone(): Promise<{ kv: Tidemark; door: HttpDoor }> {
  const kv = await open({ node: "solo" });
  opened.push(kv);
  return { kv, door: await doorOf(kv) };
}

async function doorOf(kv: Pick<Tidemark, "status">): Promise<HttpDoor> {
  const door = await serveHttp({
    kv: { on: () => () => undefined, ...kv, status: () => kv.status() },
    port: 0,
  });
  opened.push(door);
  return door;
}

/** A host in a state that a standalone one never has. */
function inState(changes: Partial<Record<keyof Status, unknown>>): Pick<Tidemark, "status"> {
  return { status: () => ({ node: "a", incarnation: "01A", keys: 0, ...changes }) as Status };
}

/** Sends bytes as they are and answers with all that came back until the other side hung up. */
function raw(door: HttpDoor, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ host: door.address.host, port: door.address.port });
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(text, "latin1"));
    socket.on("data", (chunk: string) => {
      answer += chunk;
    });
    // A refused request may be answered with a reset once its answer is out.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve(answer));
  });
}

describe("the HTTP door", () => {
  it("tells where it listens", async () => {
    const { door } = await standalone();
    expect(door.address.host).toBe("127.0.0.1");
    expect(door.address.port).toBeGreaterThan(0);
    expect(door.address.url).toBe(`http://127.0.0.1:${door.address.port}`);
  });

  it("is healthy and ready with a standalone host", async () => {
    const { door } = await standalone();
    const health = await fetch(`${door.address.url}/healthz`);
    expect(health.status).toBe(200);
    expect(await health.json()).toEqual({ ok: true });
    const ready = await fetch(`${door.address.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ ready: true, state: "standalone", node: "solo" });
  });

  it("shows the status as JSON that nobody caches", async () => {
    const { kv, door } = await standalone();
    kv.set("a", "1");
    const answer = await fetch(`${door.address.url}/status?pretty`);
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual(JSON.parse(JSON.stringify(kv.status())));
  });

  it("writes a bigint as text", async () => {
    const door = await doorOf(inState({ state: "ready", keys: 2n ** 63n }));
    expect(await (await fetch(`${door.address.url}/status`)).json()).toMatchObject({
      keys: "9223372036854775808",
    });
  });

  it.each([
    ["connecting", "there is no connection to a NATS server yet", /no connection/],
    ["joining", "it is catching up with the other hosts", /catching up/],
    ["fenced", "The NATS server does not let this host publish", /does not let/],
    ["leaving", "it was closed", /draining/],
    ["closed", "it was closed", /stopped/],
  ])("is healthy but not ready while %s", async (state, reason, shown) => {
    const door = await doorOf(inState({ state, reason }));
    const ready = await fetch(`${door.address.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({
      ready: false,
      state,
      reason: expect.stringMatching(shown),
    });
    expect((await fetch(`${door.address.url}/healthz`)).status).toBe(200);
  });

  it("is not ready once the host is closed", async () => {
    const { kv, door } = await standalone();
    await kv.close();
    expect((await fetch(`${door.address.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${door.address.url}/status`)).status).toBe(200);
  });

  it("answers 500 and stays when the status cannot be had", async () => {
    const door = await doorOf({
      status: () => {
        throw new Error("broken");
      },
    });
    const answer = await fetch(`${door.address.url}/status`);
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual({ code: "INTERNAL", error: "broken" });
    expect((await fetch(`${door.address.url}/nowhere`)).status).toBe(404);
  });

  it.each(["//", "/healthz/", "/HEALTHZ", "/status.json", "/..%2f", "/%zz", "/constructor", "/__proto__"])(
    "knows no %s",
    async (path) => {
      const { door } = await standalone();
      const answer = await fetch(`${door.address.url}${path}`);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: "NOT_FOUND" });
    },
  );

  it.each(["/healthz", "/readyz", "/status"])("answers HEAD on %s with the headers of GET", async (path) => {
    const { door } = await standalone();
    const get = await fetch(`${door.address.url}${path}`);
    const head = await fetch(`${door.address.url}${path}`, { method: "HEAD" });
    expect(head.status).toBe(get.status);
    expect(head.headers.get("content-length")).toBe(String(Buffer.byteLength(await get.text())));
    expect(await head.text()).toBe("");
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("refuses %s", async (method) => {
    const { door } = await standalone();
    const answer = await fetch(`${door.address.url}/status`, { method });
    expect(answer.status).toBe(405);
    expect(await answer.json()).toMatchObject({ code: "METHOD_NOT_ALLOWED" });
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
  });

  it("refuses a body without reading it", async () => {
    const { door } = await standalone();
    const big = `GET /status HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n${"x".repeat(1_000)}`;
    expect(await raw(door, big)).toMatch(/^HTTP\/1.1 413 .*connection: close/is);
    const chunked = "GET /status HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    expect(await raw(door, chunked)).toMatch(/^HTTP\/1.1 413 /);
    const expecting = "GET /status HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    expect(await raw(door, expecting)).toMatch(/^HTTP\/1.1 413 /);
  });

  it.each<[what: string, text: string, status: RegExp]>([
    ["no HTTP", "hello\r\n\r\n", /^HTTP\/1.1 400 .*"code": "BAD_REQUEST"/s],
    ["binary", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /^HTTP\/1.1 400 /],
    ["no host", "GET /healthz HTTP/1.1\r\n\r\n", /^HTTP\/1.1 400 /],
    [
      "a large header",
      `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(9_000)}\r\n\r\n`,
      /^HTTP\/1.1 431 .*HEADERS_TOO_LARGE/s,
    ],
    ["a long path", `GET /${"y".repeat(9_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, /^HTTP\/1.1 431 /],
    ["a whole URL", "GET http://[/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", /^HTTP\/1.1 4/],
    ["an asterisk", "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", /^HTTP\/1.1 404 /],
    [
      "an upgrade",
      "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close, upgrade\r\nupgrade: websocket\r\n\r\n",
      /^HTTP\/1.1 200 /,
    ],
    ["a tunnel", "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", /^$/],
  ])("survives %s", async (_what, text, status) => {
    const { door } = await standalone();
    expect(await raw(door, text)).toMatch(status);
    expect((await fetch(`${door.address.url}/healthz`)).status).toBe(200);
  });

  it("says why it cannot listen", async () => {
    const { kv, door } = await standalone();
    const { host, port } = door.address;
    await expect(serveHttp({ kv, host, port })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringMatching(new RegExp(`${host}:${port}: something else listens there`)),
    });
  });

  it("closes with connections open, and twice", async () => {
    const { door } = await standalone();
    const idle = raw(door, "");
    const half = raw(door, "GET /healthz HTTP/1.1\r\n");
    const kept = raw(door, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    await fetch(`${door.address.url}/healthz`);
    await Promise.all([door.close(), door.close()]);
    await Promise.all([idle, half]);
    expect(await kept).toMatch(/^HTTP\/1.1 200 /);
    await expect(fetch(`${door.address.url}/healthz`)).rejects.toThrow();
  });
});
