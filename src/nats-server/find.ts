/**
 * Where a nats-server comes from. The ways are tried in a fixed order and whichever is taken is said aloud,
 * so that a demo, a test run or a benchmark never leaves in doubt what it ran against:
 *
 * 1. `NATS_URL`: a server that already runs
 * 2. `NATS_SERVER_BIN`: a program named outright
 * 3. `nats-server` on the PATH
 * 4. a Docker engine, through `testcontainers`
 * 5. the official release, fetched once and checked (`download.ts`)
 * 6. the Debian package, where this process may install it
 *
 * A way that was asked for and fails is said aloud too, and the next is tried.
 */
import { TidemarkError } from "../errors.ts";
import { installDebianPackage } from "./apt.ts";
import { findImage } from "./docker.ts";
import { downloadServer } from "./download.ts";
import { askVersion, findExecutable, searchFolders } from "./executable.ts";
import {
  type Missing,
  missing,
  NOT_SET,
  type RunningServer,
  reasonOf,
  type ServerBinary,
  type ServerImage,
  WAYS,
  type Way,
} from "./outcome.ts";
import { readInfo } from "./ready.ts";
import { type Surroundings, surroundings } from "./surroundings.ts";

/** What a search is for, and on which machine; everything but `say` has a default. */
export interface FindOptions extends Partial<Surroundings> {
  /** Told, line by line, which way was taken and which failed. */
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Only these ways, still in the fixed order. */
  readonly ways?: readonly Way[] | undefined;
  /** The server must offer JetStream; a running one that does not is passed over. */
  readonly jetstream?: boolean | undefined;
  /** The server must be ours to configure, so one that already runs is passed over. */
  readonly own?: boolean | undefined;
}

/** A nats-server, by the way it was come by. */
export type FoundNatsServer = (RunningServer | ServerBinary | ServerImage) & { readonly way: Way };

type Look = (around: Surroundings, options: FindOptions) => Promise<FoundNatsServer | Missing>;

/** Finds a nats-server, or throws one `NATS_SERVER_NOT_FOUND` that says why each way failed. */
export async function findNatsServer(options: FindOptions): Promise<FoundNatsServer> {
  const around = surroundings(options);
  const failures: string[] = [];
  for (const way of WAYS) {
    const outcome = await lookAlong(way, around, options);
    if (outcome.kind !== "missing") {
      options.say(`nats-server: ${describe(outcome)}`);
      return outcome;
    }
    failures.push(`  ${failures.length + 1}. ${way}: ${outcome.reason}`);
    if (outcome.reason !== NOT_SET && isWanted(way, options)) {
      options.say(`nats-server: not by ${way}: ${outcome.reason}`);
    }
  }
  throw new TidemarkError(
    "NATS_SERVER_NOT_FOUND",
    [
      "no nats-server could be found or fetched; tried, in this order:",
      ...failures,
      "Install nats-server, or set NATS_SERVER_BIN to one, or NATS_URL to a server that runs.",
    ].join("\n"),
  );
}

async function lookAlong(
  way: Way,
  around: Surroundings,
  options: FindOptions,
): Promise<FoundNatsServer | Missing> {
  options.signal?.throwIfAborted();
  if (!isWanted(way, options)) return missing("not among the ways asked for");
  try {
    return await LOOKS[way](around, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    return missing(reasonOf(error));
  }
}

function isWanted(way: Way, options: FindOptions): boolean {
  return options.ways === undefined || options.ways.includes(way);
}

const LOOKS: Readonly<Record<Way, Look>> = {
  NATS_URL: async (around, options) => by("NATS_URL", await findRunning(around, options)),
  NATS_SERVER_BIN: async (around, { signal }) => {
    const path = around.env.NATS_SERVER_BIN;
    return path ? by("NATS_SERVER_BIN", await askVersion(path, signal)) : missing(NOT_SET);
  },
  PATH: async (around, { signal }) => {
    const folders = searchFolders(around);
    const path = await findExecutable("nats-server", folders);
    if (path === undefined) return missing(`no nats-server in ${folders.join(", ") || "an empty PATH"}`);
    return by("PATH", await askVersion(path, signal));
  },
  docker: async (around, { say, signal }) => by("docker", await findImage(around, say, signal)),
  download: async (around, { say, signal }) => by("download", await downloadServer(around, say, signal)),
  apt: async (around, { say, signal }) => by("apt", await installDebianPackage(around, say, signal)),
};

function by(
  way: Way,
  outcome: RunningServer | ServerBinary | ServerImage | Missing,
): FoundNatsServer | Missing {
  return outcome.kind === "missing" ? outcome : { ...outcome, way };
}

async function findRunning(around: Surroundings, options: FindOptions): Promise<RunningServer | Missing> {
  const url = around.env.NATS_URL;
  if (!url) return missing(NOT_SET);
  if (options.own)
    return missing("a running server cannot be given the port or the configuration needed here");
  const { host, port } = addressOf(url);
  const info = await readInfo({ host, port, timeoutMs: 2_000 });
  if (options.jetstream && !info.jetstream) return missing(`${host}:${port} has no JetStream`);
  return { kind: "running", url, version: info.version };
}

/** Host and port of the first server of a NATS URL. */
export function addressOf(url: string): { host: string; port: number } {
  const first = url.split(",")[0]?.trim() ?? "";
  const parsed = new URL(first.includes("://") ? first : `nats://${first}`);
  return { host: parsed.hostname.replace(/^\[|\]$/g, ""), port: Number(parsed.port || 4222) };
}

// Says where from and never the credentials a NATS_URL may carry.
function describe(found: FoundNatsServer): string {
  switch (found.kind) {
    case "running": {
      const { host, port } = addressOf(found.url);
      return `using the server of NATS_URL at ${host}:${port}, version ${found.version}; it is not ours to restart`;
    }
    case "binary":
      return `using ${found.path}, version ${found.version}, by ${found.way}`;
    case "image":
      return `using the image ${found.image} on the Docker engine`;
    default:
      return found satisfies never;
  }
}
