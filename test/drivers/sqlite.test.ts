/** The SQLite driver on a file. */

import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sqlite } from "../../src/upstream/sqlite.ts";
import { objects, upstreamConformance } from "../conformance/upstream.ts";
import { missing } from "./missing.ts";

const require = createRequire(import.meta.url);
const there = ["node:sqlite", "better-sqlite3"].some((name) => {
  try {
    require(name);
    return true;
  } catch {
    return false;
  }
});
if (!there) missing(`Node ${process.version} has no node:sqlite, and better-sqlite3 is not installed`);
const { signal } = new AbortController();

async function inFolder(codec = false) {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-sqlite-"));
  const file = join(directory, "rows.db");
  return {
    create: () => (codec ? sqlite({ file, codec: objects }) : sqlite({ file })),
    dispose: () => rm(directory, { recursive: true, force: true }),
  };
}

describe.skipIf(!there)("with SQLite", () => {
  upstreamConformance("sqlite", () => inFolder());
  upstreamConformance("sqlite with a codec", () => inFolder(true));

  it("keeps its rows in the file", async () => {
    const { create, dispose } = await inFolder();
    const first = create();
    const order = { key: "k", stamp: 1, origin: "A" };
    await first.commit!([{ type: "put", value: "1", expiresAt: Number.POSITIVE_INFINITY, ...order }], {
      signal,
    });
    await first.close?.();
    const second = create();
    expect(await second.load("k", { signal })).toMatchObject({ value: "1" });
    await second.close?.();
    await dispose();
  });
});

describe.skipIf(there)("without SQLite", () => {
  it("says what to install", async () => {
    const upstream = sqlite({ file: ":memory:" });
    await expect(Promise.resolve(upstream.load("k", { signal }))).rejects.toMatchObject({
      code: "MISSING_PACKAGE",
      message: expect.stringContaining("npm install better-sqlite3@12"),
    });
  });
});
