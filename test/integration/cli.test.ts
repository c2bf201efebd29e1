/** The built program as its users meet it: its help, a fleet of `serve`, and the demo. Needs `npm run build`. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stripVTControlCharacters } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { natsServerForTests } from "./support/nats.ts";
import { ended, endWhatRuns, run, Served, start } from "./support/program.ts";

const server = await natsServerForTests();
endWhatRuns();

/** A host with HTTP only. */
const serveHttp = (args: readonly string[], env?: NodeJS.ProcessEnv) =>
  new Served(["--resp", "off", "--http", "0", ...args], env);

describe("the help", () => {
  it.each<[args: string[], shown: RegExp, lines: number]>([
    [["--help"], /Commands:\n {2}serve .*\n {2}demo /, 24],
    [["help", "serve"], /Usage: tidemark serve/, 80],
    [["serve", "--help"], /TIDEMARK_MAX_ENTRIES.*Examples:\n {2}tidemark serve --nats/s, 80],
    [["status", "--help"], /--watch.*Examples:\n {2}tidemark status/s, 45],
    [["watch", "--help"], /--count.*Examples:\n {2}tidemark watch/s, 45],
    [["get", "--help"], /--url.*Examples:\n {2}tidemark get/s, 40],
    [["set", "--help"], /--ttl.*Examples:\n {2}tidemark set/s, 45],
    [["del", "--help"], /--url.*Examples:\n {2}tidemark del/s, 40],
    [["keys", "--help"], /--long.*Examples:\n {2}tidemark keys/s, 45],
    [["dump", "--help"], /--resume.*Examples:\n {2}tidemark dump/s, 45],
    [["restore", "--help"], /--replace.*Examples:\n {2}tidemark restore/s, 45],
    [["diff", "--help"], /--settle.*Examples:\n {2}tidemark diff/s, 45],
    [["bench", "--help"], /--pipeline.*Examples:\n {2}tidemark bench/s, 45],
    [["demo", "--help"], /--keep.*Examples:\n {2}tidemark demo/s, 24],
    [["--version"], /^\d+\.\d+\.\d+\n$/, 2],
  ])("%j", async (args, shown, lines) => {
    const { code, out, err } = await run(args);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(shown);
    expect(out.split("\n").length).toBeLessThanOrEqual(lines);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe("wrong usage", () => {
  it.each<[args: string[], env: NodeJS.ProcessEnv, shown: RegExp]>([
    [[], {}, /Usage: tidemark/],
    [["sevre"], {}, /^tidemark: INVALID_ARGUMENT: unknown command 'sevre' \(Did you mean serve\?\)/],
    [["serve", "--htp", "1"], {}, /unknown option '--htp'/],
    [["serve", "extra"], {}, /too many arguments/],
    [["serve", "--http", "0.0.0.0:0"], {}, /^tidemark: INVALID_ARGUMENT: --http .*--allow-remote.*\n$/],
    [["serve"], { TIDEMARK_TTL: "5x" }, /^tidemark: INVALID_ARGUMENT: TIDEMARK_TTL takes .*\n$/],
    [["serve"], { REPLAY_REQ_SUBJECT: "r" }, /^tidemark: INVALID_ARGUMENT: REPLAY_REQ_SUBJECT .*\n$/],
    [["serve", "--nats", "nats://user:word@"], {}, /^tidemark: INVALID_ARGUMENT: A NATS URL does not.*\n$/],
  ])("%j %j ends with 2 and a sentence", async (args, env, shown) => {
    const { code, out, err } = await run(args, env);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(shown);
  });
});

describe("a failure", () => {
  const nobody = ["serve", "--nats", "nats://127.0.0.1:1", "--connect-timeout", "100"];

  it("ends with 1 and one line", async () => {
    const { code, err } = await run(nobody);
    expect(code).toBe(1);
    expect(err).toMatch(/^tidemark: CONNECT_FAILED: No NATS server answered at .*\n$/);
  });

  it("is JSON with --json, and has a stack with TIDEMARK_DEBUG", async () => {
    const { code, err } = await run([...nobody, "--json"], { TIDEMARK_DEBUG: "1" });
    expect(code).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ event: "error", code: "CONNECT_FAILED" });
    expect(JSON.parse(err).stack).toMatch(/\n +at /);
  });

  it("is a port that is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const { code, err } = await run(["serve", "--resp", "off", "--http", String(port)]);
    other.close();
    expect(code).toBe(1);
    expect(err).toMatch(
      /^tidemark: LISTEN_FAILED: HTTP cannot be served on .* something else listens there.*\n$/,
    );
  });
});

describe("serve", () => {
  it("stands alone, tells people, and ends on SIGINT", async () => {
    const child = start(["serve", "--resp", "0", "--http", "0", "--node", "solo"]);
    const done = ended(child);
    const lines = createInterface({ input: child.stdout! });
    const told: string[] = [];
    for await (const line of lines) {
      told.push(line);
      if (line.startsWith("ready")) child.kill("SIGINT");
    }
    expect((await done).code).toBe(0);
    expect(told).toEqual([
      expect.stringMatching(/^redis {2}redis:\/\/127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^http {3}http:\/\/127\.0\.0\.1:\d+ {2}.*\/status\b/),
      expect.stringMatching(/^ready {2}solo in namespace default, standalone, 0 keys, after \d+ ms$/),
      "ending on SIGINT",
      "ended",
    ]);
  });

  it("listens nowhere when told so", async () => {
    const served = serveHttp(["--http", "off"]);
    await served.next("ready");
    served.child.kill("SIGTERM");
    expect((await served.ended).code).toBe(0);
  });

  it("ends while it still looks for a server", async () => {
    // Takes the connection and never greets.
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    const child = start(["serve", "--nats", `nats://127.0.0.1:${port}`]);
    const done = ended(child);
    await once(silent, "connection");
    child.kill("SIGTERM");
    expect(await done).toEqual({ code: 0, out: "ended on SIGTERM, not connected yet\n", err: "" });
    silent.close();
  });
});

describe.skipIf(server === undefined)("a fleet of serve", () => {
  it("is ready once it has caught up, sees each other, and drains on SIGTERM", async () => {
    const { url } = server!;
    const env = { NATS_URL: url, TIDEMARK_NAMESPACE: `cli-${process.pid}` };
    const first = serveHttp(["--node", "a"], env);
    const door = await first.listening();
    const early = await fetch(`${door}/readyz`);
    expect(early.status).toBe(503);
    expect(await early.json()).toMatchObject({
      ready: false,
      reason: expect.stringMatching(/catching up|no conn/),
    });
    expect((await fetch(`${door}/healthz`)).status).toBe(200);
    expect(await first.next("ready")).toMatchObject({ node: "a", state: "ready", keys: 0 });
    expect((await fetch(`${door}/readyz`)).status).toBe(200);

    const second = serveHttp(["--node", "b"], env);
    await second.listening();
    await second.next("ready");
    await expect
      .poll(async () => {
        const status = (await (await fetch(`${door}/status`)).json()) as {
          hosts: { node: string; state: string }[];
        };
        return status.hosts.map(({ node, state }) => `${node} ${state}`);
      })
      .toContain("b ready");

    first.child.kill("SIGTERM");
    expect(await first.next("draining")).toMatchObject({ signal: "SIGTERM" });
    expect(await first.next("stopped")).toMatchObject({ unconfirmedBytes: 0 });
    expect(await first.ended).toMatchObject({ code: 0, err: "" });
    await expect(fetch(`${door}/readyz`)).rejects.toThrow();
    second.child.kill("SIGTERM");
    expect((await second.ended).code).toBe(0);
  });
});

describe.skipIf(server === undefined)("the demo", () => {
  // A place of its own, since others of this machine may run servers meanwhile.
  const place = mkdtempSync(join(tmpdir(), "tidemark-demo-"));
  afterAll(() => rmSync(place, { recursive: true }));
  const folders = () => readdirSync(place);
  const env = { TMPDIR: place };

  it("keeps every promise in under a minute, and leaves nothing behind", async () => {
    const startedAt = performance.now();
    const { code, out, err } = await run(["demo"], env);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    const digests = /^ +digest +(\w{16}) +(\w{16}) +(\w{16})$/m.exec(out)!.slice(1);
    expect(new Set(digests).size).toBe(1);
    expect(out).toMatch(/^ +divergences +0 +0 +0$/m);
    expect(out).toMatch(/^ {3}All as promised, in .* s\.$/m);
    expect(out).not.toContain("✗");
    expect(stripVTControlCharacters(out)).toBe(out);
    // A word that is longer than a line, as a path may be, has a line of its own.
    const lines = out.split("\n").filter((line) => line.trim().includes(" "));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(folders()).toEqual([]);
  });

  it("tells programs the same in JSON, and leaves a server alone that is not its own", async () => {
    const { code, out, err } = await run(["demo", "--json"], { NATS_URL: server!.url });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const told = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told[0]).toMatchObject({ event: "server", way: "NATS_URL", restartable: false });
    expect(told.filter(({ event }) => event === "write").length).toBeGreaterThan(10);
    expect(told.filter(({ event, holds }) => event === "check" && holds !== true)).toEqual([]);
    expect(told.find(({ event }) => event === "outage")).toMatchObject({ skipped: expect.any(String) });
    const hosts = told.filter(({ event }) => event === "host");
    expect(hosts).toHaveLength(3);
    expect(new Set(hosts.map(({ digest }) => digest)).size).toBe(1);
    expect(told.at(-1)).toMatchObject({ event: "result", ok: true, failures: [] });
  });

  it("ends with everything it started on Ctrl-C", async () => {
    const child = start(["demo", "--json", "--keep"], env);
    const done = ended(child);
    for await (const line of createInterface({ input: child.stdout! })) {
      if (JSON.parse(line).event === "started") child.kill("SIGINT");
    }
    expect(await done).toMatchObject({ code: 130, err: "" });
    expect(folders()).toEqual([]);
  });
});
