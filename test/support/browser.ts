/** A Chromium of this machine, without a window. */
import { type Browser, chromium } from "playwright-core";
import { findExecutable, searchFolders } from "../../src/nats-server/executable.ts";
import { surroundings } from "../../src/nats-server/surroundings.ts";

/** As Debian and others call it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const START_LIMIT_MS = 20_000;

/** Starts one; `undefined` where it is not installed. */
export async function startBrowser(): Promise<Browser | undefined> {
  for (const name of NAMES) {
    const executablePath = await findExecutable(name, searchFolders(surroundings()));
    if (executablePath === undefined) continue;
    // Containers tend to have too little of what it would use.
    const args = ["--disable-dev-shm-usage"];
    return chromium.launch({ executablePath, args, timeout: START_LIMIT_MS });
  }
  return undefined;
}
