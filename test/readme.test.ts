import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";

const root = new URL("../", import.meta.url);

describe("the README", () => {
  it("shows the first program as it is, which an integration test runs", async () => {
    const readme = await readFile(new URL("README.md", root), "utf8");
    const program = await readFile(new URL("examples/first.ts", root), "utf8");
    expect(readme).toContain(`\`\`\`ts\n${program}\`\`\``);
    expect(program.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(15);
  });

  it("names only scripts and files that exist", async () => {
    const readme = await readFile(new URL("README.md", root), "utf8");
    const { scripts } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
    for (const [, script] of readme.matchAll(/npm run ([\w:]+)/g))
      expect(Object.keys(scripts)).toContain(script);
    for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      await expect(readFile(new URL(path!, root)), path).resolves.toBeDefined();
    }
  });
});
