/** Writes `docs/config.schema.json` from the table of flags; a test holds the file against it. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { configSchema } from "../../src/cli/config-file.ts";

const FILE = new URL("../../docs/config.schema.json", import.meta.url);

/** The published schema. */
export function publishedSchema(): object {
  return JSON.parse(readFileSync(FILE, "utf8")) as object;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(FILE, `${JSON.stringify(configSchema(), null, 2)}\n`);
