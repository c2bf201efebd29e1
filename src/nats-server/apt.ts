/** The Debian package, for a root user on a machine where nothing else worked. */
import { askVersion, findExecutable, runToEnd, searchFolders } from "./executable.ts";
import { type Missing, missing, type ServerBinary } from "./outcome.ts";
import type { Surroundings } from "./surroundings.ts";

const APT_LIMIT_MS = 180_000;

/** Installs the package `nats-server` and finds the program it brought. */
export async function installDebianPackage(
  around: Surroundings,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<ServerBinary | Missing> {
  const folders = searchFolders(around);
  const apt = await findExecutable("apt-get", folders);
  if (apt === undefined) return missing("no apt-get on this machine");
  if (around.uid !== 0) return missing("apt-get needs root, and this process is not");

  say("nats-server: nothing else worked, so the Debian package is installed: apt-get install nats-server");
  const env = { ...around.env, DEBIAN_FRONTEND: "noninteractive" };
  const limits = { env, timeoutMs: APT_LIMIT_MS, signal };
  await runToEnd(apt, ["update"], limits);
  await runToEnd(apt, ["install", "-y", "--no-install-recommends", "nats-server"], limits);

  const path = await findExecutable("nats-server", folders);
  if (path === undefined)
    return missing(`apt-get succeeded but brought no nats-server to ${folders.join(", ")}`);
  return askVersion(path, signal);
}
