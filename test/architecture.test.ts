/**
 * The house of `docs/ARCHITECTURE.md` as data, held against the import lines of `src/`: arrows go down,
 * each package and each clock has its place, no room is a junk drawer, no file outgrows a reader. The
 * rules are tried on planted offences too, because a check that never failed proves nothing.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface Room {
  readonly name: string;
  /** Files and folders under `src/`; the longest that fits a file says its room. */
  readonly paths: readonly string[];
  /** Names of rooms, or single files as `room/file.ts`. Its own room goes without saying. */
  readonly mayImport: readonly string[];
}

// Lowest first: a room may only name rooms above it in this list. A new room is a new line.
const GROUND = [
  "errors",
  "world",
  "causality",
  "arguments",
  "loader",
  "options",
  "crdt",
  "store",
  "log",
  "transport",
  "replication",
  "checkpoint",
];
const ROOMS: readonly Room[] = [
  { name: "errors", paths: ["errors.ts"], mayImport: [] },
  { name: "world", paths: ["world.ts"], mayImport: [] },
  { name: "causality", paths: ["causality"], mayImport: [] },
  { name: "arguments", paths: ["arguments.ts"], mayImport: ["errors"] },
  { name: "loader", paths: ["loader"], mayImport: ["arguments", "errors"] },
  { name: "options", paths: ["options.ts"], mayImport: ["loader", "arguments", "errors"] },
  { name: "crdt", paths: ["crdt"], mayImport: ["causality", "errors"] },
  { name: "store", paths: ["store"], mayImport: ["crdt", "causality", "errors"] },
  { name: "log", paths: ["log"], mayImport: ["crdt", "causality", "errors"] },
  { name: "transport", paths: ["transport"], mayImport: ["errors"] },
  {
    name: "replication",
    paths: ["replication"],
    mayImport: ["log", "crdt", "causality", "errors", "transport/transport.ts"],
  },
  {
    name: "checkpoint",
    paths: ["checkpoint"],
    mayImport: [
      "replication/image-codec.ts",
      "replication/frame.ts",
      "replication/state-sync.ts",
      "replication/node.ts",
      "replication/replication-event.ts",
      "causality",
      "errors",
    ],
  },
  {
    name: "hall",
    paths: [
      "host.ts",
      "commands.ts",
      "loading.ts",
      "loader-memory.ts",
      "fleet-loads.ts",
      "commits-due.ts",
      "commit-within.ts",
      "aftercare.ts",
      "loaded-values.ts",
      "orphan-loads.ts",
      "overtaken-loads.ts",
      "reads.ts",
      "writes.ts",
      "moves.ts",
      "write-ports.ts",
      "replica.ts",
      "upkeep.ts",
      "inspection.ts",
      "fleet-clock.ts",
      "present-keys.ts",
      "assurance.ts",
      "keeping.ts",
      "listeners.ts",
      "tidemark.ts",
      "watch.ts",
      "change-queue.ts",
      "status.ts",
    ],
    mayImport: GROUND,
  },
  { name: "upstream", paths: ["upstream"], mayImport: ["loader", "arguments", "errors"] },
  { name: "nats-server", paths: ["nats-server"], mayImport: ["errors"] },
  { name: "listening", paths: ["providers/listening"], mayImport: ["errors"] },
  {
    name: "http",
    paths: ["providers/http"],
    mayImport: ["listening", "tidemark.ts", "status.ts", "replication/replication-event.ts", "errors"],
  },
  {
    name: "resp",
    paths: ["providers/resp"],
    mayImport: ["listening", "tidemark.ts", "status.ts", "crdt/glob.ts", "errors"],
  },
  {
    name: "testing",
    paths: ["testing"],
    mayImport: [
      "hall",
      "errors",
      "arguments",
      "options",
      "world",
      "transport/memory.ts",
      "transport/memory-links.ts",
      "checkpoint/disk.ts",
    ],
  },
  {
    name: "cli",
    paths: ["cli"],
    mayImport: [
      "errors",
      "world",
      "arguments",
      "options",
      "log",
      "transport",
      "hall",
      "nats-server",
      "listening",
      "http",
      "resp",
      "testing",
    ],
  },
  { name: "index", paths: ["index.ts"], mayImport: [...GROUND, "hall"] },
];

/** Where each package of ours may be imported: prefixes of paths under `src/`. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  nats: ["transport/", "upstream/"],
  pg: ["upstream/"],
  "cassandra-driver": ["upstream/"],
  keyv: ["upstream/"],
  "@nats-io/transport-node": ["transport/"],
  "cbor-x": ["replication/", "loader/"],
  ulid: ["host.ts", "tidemark.ts", "testing/"],
  commander: ["cli/"],
  "prom-client": ["providers/http/"],
  ioredis: ["cli/client/"],
  testcontainers: ["nats-server/"],
};
/** No dependencies of ours: only for types, or loaded when they are there. */
const OPTIONAL = [
  "testcontainers",
  "pg",
  "cassandra-driver",
  "keyv",
  "prom-client",
  "@nats-io/transport-node",
];

