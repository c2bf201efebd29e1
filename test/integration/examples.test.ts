import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { natsServerForTests } from "./support/nats.ts";

const server = await natsServerForTests();
const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));

describe.skipIf(server === undefined)("the examples", () => {
  it("run the README's first program, as a user of the package would", async () => {
    // The package imports itself by name, which resolves to what was built.
    const { stdout } = await run(process.execPath, ["--import", "tsx", "examples/first.ts"], {
      cwd: root,
      env: { ...process.env, NATS_URL: server!.url },
    });
    expect(stdout.trim().split("\n")).toEqual(["hello 2 [ 'ada', 'grace' ]", "same data: true"]);
  });
});
