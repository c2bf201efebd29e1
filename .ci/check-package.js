#!/usr/bin/env node
/**
 * Whether what `npm pack` makes is what a user can use: it is installed into an empty project, every sub-path
 * of `exports` is imported and required, every command of `bin` asked for its help, and the types are
 * resolved by the compiler from ES modules and CommonJS alike. All names are read from package.json.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
const subPaths = Object.keys(manifest.exports);
const modules = subPaths.filter((subPath) => !subPath.endsWith(".json"));

/** Runs a program and returns what it wrote; what it wrote is shown where it fails. */
function run(cwd, program, ...args) {
  try {
    return execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}\n${error.stdout ?? ""}${error.stderr ?? ""}`, {
      cause: error,
    });
  }
}

function specifier(subPath) {
  return manifest.name + subPath.slice(1);
}

/** Packs the project and installs the result, with its dependencies only, into an empty project. */
function install(consumer) {
  run(project, "npm", "run", "--silent", "build");
  const packed = run(project, "npm", "pack", "--silent", "--pack-destination", consumer)
    .trim()
    .split("\n")
    .at(-1);
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  const quiet = ["--no-audit", "--no-fund", "--omit=dev", "--silent"];
  run(consumer, "npm", "install", "--prefer-offline", ...quiet, join(consumer, packed));
  return packed;
}

/** Every module gives the same names to `import` and to `require`, and some. */
function checkModules(consumer) {
  for (const subPath of subPaths) {
    const name = specifier(subPath);
    const isJson = !modules.includes(subPath);
    const attributes = isJson ? ', { with: { type: "json" } }' : "";
    const names = "console.log(JSON.stringify(Object.keys(found).sort()))";
    const imported = `const found = await import(${JSON.stringify(name)}${attributes}); ${names}`;
    const required = `const found = require(${JSON.stringify(name)}); ${names}`;
    const esm = run(consumer, process.execPath, "--input-type=module", "-e", imported);
    const cjs = run(consumer, process.execPath, "--no-warnings", "--input-type=commonjs", "-e", required);
    if (!isJson) assert.deepEqual(JSON.parse(cjs), JSON.parse(esm), `${name}: require and import differ`);
    assert.ok(JSON.parse(esm).length > 0, `${name} exports nothing`);
    console.log(`package: ${name} imported and required`);
  }
}

/** Every command answers `--help` from where npm puts it. */
function checkCommands(consumer) {
  for (const command of Object.keys(manifest.bin ?? {})) {
    const help = run(consumer, join(consumer, "node_modules", ".bin", command), "--help");
    assert.match(help, /usage/i, `${command} --help does not say how it is used`);
    console.log(`package: ${command} --help answered`);
  }
}

/** A host of the package serves its page, whose parts are no modules, and says which package metrics lack. */
async function checkHost(consumer) {
  const command = join(consumer, "node_modules", ".bin", manifest.name);
  const host = spawn(command, ["serve", "--resp", "off", "--http", "0", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = await once(createInterface({ input: host.stdout }), "line");
    const { url } = JSON.parse(line);
    const page = await (await fetch(url)).text();
    assert.ok(
      page.includes("prefers-color-scheme") && page.includes('fetch("events"'),
      "the page is not whole",
    );
    const metrics = await fetch(`${url}/metrics`);
    // It is there all the same where a folder above happens to hold it.
    if (!isInstalled(consumer, "prom-client")) {
      assert.equal(metrics.status, 501);
      assert.match((await metrics.json()).error, /prom-client/);
    } else assert.equal(metrics.status, 200);
    console.log("package: a host served its page, and knows whether it has the package that metrics take");
  } finally {
    host.kill();
  }
}

function isInstalled(consumer, name) {
  try {
    createRequire(join(consumer, "package.json")).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** The types of every module resolve from both kinds of file under both kinds of resolution. */
function checkTypes(consumer) {
  const lines = (importLine) =>
    modules.map((subPath, index) => importLine(specifier(subPath), `module${index}`));
  // A name the module cannot have: were its types not found, it would be `any` and this no error.
  const probes = modules.map((_, index) => `// @ts-expect-error\nmodule${index}.noSuchExport;`);
  const write = (file, importLine) =>
    writeFileSync(join(consumer, file), [...lines(importLine), ...probes, ""].join("\n"));
  write("consumer.mts", (name, as) => `import * as ${as} from "${name}";`);
  write("consumer.cts", (name, as) => `import ${as} = require("${name}");`);

  const tsc = join(project, "node_modules", "typescript", "bin", "tsc");
  for (const [moduleResolution, module] of [
    ["nodenext", "nodenext"],
    ["bundler", "preserve"],
  ]) {
    const compilerOptions = {
      ...{ module, moduleResolution, target: "es2023", lib: ["es2023", "esnext.disposable"] },
      ...{ strict: true, noEmit: true, skipLibCheck: false },
      ...{ types: ["node"], typeRoots: [join(project, "node_modules", "@types")] },
    };
    const config = { compilerOptions, files: ["consumer.mts", "consumer.cts"] };
    writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify(config));
    run(consumer, process.execPath, tsc, "-p", "tsconfig.json");
    console.log(`package: types resolve under ${moduleResolution} from ES modules and CommonJS`);
  }
}

const consumer = mkdtempSync(join(tmpdir(), "tidemark-consumer-"));
try {
  assert.deepEqual(
    subPaths.filter((subPath) => subPath.includes("*")),
    [],
    "a pattern in exports cannot be checked by name",
  );
  console.log(`package: ${install(consumer)} installed into an empty project`);
  checkModules(consumer);
  checkCommands(consumer);
  await checkHost(consumer);
  checkTypes(consumer);
} finally {
  rmSync(consumer, { recursive: true, force: true });
}
