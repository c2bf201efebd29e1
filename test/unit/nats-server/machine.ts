/** A machine made up for the search: its own PATH, cache and release, and none of the real one's. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { Surroundings } from "../../../src/nats-server/surroundings.ts";

export interface Machine extends Surroundings {
  readonly root: string;
  readonly bin: string;
}

/** A machine with nothing on it; `given` adds to it. */
export async function emptyMachine(given: Partial<Surroundings> = {}): Promise<Machine> {
  const root = await mkdtemp(join(tmpdir(), "tidemark-machine-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const bin = join(root, "bin");
  await mkdir(bin);
  return {
    root,
    bin,
    cwd: root,
    home: join(root, "home"),
    platform: "linux",
    arch: "x64",
    uid: 1000,
    sbin: [],
    release: { baseUrl: "http://127.0.0.1:1", version: "7.7.7", sha256: {} },
    ...given,
    env: { PATH: bin, DOCKER_HOST: `unix://${root}/no-docker.sock`, ...given.env },
  };
}

/** A program that answers `--version` as a nats-server does. */
export async function putServer(path: string, version: string): Promise<void> {
  await putScript(path, `echo "nats-server: v${version}"`);
}

/** An executable shell script. */
export async function putScript(path: string, body: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}

/** Makes the system's own tar and what it unpacks with reachable by the machine's PATH. */
export function pathWithTar(machine: Machine): string {
  return [machine.bin, "/usr/bin", "/bin"].join(delimiter);
}

/** A server that greets as given and nothing more; returns its port. */
export async function greeter(greeting: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(greeting);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
