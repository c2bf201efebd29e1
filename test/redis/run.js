/**
 * Redis 7.0's own tests against `tidemark serve`: `npm run test:redis -- [unit...]`. They come from Debian's source
 * package of redis, or from the folder that TIDEMARK_REDIS_SOURCE names; `suite.json` says which units are run
 * and which of their tests are not, with the reason. Each unit has a fresh host, since some leave settings behind.
 * Ends with a line that counts. Needs `npm run build`, tclsh, and apt-get where the sources have to be fetched.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify, stripVTControlCharacters } from "node:util";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SUITE = JSON.parse(await readFile(new URL("suite.json", import.meta.url), "utf8"));
const SOURCES = ["bookworm", "bookworm-updates"];
const VERSION = /^redis_7\.0\.\d+\.orig\.tar\.gz$/;
/** Most of the time is one client waiting for one reply. */
const AT_ONCE = 2;
/** The suite's own processes find each other by ports from here on, and look for free ones at the same time. */
const FIRST_PORT = 21_111;
const UNIT_LIMIT_MS = 100_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: "boolean", default: false } },
});

const work = await mkdtemp(join(tmpdir(), "tidemark-redis-tests-"));
let code = 1;
try {
  code = await main();
} finally {
  await rm(work, { recursive: true, force: true });
}
process.exitCode = code;

async function main() {
  if (!existsSync(MAIN)) throw new Error("dist/ is not there: npm run build");
  const source = process.env.TIDEMARK_REDIS_SOURCE ?? (await fetchSource());
  const units = positionals.length > 0 ? positionals : SUITE.units;
  const total = { passed: 0, failed: 0, skipped: 0 };
  const waiting = [...units];
  const worker = async (place) => {
    for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift()) {
      const startedAt = performance.now();
      const { passed, failed, skipped } = await runUnit(source, unit, place);
      total.passed += passed;
      total.failed += failed;
      total.skipped += skipped;
      const seconds = Math.round((performance.now() - startedAt) / 1_000);
      console.log(`${unit}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, place) => worker(place)));
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

/** Debian's source package of redis, by lists of our own: the machine's stay as they are. */
async function fetchSource() {
  const lists = join(work, "lists");
  await mkdir(join(lists, "partial"), { recursive: true });
  const sources = join(work, "sources.list");
  const lines = SOURCES.map((suite) => `deb-src http://deb.debian.org/debian ${suite} main`);
  await writeFile(
    sources,
    `${lines.join("\n")}\ndeb-src http://deb.debian.org/debian-security bookworm-security main\n`,
  );
  const places = {
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": lists,
  };
  const options = Object.entries(places).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await run("apt-get", ["-qq", ...options, "update"], { cwd: work });
  await run("apt-get", ["-qq", ...options, "source", "--download-only", "redis"], { cwd: work });
  const archive = (await readdir(work)).find((name) => VERSION.test(name));
  if (archive === undefined) throw new Error("Debian's source package of redis 7.0 was not fetched");
  await run("tar", ["-xf", archive], { cwd: work });
  return join(
    work,
    (await readdir(work)).find((name) => /^redis-7\.0\.\d+$/.test(name)),
  );
}

/** What is left out of a unit, by name. */
function skippedIn(unit) {
  return SUITE.skipped.flatMap(({ tests }) => tests[unit] ?? []);
}

async function runUnit(source, unit, place) {
  const host = await startHost();
  const skipFile = join(work, `skipped-${unit.replaceAll("/", "-")}`);
  const expected = new Set(skippedIn(unit));
  await writeFile(skipFile, [...expected].join("\n"));
  const args = ["tests/test_helper.tcl", "--host", "127.0.0.1", "--port", String(host.port), "--singledb"];
  const options = [
    "--durable",
    "--ignore-digest",
    "--skipfile",
    skipFile,
    "--tags",
    "-needs:debug",
    "--single",
    unit,
    "--baseport",
    String(FIRST_PORT + (process.pid % 50) * 200 + place * 100),
  ];
  const child = spawn("tclsh", [...args, ...options], { cwd: source, stdio: ["ignore", "pipe", "pipe"] });
  const limit = setTimeout(() => child.kill("SIGKILL"), UNIT_LIMIT_MS);
  const result = { passed: 0, failed: 0, skipped: 0 };
  const seen = new Set();
  let summary = false;
  let finished = false;
  const said = [];
  for await (const raw of createInterface({ input: child.stdout })) {
    const line = stripVTControlCharacters(raw);
    said.push(line);
    if (values.verbose) console.log(line);
    // Behind it the failures are told a second time.
    if (line.includes("The End")) summary = true;
    if (line.includes(`done]: ${unit}`)) finished = true;
    if (summary) continue;
    const [, kind, name = ""] = /^\[(ok|err|exception|skip|ignore)\]: (.*)/.exec(line) ?? [];
    if (kind === "ok") result.passed++;
    else if (kind === "err" || kind === "exception") {
      result.failed++;
      console.log(`  ${line}`);
    } else if (kind === "skip") {
      seen.add(name);
      result.skipped++;
    } else if (kind === "ignore") result.skipped++;
  }
  clearTimeout(limit);
  await host.end();
  // A unit that ended half-way, or a name that no test has, must not pass for a success.
  const unknown = [...expected].filter((name) => !seen.has(name));
  if (!finished) console.log(`  ${unit} did not end:\n${said.slice(-20).join("\n")}`);
  if (unknown.length > 0) console.log(`  ${unit} has no such tests to skip: ${unknown.join("; ")}`);
  result.failed += (finished ? 0 : 1) + unknown.length;
  return result;
}

async function startHost() {
  const args = [MAIN, "serve", "--json", "--http", "off", "--resp", "0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, port } = JSON.parse(line);
    if (event !== "listening") continue;
    const end = async () => {
      child.kill("SIGTERM");
      await exit;
    };
    return { port, end };
  }
  throw new Error("the host did not start");
}
