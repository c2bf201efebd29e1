/** Runs what `docs/CLI.md` shows, in its order, and compares what is printed. Needs `npm run build`. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endWhatRuns, environment, MAIN, Served } from "./support/program.ts";

interface Example {
  readonly command: string;
  readonly prints: string;
}

const page = readFileSync(new URL("../../docs/CLI.md", import.meta.url), "utf8");
const examples = [...page.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block]) => examplesOf(block!));

function examplesOf(block: string): Example[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf("\n");
      return { command: part.slice(0, end), prints: part.slice(end + 1) };
    });
}

/** What is printed has to be what is shown, with anything in the place of `…`. */
function pattern(prints: string): RegExp {
  const parts = prints.split("…").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^\\n]*?")}$`);
}

endWhatRuns("with the file");
const folder = mkdtempSync(join(tmpdir(), "tidemark-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

let env: NodeJS.ProcessEnv = {};
beforeAll(async () => {
  const served = new Served(["--resp", "0", "--http", "0", "--node", "host-1"]);
  const url = await served.listening();
  const http = await served.listening();
  await served.next("ready");
  const program = join(folder, "tidemark");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
  chmodSync(program, 0o755);
  env = environment({
    TIDEMARK_URL: url,
    TIDEMARK_HTTP_URL: http,
    PATH: `${folder}${delimiter}${process.env.PATH}`,
  });
});

describe("docs/CLI.md", () => {
  it("shows commands", () => expect(examples.length).toBeGreaterThan(8));

  it.each(examples)("$command", ({ command, prints }) => {
    const { stdout } = spawnSync("sh", ["-c", `{ ${command}\n} 2>&1`], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
    expect(stdout).toMatch(pattern(prints));
  });
});
