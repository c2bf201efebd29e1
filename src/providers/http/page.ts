/**
 * The page a person reads: one document that holds its own style and script and loads nothing but the stream of
 * its own host. Its policy names both by their digests, so that nothing else can run in it. There is nothing of
 * the host in it, so that it may be had without a token; what it shows comes by the stream.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Answer } from "./answer.ts";

const FOLDER = new URL("./page/", import.meta.url);

const STYLES = ["page.css", "tables.css"];
/** Each imports only from those before it, so that in the page they are one script, one below the other. */
const SCRIPTS = ["words.js", "tiles.js", "tables.js", "live.js"];

/** Reads the parts and puts them together. Rejects where the package is not whole. */
export async function readPage(): Promise<Answer> {
  const read = (name: string) => readFile(new URL(name, FOLDER), "utf8");
  const frame = await read("page.html");
  const style = (await Promise.all(STYLES.map(read))).join("\n");
  const script = (await Promise.all(SCRIPTS.map(read))).map(alone).join("\n");
  const body = frame
    .replace("<style></style>", () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`);
  const policy = [
    "default-src 'none'",
    `style-src '${digestOf(style)}'`,
    `script-src '${digestOf(script)}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    status: 200,
    type: "text/html; charset=utf-8",
    body,
    headers: {
      "content-security-policy": policy.join("; "),
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
    },
  };
}

/** A module without what it takes from others and gives to them, which in one script goes without saying. */
function alone(module: string): string {
  return module.replace(/^import [^;]*;\n/gm, "").replace(/^export (?=const |function |async )/gm, "");
}

function digestOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
