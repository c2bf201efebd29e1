/**
 * Builds the simulation with one mutant in it. The source is changed as it is read: nothing of it is in the
 * product, and the files stay as they are.
 */
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { type Mutant, mutated } from "./mutant.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SOURCE = join(ROOT, "src");

/** Where bundles go; gone when disposed of. */
export interface Workshop extends AsyncDisposable {
  readonly worker: string;
  /** Builds the simulation, with a mutant in it if one is given; returns the path of the bundle. */
  bundle(mutant?: Mutant): Promise<string>;
}

export async function openWorkshop(): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-mutants-"));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const worker = join(folder, "worker.mjs");
  await bundleOf("test/mutants/worker.ts", worker, []);
  return {
    worker,
    async bundle(mutant) {
      const path = join(folder, `${mutant?.name ?? "sound"}.mjs`);
      await bundleOf("test/simulation/simulate.ts", path, mutant === undefined ? [] : [infection(mutant)]);
      return path;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function bundleOf(entry: string, outfile: string, plugins: Plugin[]): Promise<void> {
  await build({
    entryPoints: [join(ROOT, entry)],
    absWorkingDir: ROOT,
    outfile,
    plugins,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    // Code that a mutant makes unreachable is meant to be.
    logLevel: "error",
  });
}

function infection({ name, edits }: Mutant): Plugin {
  return {
    name: "mutant",
    setup(builder) {
      const left = new Set(edits.map(({ file }) => file));
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = path.startsWith(SOURCE) ? path.slice(SOURCE.length + 1) : undefined;
        const own = edits.filter((edit) => edit.file === file);
        if (file === undefined || own.length === 0) return null;
        left.delete(file);
        return { contents: mutated(name, file, await readFile(path, "utf8"), own), loader: "ts" };
      });
      builder.onEnd(() => {
        if (left.size > 0) throw new Error(`mutant ${name}: the simulation does not use src/${[...left]}`);
      });
    },
  };
}
