/**
 * What the search for a nats-server reads of the machine, as one argument, so that a test can search a
 * machine that is not this one.
 */
import { homedir } from "node:os";
import { OFFICIAL_RELEASE, type Release } from "./release.ts";

/** The machine as the search sees it. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly home: string;
  readonly platform: string;
  readonly arch: string;
  /** The user's number; undefined where the system has none. */
  readonly uid: number | undefined;
  /** Looked in after the PATH: Debian installs servers where an ordinary user's PATH does not reach. */
  readonly sbin: readonly string[];
  readonly release: Release;
}

/** This process's surroundings, with what the caller gives in their place. */
export function surroundings(given: Partial<Surroundings> = {}): Surroundings {
  return {
    env: given.env ?? process.env,
    cwd: given.cwd ?? process.cwd(),
    home: given.home ?? homedir(),
    platform: given.platform ?? process.platform,
    arch: given.arch ?? process.arch,
    uid: "uid" in given ? given.uid : process.getuid?.(),
    sbin: given.sbin ?? ["/usr/sbin", "/usr/local/sbin"],
    release: given.release ?? OFFICIAL_RELEASE,
  };
}
