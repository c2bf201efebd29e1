/** `status` and `watch` of the built program on a fleet of processes. Needs `npm run build`. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { beforeAll, describe, expect, it } from "vitest";
import { natsServerForTests } from "./support/nats.ts";
import { ended, endWhatRuns, run, Served, start } from "./support/program.ts";

const server = await natsServerForTests();
endWhatRuns("with the file");

interface Host {
  readonly served: Served;
  readonly env: NodeJS.ProcessEnv;
}

async function host(node: string, ...args: string[]): Promise<Host> {
  const served = new Served(["--resp", "0", "--http", "0", "--node", node, ...args]);
  const env = { TIDEMARK_URL: await served.listening(), TIDEMARK_HTTP_URL: await served.listening() };
  await served.next("ready");
  return { served, env };
}

describe.skipIf(server === undefined)("a fleet", () => {
  let ann: Host;
  let ben: Host;
  beforeAll(async () => {
    const fleet = ["--nats", server!.url, "--namespace", `status-${process.pid}`, "--heartbeat", "200"];
    ann = await host("ann", ...fleet);
    ben = await host("ben", ...fleet);
  });

  it("is shown as a table, and as what the host answers", async () => {
    await run(["set", "k", "v"], ben.env);
    await expect
      .poll(async () => (await run(["status"], ann.env)).out, { timeout: 10_000 })
      .toMatch(/^ben +ready +1 +0 +0 .* same$/m);
    const { code, out, err } = await run(["status"], ann.env);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^ann: ready, namespace status-\d+, connected to NATS$/m);
    expect(out).toMatch(/^ann \* +ready +1 .*[0-9a-f]{16}$/m);
    expect(out).toMatch(/^repairs {4}gaps 0, replays 0, snapshots 0, divergences 0, healed 0$/m);
    expect(out).toMatch(/^memory {5}log /m);
    const json = await run(["status", "--json"], ann.env);
    expect(JSON.parse(json.out)).toMatchObject({
      node: "ann",
      state: "ready",
      hosts: [{ node: "ben", digest: expect.any(String) }],
    });
  });

  it("is watched on all its hosts by pattern", async () => {
    const watching = start(["watch", "user.*", "--json"], ann.env);
    const lines = createInterface({ input: watching.stdout! })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value as string) as Record<string, unknown>;
    expect(await next()).toEqual({ type: "synced" });
    await run(["set", "other", "x"], ben.env);
    await run(["set", "user.1", "ada", "--ttl", "300ms"], ben.env);
    const set = await next();
    expect(set).toMatchObject({
      type: "set",
      key: "user.1",
      kind: "string",
      value: "ada",
      previous: null,
      folded: 0,
    });
    expect(await next()).toMatchObject({ type: "expire", key: "user.1", previous: "ada" });
    const done = ended(watching);
    watching.kill("SIGINT");
    expect((await done).code).toBeNull();
  });

  it("is watched a line for each change", async () => {
    const watching = run(["watch", "--all", "--count", "3", "l*"], ann.env);
    await run(["set", "l1", "a"], ben.env);
    await run(["set", "l1", "b\u001b"], ben.env);
    await run(["del", "l1"], ben.env);
    const { code, out } = await watching;
    expect(code).toBe(0);
    const lines = out.split("\n");
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}set {5}l1 {2}"a"$/);
    expect(lines[1]).toMatch(/set {5}l1 {2}"b\\u001b" {2}was "a"$/);
    expect(lines[2]).toMatch(/delete {2}l1/);
  });

  it("is told apart from a host that is not ready, not there, or something else", async () => {
    const other = createServer((_, response) => response.end("[]")).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const ask = (url: string) => run(["status", "--url", url, "--timeout", "2s"]);
    expect(await ask(`http://127.0.0.1:${port}`)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/REFUSED: .*something else than a status/),
    });
    expect(await ask(ann.env.TIDEMARK_URL!.replace("redis:", "http:"))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/CONNECT_FAILED/),
    });
    expect(await ask("http://127.0.0.1:1")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/CONNECT_FAILED: .* is not there: start a host/),
    });
    expect(await ask("redis://127.0.0.1:1")).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--url takes http/),
    });
    other.close();
  });

  it("is asked with its token", async () => {
    const dan = await host("dan", "--http-token", "secret-of-sixteen");
    const ask = (token: string) => run(["status"], { ...dan.env, TIDEMARK_HTTP_TOKEN: token });
    expect(await ask("wrong")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/NOT_ALLOWED: .*--http-token/),
    });
    expect(await ask("secret-of-sixteen")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^dan: standalone/),
    });
  });

  it("is kept on the screen while a host goes", async () => {
    const cid = await host("cid");
    const watching = start(["status", "--watch", "--every", "100ms", "--json"], cid.env);
    const lines = createInterface({ input: watching.stdout! })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value as string) as Record<string, unknown>;
    expect(await next()).toMatchObject({ node: "cid", state: "standalone" });
    cid.served.child.kill("SIGTERM");
    for (;;) {
      const told = await next();
      if (told.error !== undefined) {
        expect(told).toMatchObject({ error: "CONNECT_FAILED" });
        break;
      }
    }
    watching.kill("SIGINT");
  });
});
