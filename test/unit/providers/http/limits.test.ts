/** TLS and the rate of requests, at the door itself. */
import { mkdtempSync, rmSync } from "node:fs";
import { get } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type HttpDoor, type HttpOptions, serveHttp } from "../../../../src/providers/http/http.ts";
import { rateLimit } from "../../../../src/providers/http/rate.ts";
import { open } from "../../../../src/tidemark.ts";
import { type Certificate, certify } from "../../../support/certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-http-"));
afterAll(() => rmSync(folder, { recursive: true }));

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function doorWith(options: Partial<HttpOptions> = {}): Promise<HttpDoor> {
  const kv = await open({ node: "solo" });
  opened.push(kv);
  const door = await serveHttp({ kv, port: 0, ...options });
  opened.push(door);
  return door;
}

/** The status of an answer to somebody who trusts one certificate. */
function ask(door: HttpDoor, ca: string, path = "/readyz"): Promise<number> {
  return new Promise((resolve, reject) => {
    get(`${door.address.url}${path}`, { ca, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    }).on("error", reject);
  });
}

describe("a door with TLS", () => {
  let first: Certificate;
  let second: Certificate;
  beforeAll(async () => {
    [first, second] = await Promise.all([certify(folder, "first"), certify(folder, "second")]);
  });

  it("answers who trusts its certificate, and serves another when it is told to", async () => {
    const door = await doorWith({ tls: first });
    expect(door.address.url).toMatch(/^https:/);
    expect(await ask(door, first.cert)).toBe(200);
    await expect(ask(door, second.cert)).rejects.toThrow(/certificate/);
    door.renewTls(second);
    expect(await ask(door, second.cert)).toBe(200);
    await expect(ask(door, first.cert)).rejects.toThrow(/certificate/);
  });

  it("keeps its certificate when the new one cannot be used", async () => {
    const door = await doorWith({ tls: first });
    const wrong = { code: "INVALID_ARGUMENT", message: expect.stringMatching(/cannot be used/) };
    expect(() => door.renewTls({ cert: "nonsense", key: first.key })).toThrow(expect.objectContaining(wrong));
    expect(await ask(door, first.cert)).toBe(200);
    await expect(doorWith({ tls: { cert: first.cert, key: "nonsense" } })).rejects.toMatchObject(wrong);
    const open = await doorWith();
    expect(() => open.renewTls(first)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("survives who does not shake hands", async () => {
    const door = await doorWith({ tls: first });
    const { host, port } = door.address;
    for (const text of [
      "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
      "\x16\x03\x01\xff\xff\x00",
      "\x00".repeat(500),
    ]) {
      const socket = connect({ host, port }, () => socket.write(text, "latin1"));
      // Being hung up on is what is waited for.
      socket.on("error", () => undefined);
      socket.resume();
      setTimeout(() => socket.destroy(), 100);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    expect(await ask(door, first.cert)).toBe(200);
  });
});

describe("the rate of requests", () => {
  it("is a hundred in a second, and two hundred at once", () => {
    let now = 0;
    const mayAsk = rateLimit(() => now);
    const allowed = (times: number) => Array.from({ length: times }, mayAsk).filter(Boolean).length;
    expect(allowed(1_000)).toBe(200);
    now += 500;
    expect(allowed(1_000)).toBe(50);
    now += 3_600_000;
    expect(allowed(1_000)).toBe(200);
  });

  it("is told with a code, and never holds up health and readiness", async () => {
    const door = await doorWith();
    const ask = async (path: string) => {
      const answer = await fetch(`${door.address.url}${path}`);
      const text = await answer.text();
      return { status: answer.status, text, retryAfter: answer.headers.get("retry-after") };
    };
    let refused = await ask("/status");
    for (let asked = 0; asked < 5_000 && refused.status === 200; asked += 20)
      refused = (await Promise.all(Array.from({ length: 20 }, () => ask("/status")))).at(-1)!;
    expect(refused).toMatchObject({ status: 429, retryAfter: "1" });
    expect(JSON.parse(refused.text)).toMatchObject({ code: "TOO_MANY_REQUESTS" });
    for (const path of ["/healthz", "/readyz", "/"]) expect((await ask(path)).status).toBe(200);
  });
});