/** Where the world may be touched; everyone else is handed a `World`. */
const WORLDLY = ["world.ts", "cli/", "transport/nats", "nats-server/", "providers/", "upstream/"];
const WORLD =
  /\b(Date\.now|Math\.random|performance\.now|process\.hrtime|setInterval|setTimeout|setImmediate)\b|\bnew Date\(\)/g;

/** The public faces; no other file only passes on what others export. */
const FACES = ["index.ts", "testing/index.ts"];
const JUNK_DRAWER = /(^|\/)(utils?|common|helpers?|types|core)\//;
const MOST_LINES = 400;

interface Import {
  readonly target: string;
  /** Whether loading the file loads the target: not for types, nor for `import()`. */
  readonly eager: boolean;
}

type Tree = ReadonlyMap<string, string>;

function withoutComments(source: string): string {
  const stringOrComment =
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return source.replace(stringOrComment, (_, text: string | undefined) => text ?? "");
}

function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  const imports: Import[] = [];
  for (const [, clause, target] of code.matchAll(
    /^\s*(?:import|export)\b([^;"']*?)\bfrom\s*["']([^"']+)["']/gm,
  )) {
    imports.push({ target: target!, eager: !/^\s*type\b(?!\s*(,|from))/.test(clause!) });
  }
  for (const [, target] of code.matchAll(/^\s*import\s*["']([^"']+)["']/gm)) {
    imports.push({ target: target!, eager: true });
  }
  for (const [, target] of code.matchAll(/\bimport\(\s*["']([^"']+)["']/g))
    imports.push({ target: target!, eager: false });
  return imports;
}

/** The path under `src/` that a relative import means. */
function resolved(from: string, target: string): string {
  return new URL(target, `file:///${from}`).pathname.slice(1);
}

const within = (path: string, place: string) => path === place || path.startsWith(`${place}/`);

function roomOf(path: string): Room | undefined {
  const fitting = ROOMS.flatMap((room) =>
    room.paths.filter((place) => within(path, place)).map((place) => ({ room, place })),
  );
  return fitting.sort((a, b) => b.place.length - a.place.length)[0]?.room;
}

function wrongImports(tree: Tree): string[] {
  const wrong: string[] = [];
  for (const [path, source] of tree) {
    const room = roomOf(path);
    if (room === undefined) wrong.push(`${path} belongs to no room: add it to ROOMS`);
    for (const { target, eager } of importsOf(source)) {
      if (target.startsWith("node:")) continue;
      if (eager && OPTIONAL.includes(target)) wrong.push(`${path} may load ${target} only where it is there`);
      if (!target.startsWith(".")) {
        const places = PACKAGES[target] ?? [];
        if (!places.some((place) => path.startsWith(place)))
          wrong.push(`${path} may not import the package ${target}`);
        continue;
      }
      const file = resolved(path, target);
      const other = roomOf(file);
      if (other === room || room === undefined) continue;
      if (
        other !== undefined &&
        room.mayImport.some((allowed) => allowed === other.name || within(file, allowed))
      )
        continue;
      wrong.push(`${path} may not import ${file}`);
    }
  }
  return wrong;
}

/** Circles of imports that are left when types are erased. */
function circles(tree: Tree): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(" -> "));
    if (start >= 0 || done.has(path)) return;
    for (const { target, eager } of importsOf(tree.get(path) ?? "")) {
      if (eager && target.startsWith(".")) visit(resolved(path, target), [...trail, path]);
    }
    done.add(path);
  };
  for (const path of tree.keys()) visit(path, []);
  return found;
}

function wrongShapes(tree: Tree): string[] {
  const wrong: string[] = [];
  for (const [path, source] of tree) {
    const code = withoutComments(source);
    const lines = source.split("\n").length - 1;
    if (lines > MOST_LINES) wrong.push(`${path} has ${lines} lines: split it by noun`);
    if (JUNK_DRAWER.test(path)) wrong.push(`${path} is in a junk drawer: a thing lives with its owner`);
    if (/^\s*export\s*\*/m.test(code)) wrong.push(`${path} exports *: list the names`);
    if (/(^|\/)index\.ts$/.test(path) && !FACES.includes(path))
      wrong.push(`${path} is a barrel: import the file itself`);
    if (WORLDLY.some((place) => path.startsWith(place))) continue;
    for (const [touched] of code.matchAll(WORLD))
      wrong.push(`${path} touches the world with ${touched}: take a World`);
  }
  return wrong;
}

function readTree(): Tree {
  const root = new URL("../src/", import.meta.url);
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  return new Map(names.sort().map((name) => [name, readFileSync(new URL(name, root), "utf8")]));
}

