import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FindOptions, findNatsServer } from "../../../src/nats-server/find.ts";
import { emptyMachine, greeter, type Machine, putScript, putServer } from "./machine.ts";

const INFO = 'INFO {"server_id":"A","server_name":"a","version":"8.8.8"}\r\n';

async function find(machine: Machine, options: Partial<FindOptions> = {}) {
  const said: string[] = [];
  const found = await findNatsServer({ ...machine, ...options, say: (line) => said.push(line) });
  return { found, said };
}

describe("the order in which a nats-server is looked for", () => {
  it("prefers a server that runs, then a named program, then the PATH", async () => {
    const base = await emptyMachine();
    const named = join(base.root, "named");
    await putServer(named, "1.1.1");
    await putServer(join(base.bin, "nats-server"), "2.2.2");
    const env = {
      ...base.env,
      NATS_SERVER_BIN: named,
      NATS_URL: `nats://u:secret@127.0.0.1:${await greeter(INFO)}`,
    };

    const running = await find({ ...base, env });
    expect(running.found).toMatchObject({
      kind: "running",
      way: "NATS_URL",
      version: "8.8.8",
      url: env.NATS_URL,
    });
    expect(running.said.join()).toContain("not ours to restart");
    expect(running.said.join()).not.toContain("secret");

    const byName = await find({ ...base, env: { ...env, NATS_URL: undefined } });
    expect(byName.found).toMatchObject({
      kind: "binary",
      way: "NATS_SERVER_BIN",
      path: named,
      version: "1.1.1",
    });

    const onPath = await find(base);
    expect(onPath.found).toMatchObject({ kind: "binary", way: "PATH", version: "2.2.2" });
    expect(onPath.said).toEqual([
      `nats-server: using ${join(base.bin, "nats-server")}, version 2.2.2, by PATH`,
    ]);
  });

  it("looks where Debian puts servers when the PATH lacks one", async () => {
    const base = await emptyMachine();
    const sbin = join(base.root, "sbin");
    await putServer(join(sbin, "nats-server"), "2.9.10");
    expect((await find({ ...base, sbin: [sbin] })).found).toMatchObject({ way: "PATH", version: "2.9.10" });
  });

  it("passes over a running server that cannot serve, and says why", async () => {
    const base = await emptyMachine();
    await putServer(join(base.bin, "nats-server"), "2.2.2");
    const env = { ...base.env, NATS_URL: `nats://127.0.0.1:${await greeter(INFO)}` };
    const plain = await find({ ...base, env }, { jetstream: true });
    expect(plain.found.way).toBe("PATH");
    expect(plain.said[0]).toMatch(/not by NATS_URL: .*has no JetStream/);
    const own = await find({ ...base, env }, { own: true });
    expect(own.found.way).toBe("PATH");
  });

  it.each([
    ["is no NATS server", "SSH-2.0-OpenSSH\r\n", /does not greet as a nats-server/],
    ["hangs up", "", /hung up before INFO/],
  ])("passes over what %s at NATS_URL", async (_what, greeting, reason) => {
    const base = await emptyMachine();
    await putServer(join(base.bin, "nats-server"), "2.2.2");
    const env = { ...base.env, NATS_URL: `127.0.0.1:${await greeter(greeting)}` };
    const { found, said } = await find({ ...base, env });
    expect(found.way).toBe("PATH");
    expect(said[0]).toMatch(reason);
  });

  it("passes over a named program that is none, and says so", async () => {
    const base = await emptyMachine();
    await putServer(join(base.bin, "nats-server"), "2.2.2");
    const liar = join(base.root, "liar");
    await putScript(liar, "echo hello");
    const { found, said } = await find({ ...base, env: { ...base.env, NATS_SERVER_BIN: liar } });
    expect(found.way).toBe("PATH");
    expect(said[0]).toContain(`not by NATS_SERVER_BIN: ${liar} --version did not answer`);
  });

  it("installs the Debian package last, as root, saying so", async () => {
    const base = await emptyMachine({ uid: 0 });
    const brought = join(base.bin, "nats-server");
    await putScript(
      join(base.bin, "apt-get"),
      `case "$1" in install) printf '#!/bin/sh\\necho "nats-server: v2.9.10"\\n' > ${brought}; /bin/chmod +x ${brought};; esac`,
    );
    const { found, said } = await find(base);
    expect(found).toMatchObject({ kind: "binary", way: "apt", path: brought, version: "2.9.10" });
    expect(said.some((line) => line.includes("the Debian package is installed"))).toBe(true);
  });
});

describe("when no way leads to a nats-server", () => {
  it("throws one error that lists every way and its reason", async () => {
    const base = await emptyMachine();
    const env = { ...base.env, NATS_URL: "nats://127.0.0.1:1", NATS_SERVER_BIN: "/nowhere/nats-server" };
    const failure = await find({ ...base, env }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: "TidemarkError", code: "NATS_SERVER_NOT_FOUND" });
    const lines = String((failure as Error).message).split("\n");
    expect(lines).toEqual([
      "no nats-server could be found or fetched; tried, in this order:",
      expect.stringMatching(/^ {2}1\. NATS_URL: .*ECONNREFUSED/),
      "  2. NATS_SERVER_BIN: /nowhere/nats-server is not an executable file",
      `  3. PATH: no nats-server in ${base.bin}`,
      expect.stringMatching(/^ {2}4\. docker: no Docker engine answers at unix:.*no-docker\.sock \(.*ENOENT/),
      "  5. download: no release of 7.7.7 is pinned for linux-amd64",
      "  6. apt: no apt-get on this machine",
      "Install nats-server, or set NATS_SERVER_BIN to one, or NATS_URL to a server that runs.",
    ]);
  });

  it("tells a way that was not set from one that failed, and apt without root from no apt", async () => {
    const base = await emptyMachine();
    await putScript(join(base.bin, "apt-get"), "exit 1");
    await expect(find(base)).rejects.toThrow(/NATS_URL: not set\n.*NATS_SERVER_BIN: not set\n/);
    await expect(find(base)).rejects.toThrow("apt: apt-get needs root");
    await expect(find({ ...base, uid: 0 })).rejects.toThrow(/apt: .*apt-get/);
  });

  it("tries only the ways asked for", async () => {
    const base = await emptyMachine();
    await putServer(join(base.bin, "nats-server"), "2.2.2");
    await expect(find(base, { ways: ["docker"] })).rejects.toThrow(/PATH: not among the ways asked for/);
  });

  it("stops when it is told to", async () => {
    const base = await emptyMachine();
    await expect(find(base, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});
