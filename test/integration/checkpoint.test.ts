/** A process that is killed while it writes a checkpoint finds a whole one at its next start. Needs `npm run build`. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { open } from "../../src/tidemark.ts";

const LIBRARY = new URL("../../dist/index.js", import.meta.url).href;
const KILLS = 6;

/** Writes key after key, with a checkpoint every 100 ms, and tells what it found and what it has kept. */
const WRITER = `
  import { open } from ${JSON.stringify(LIBRARY)};
  const kv = await open({ checkpoint: { path: process.argv[1], every: 100 } });
  let next = kv.size;
  console.log("found " + next);
  kv.on("replication", (batch) => {
    for (const { type } of batch) if (type === "checkpoint") console.log("kept");
  });
  setInterval(() => {
    for (let i = 0; i < 400; i++, next++) kv.set("key-" + next, "x".repeat(200));
  }, 5);
`;

const running = new Set<ChildProcess>();
const folders: string[] = [];
afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "tidemark-checkpoint-"));
  folders.push(made);
  return made;
}

/** Runs the writer until it has kept something, and so many milliseconds longer. Resolves to what it found. */
async function writeAndKill(path: string, afterMs: number): Promise<number> {
  const args = ["--input-type=module", "-e", WRITER, path];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  let found = -1;
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith("found ")) found = Number(line.slice(6));
    else break;
  }
  await delay(afterMs);
  child.kill("SIGKILL");
  await once(child, "exit");
  running.delete(child);
  return found;
}

describe("a process killed while it writes a checkpoint", () => {
  it("finds at its next start all it had written up to some moment, and nothing after it", async () => {
    const path = join(await folder(), "kept");
    let before = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const found = await writeAndKill(path, 37 * kill);
      expect(found).toBeGreaterThanOrEqual(before);
      before = found;
      const kv = await open({ checkpoint: { path, every: "1h" } });
      const { refused, loadedEvents } = kv.status().checkpoint!;
      expect([refused, loadedEvents]).toEqual([undefined, kv.size]);
      expect(kv.size).toBeGreaterThan(before);
      for (let i = 0; i < kv.size; i++)
        if (!kv.has(`key-${i}`)) expect.fail(`key-${i} of ${kv.size} is not there`);
      await kv.close();
      // Unfinished ones are gone with the start.
      expect(await readdir(join(path, ".."))).toEqual(["kept"]);
    }
  }, 120_000);

  it("is told what is wrong with a folder that is not there, and closes with that", async () => {
    const path = join(await folder(), "nowhere", "kept");
    const kv = await open({ checkpoint: { path, every: 100 } });
    kv.set("key", "v");
    await delay(400);
    const { error, failures } = kv.status().checkpoint!;
    expect(error).toMatchObject({
      code: "CHECKPOINT_FAILED",
      message: expect.stringContaining("make the folder"),
    });
    expect(failures).toBeGreaterThan(0);
    await expect(kv.close()).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });
  });
});