describe("the house", () => {
  const tree = readTree();

  it("is there", () => {
    expect(tree.size).toBeGreaterThan(10);
  });

  it("has arrows that only go down, and packages where they belong", () => {
    expect(wrongImports(tree)).toEqual([]);
  });

  it("has no circles", () => {
    expect(circles(tree)).toEqual([]);
  });

  it("has small rooms, no junk drawers, no barrels, one door to the world", () => {
    expect(wrongShapes(tree)).toEqual([]);
  });
});

describe("the table", () => {
  it("names only rooms below, so that it has no circle itself", () => {
    const known = new Set<string>();
    for (const { name, mayImport } of ROOMS) {
      for (const allowed of mayImport) {
        const below = allowed.includes(".ts") ? roomOf(allowed)!.name : allowed;
        expect(known, `${name} may import ${allowed}`).toContain(below);
      }
      known.add(name);
    }
  });
});

describe("the rules", () => {
  const plant = (path: string, source: string, ...more: [string, string][]): Tree =>
    new Map([[path, source], ...more]);

  it.each<[path: string, source: string]>([
    ["crdt/a.ts", `import { Store } from "../store/store.ts";`],
    ["crdt/a.ts", `import type { Store } from "../store/store.ts";`],
    ["crdt/a.ts", `import {\n  type Store,\n} from "../store/store.ts";`],
    ["crdt/a.ts", `export { Store } from "../store/store.ts";`],
    ["crdt/a.ts", `const store = await import("../store/store.ts");`],
    ["crdt/a.ts", `import "../store/store.ts";`],
    ["crdt/a.ts", `import { open } from "../index.ts";`],
    ["store/a.ts", `import { a } from "../log/event-log.ts";`],
    ["replication/a.ts", `import { a } from "../transport/memory.ts";`],
    ["providers/http/a.ts", `import { a } from "../../host.ts";`],
    ["cli/a.ts", `import { a } from "../store/store.ts";`],
    ["replication/a.ts", `import { connect } from "nats";`],
    ["host.ts", `import { encode } from "cbor-x";`],
    ["crdt/a.ts", `import { ulid } from "ulid";`],
    ["host.ts", `import lodash from "lodash";`],
    ["nats-server/a.ts", `import { GenericContainer } from "testcontainers";`],
    ["misc/a.ts", ""],
    ["providers/wasmcloud/a.ts", ""],
  ])("refuse the imports of %s: %s", (path, source) => {
    expect(wrongImports(plant(path, source))).toHaveLength(1);
  });

  it.each<[path: string, source: string]>([
    ["crdt/a.ts", `import { b } from "./b.ts";\nimport type { Dot } from "../causality/dot.ts";`],
    ["crdt/a.ts", `// import { Store } from "../store/store.ts";\n/*\nimport "nats";\n*/`],
    [
      "replication/a.ts",
      `import type { Transport } from "../transport/transport.ts";\nimport { encode } from "cbor-x";`,
    ],
    ["transport/nats.ts", `import { connect } from "nats";\nimport { hostname } from "node:os";`],
    ["nats-server/a.ts", `import type { A } from "testcontainers";\nawait import("testcontainers");`],
    ["providers/http/a.ts", `import type { Status } from "../../status.ts";`],
  ])("let the imports of %s pass: %s", (path, source) => {
    expect(wrongImports(plant(path, source))).toEqual([]);
  });

  it("find circles of values, not of types", () => {
    const back = (line: string) => plant("crdt/a.ts", `import { b } from "./b.ts";`, ["crdt/b.ts", line]);
    expect(circles(back(`import { a } from "./a.ts";`))).toEqual(["crdt/a.ts -> crdt/b.ts -> crdt/a.ts"]);
    expect(circles(back(`import type { A } from "./a.ts";`))).toEqual([]);
  });

  it.each<[path: string, source: string]>([
    ["crdt/a.ts", "x;\n".repeat(MOST_LINES + 1)],
    ["crdt/utils/a.ts", ""],
    ["types/a.ts", ""],
    ["index.ts", `export * from "./tidemark.ts";`],
    ["crdt/index.ts", ""],
    ["host.ts", "const at = Date.now();"],
    ["watch.ts", "setTimeout(run, 1);"],
    ["testing/a.ts", "const draw = Math.random;"],
    ["store/a.ts", "const at = new Date();"],
  ])("refuse the shape of %s: %.40s", (path, source) => {
    expect(wrongShapes(plant(path, source))).toHaveLength(1);
  });

  it.each<[path: string, source: string]>([
    ["crdt/a.ts", "x;\n".repeat(MOST_LINES)],
    ["world.ts", "now: Date.now"],
    ["transport/nats-connect.ts", "setTimeout(run, 1);"],
    ["store/a.ts", "// never Date.now()"],
    ["store/a.ts", `const url = "nats://a"; const at = new Date(stamp);`],
    ["index.ts", `export { open } from "./tidemark.ts";`],
  ])("let the shape of %s pass: %.40s", (path, source) => {
    expect(wrongShapes(plant(path, source))).toEqual([]);
  });
});
