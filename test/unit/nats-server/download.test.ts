import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { findNatsServer } from "../../../src/nats-server/find.ts";
import { OFFICIAL_RELEASE } from "../../../src/nats-server/release.ts";
import { emptyMachine, type Machine, pathWithTar, putServer } from "./machine.ts";

const NAME = "nats-server-v7.7.7-linux-amd64";

/** An archive laid out as the official one, and its sum. */
async function packRelease(machine: Machine): Promise<{ archive: Buffer; sum: string }> {
  await putServer(join(machine.root, "pack", NAME, "nats-server"), "7.7.7");
  const file = join(machine.root, "release.tar.gz");
  await promisify(execFile)("tar", ["-czf", file, "-C", join(machine.root, "pack"), NAME]);
  const archive = await readFile(file);
  return { archive, sum: createHash("sha256").update(archive).digest("hex") };
}

/** A release server that answers as told and remembers what it was asked. */
async function serve(answer: (response: ServerResponse) => void): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { url: `http://127.0.0.1:${address.port}/mirror`, asked };
}

async function downloadOnly(machine: Machine, url: string, sum: string) {
  const said: string[] = [];
  const found = await findNatsServer({
    ...machine,
    env: {
      PATH: pathWithTar(machine),
      DOCKER_HOST: machine.env.DOCKER_HOST,
      NATS_SERVER_DOWNLOAD_URL: url,
      XDG_CACHE_HOME: join(machine.root, "cache"),
    },
    release: { ...machine.release, sha256: { "linux-amd64": sum } },
    ways: ["download"],
    say: (line) => said.push(line),
  });
  return { found, said };
}

async function cached(machine: Machine): Promise<string[]> {
  return readdir(join(machine.root, "cache/tidemark/nats-server", NAME));
}

describe("the release that is downloaded", () => {
  it("is checked, kept, and fetched only once", async () => {
    const machine = await emptyMachine();
    const { archive, sum } = await packRelease(machine);
    const { url, asked } = await serve((response) => response.end(archive));

    const first = await downloadOnly(machine, url, sum);
    expect(first.found).toMatchObject({ kind: "binary", way: "download", version: "7.7.7" });
    expect(asked).toEqual([`/mirror/v7.7.7/${NAME}.tar.gz`]);
    expect(first.said[0]).toContain(`fetching ${url}/v7.7.7/${NAME}.tar.gz`);
    expect(await cached(machine)).toEqual(["nats-server"]);

    await downloadOnly(machine, url, sum);
    expect(asked).toHaveLength(1);
  });

  it("is refused and removed when its checksum is another", async () => {
    const machine = await emptyMachine();
    const { archive } = await packRelease(machine);
    const { url } = await serve((response) => response.end(archive));
    await expect(downloadOnly(machine, url, "0".repeat(64))).rejects.toMatchObject({
      code: "NATS_SERVER_NOT_FOUND",
      message: expect.stringMatching(/download: .* has SHA-256 [0-9a-f]{64}, expected 0{64}; it was removed/),
    });
    expect(await cached(machine)).toEqual([]);
  });

  it("is never taken for whole when it was cut short", async () => {
    const machine = await emptyMachine();
    const { archive, sum } = await packRelease(machine);
    let cut = true;
    const { url } = await serve((response) => {
      response.setHeader("content-length", archive.length);
      if (!cut) response.end(archive);
      else response.write(archive.subarray(0, archive.length / 2), () => response.destroy());
    });
    await expect(downloadOnly(machine, url, sum)).rejects.toThrow(/download: /);
    expect(await cached(machine)).toEqual([]);
    cut = false;
    expect((await downloadOnly(machine, url, sum)).found.way).toBe("download");
  });

  it("is refused when the address answers anything but it", async () => {
    const machine = await emptyMachine();
    const { url } = await serve((response) => {
      response.statusCode = 404;
      response.end("no");
    });
    await expect(downloadOnly(machine, url, "0".repeat(64))).rejects.toThrow(/tar\.gz answered 404/);
  });

  it("goes into .cache of the project when it is the project we stand in", async () => {
    const machine = await emptyMachine();
    const { archive, sum } = await packRelease(machine);
    await writeFile(join(machine.root, "package.json"), '{ "name": "tidemark" }');
    const { url } = await serve((response) => response.end(archive));
    const { found } = await downloadOnly(machine, url, sum);
    expect(found).toMatchObject({ path: join(machine.root, ".cache/nats-server", NAME, "nats-server") });
  });

  it("is pinned for every platform it is offered on", () => {
    expect(Object.keys(OFFICIAL_RELEASE.sha256).sort()).toEqual([
      "darwin-amd64",
      "darwin-arm64",
      "linux-amd64",
      "linux-arm64",
    ]);
    for (const sum of Object.values(OFFICIAL_RELEASE.sha256)) expect(sum).toMatch(/^[0-9a-f]{64}$/);
  });
});
