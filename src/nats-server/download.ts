/**
 * The official release, fetched once into a cache of our own. The archive is written under a temporary name,
 * checked against the pinned SHA-256 before it is unpacked, and the program is moved to its final name last:
 * a download cut short or tampered with is removed and never taken for a nats-server. Needs the `tar` program.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { askVersion, runToEnd } from "./executable.ts";
import { type Missing, missing, type ServerBinary } from "./outcome.ts";
import type { Surroundings } from "./surroundings.ts";

const DOWNLOAD_LIMIT_MS = 180_000;
const UNPACK_LIMIT_MS = 30_000;
/** Several times the size of a release archive, so that a wrong address cannot fill the disk. */
export const ARCHIVE_LIMIT_BYTES = 64 * 1024 * 1024;

/** The pinned release from the cache or, the first time, from the network. */
export async function downloadServer(
  around: Surroundings,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<ServerBinary | Missing> {
  const { version, sha256 } = around.release;
  const platform = `${around.platform}-${around.arch === "x64" ? "amd64" : around.arch}`;
  const expected = sha256[platform];
  if (expected === undefined) return missing(`no release of ${version} is pinned for ${platform}`);

  const name = `nats-server-v${version}-${platform}`;
  const path = join(await cacheFolder(around), "nats-server", name, "nats-server");
  const cached = await askVersion(path, signal);
  if (cached.kind === "binary") return cached;

  const base = around.env.NATS_SERVER_DOWNLOAD_URL || around.release.baseUrl;
  const url = `${base.replace(/\/+$/, "")}/v${version}/${name}.tar.gz`;
  say(`nats-server: fetching ${url} into ${dirname(path)}`);
  const limit = AbortSignal.timeout(DOWNLOAD_LIMIT_MS);
  await install({
    url,
    expected,
    name,
    path,
    env: around.env,
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
  });
  return askVersion(path, signal);
}

interface Installation {
  readonly url: string;
  readonly expected: string;
  readonly name: string;
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

async function install(want: Installation): Promise<void> {
  await mkdir(dirname(want.path), { recursive: true });
  const workspace = await mkdtemp(`${want.path}.partial-`);
  try {
    const archive = join(workspace, "release.tar.gz");
    const actual = await fetchInto(archive, want.url, want.signal);
    if (actual !== want.expected) {
      throw new Error(`${want.url} has SHA-256 ${actual}, expected ${want.expected}; it was removed`);
    }
    const member = `${want.name}/nats-server`;
    await runToEnd("tar", ["-xzf", archive, "-C", workspace, member], {
      env: want.env,
      timeoutMs: UNPACK_LIMIT_MS,
      signal: want.signal,
    });
    await chmod(join(workspace, member), 0o755);
    await rename(join(workspace, member), want.path);
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

/** Writes what the address answers to a file and returns its SHA-256. */
async function fetchInto(file: string, url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal });
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`);
  const hash = createHash("sha256");
  let size = 0;
  await pipeline(
    response.body,
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        size += chunk.byteLength;
        if (size > ARCHIVE_LIMIT_BYTES) throw new Error(`${url} is larger than ${ARCHIVE_LIMIT_BYTES} bytes`);
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(file),
    { signal },
  );
  return hash.digest("hex");
}

/** `.cache/` of the project when we stand in it, otherwise the user's own cache. */
async function cacheFolder(around: Surroundings): Promise<string> {
  if (await standsInProject(around.cwd)) return join(around.cwd, ".cache");
  if (around.env.XDG_CACHE_HOME) return join(around.env.XDG_CACHE_HOME, "tidemark");
  return join(around.home, around.platform === "darwin" ? "Library/Caches" : ".cache", "tidemark");
}

async function standsInProject(cwd: string): Promise<boolean> {
  try {
    const manifest: unknown = JSON.parse(await readFile(join(cwd, "package.json"), "utf8"));
    return (
      typeof manifest === "object" && manifest !== null && "name" in manifest && manifest.name === "tidemark"
    );
  } catch {
    // No package.json, or none that can be read: then it is not the project.
    return false;
  }
}
