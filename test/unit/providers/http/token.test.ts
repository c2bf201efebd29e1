import { afterEach, describe, expect, it } from "vitest";
import { type HttpDoor, serveHttp } from "../../../../src/providers/http/http.ts";
import { open } from "../../../../src/tidemark.ts";

const TOKEN = "b5f9-2c~Q.+/x_0123456==";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function guarded(token = TOKEN): Promise<HttpDoor> {
  const kv = await open({ node: "solo" });
  opened.push(kv);
  const door = await serveHttp({ kv, port: 0, token });
  opened.push(door);
  return door;
}

const ask = (door: HttpDoor, path: string, authorization?: string) =>
  fetch(`${door.address.url}${path}`, {
    headers: authorization === undefined ? {} : { authorization },
    signal: AbortSignal.timeout(2_000),
  });

describe("a door with a token", () => {
  it.each(["/", "/healthz", "/readyz"])("answers %s to everybody", async (path) => {
    expect((await ask(await guarded(), path)).status).toBe(200);
  });

  it.each(["/status", "/metrics", "/events"])("answers %s to who has it", async (path) => {
    const door = await guarded();
    const refused = await ask(door, path);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="tidemark"');
    expect(await refused.json()).toMatchObject({
      code: "UNAUTHORIZED",
      error: expect.stringMatching(/Bearer/),
    });
    const answer = await ask(door, path, `Bearer ${TOKEN}`);
    expect(answer.status).toBe(200);
    await answer.body?.cancel();
  });

  it.each([
    ["another", `Bearer ${TOKEN.replace("0", "1")}`],
    ["the beginning", `Bearer ${TOKEN.slice(0, -1)}`],
    ["more than it", `Bearer ${TOKEN}x`],
    ["none", "Bearer "],
    ["it without its scheme", TOKEN],
    ["it by another scheme", `Basic ${TOKEN}`],
    ["it twice", `Bearer ${TOKEN} ${TOKEN}`],
    ["a long one", `Bearer ${"x".repeat(4_000)}`],
  ])("refuses %s", async (_what, authorization) => {
    expect((await ask(await guarded(), "/status", authorization)).status).toBe(401);
  });

  it("takes the scheme in any case", async () => {
    expect((await ask(await guarded(), "/status", `bearer   ${TOKEN}`)).status).toBe(200);
  });

  it("counts who was refused", async () => {
    const door = await guarded();
    await ask(door, "/status");
    await ask(door, "/status", "Bearer wrong");
    expect(await (await ask(door, "/metrics", `Bearer ${TOKEN}`)).text()).toMatch(
      /tidemark_http_unauthorized_total\{[^}]*\} 2\n/,
    );
  });

  it.each(["", "short", "0123456789abcde", "with a space in it", "ümlautümlautümlaut", "x".repeat(513)])(
    "is not opened with the token %j",
    async (token) => {
      await expect(guarded(token)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(/16 to 512 characters.*openssl rand/),
      });
    },
  );
});
