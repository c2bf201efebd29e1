/**
 * `npm run bench -- <name>`: measures the built product. Every benchmark runs its peers beside us in the
 * same run and alternates them, since only ratios mean anything on a machine that does other things too.
 */
import { parseArgs } from "node:util";
import { environment, render, save } from "./rig/report.js";

const BENCHMARKS = {
  replication: {
    what: "writes per second, propagation and bytes on the wire, beside Redis, NATS KV and bare NATS",
    load: () => import("./replication/replication.js"),
  },
  codec: {
    what: "events encoded, decoded and kept, beside cbor-x",
    load: () => import("./codec.js"),
  },
  resp: {
    what: "the Redis protocol: requests per second, latency and idle connections, beside redis-server",
    parts: ["throughput", "replicated", "idle"],
    load: () => import("./resp/resp.js"),
  },
  join: {
    what: "a fresh host takes over a million entries, beside Redis's full resync and a NATS KV watch",
    load: () => import("./join/join.js"),
  },
  store: {
    what: "single operations, memory, hit ratios, stalls, expiry and scans, beside Map, lru-cache and others",
    parts: ["ops", "memory", "hits", "stall", "sweep", "scan"],
    load: () => import("./store/store.js"),
  },
  loader: {
    what: "bursts on cold keys, write-behind and hot keys, beside lru-cache fetch, bentocache and others",
    parts: ["burst", "updates", "hot"],
    load: () => import("./loader/loader.js"),
  },
};

const HELP = `Usage: npm run bench -- <name> [part...] [--quick] [--json]

Benchmarks:
${Object.entries(BENCHMARKS)
  .map(([name, { what, parts }]) => {
    const choice =
      parts === undefined ? "" : `\n${"".padEnd(16)}parts: ${parts.join(", ")}; all unless some are named`;
    return `  ${name.padEnd(14)}${what}${choice}`;
  })
  .join("\n")}

Options:
  --quick       one short repeat: shows that it runs, measures nothing
  --json        the results as JSON on standard output, and no tables
  --help        this text

Results go to bench/results/<name>.json, those of a part to <name>-<part>.json, and those of a --quick run to
<name>.local.json.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const [name, ...parts] = positionals;
if (values.help || name === undefined) {
  process.stdout.write(HELP);
} else if (
  !Object.hasOwn(BENCHMARKS, name) ||
  !parts.every((part) => BENCHMARKS[name].parts?.includes(part))
) {
  process.stderr.write(`There is no benchmark "${positionals.join(" ")}".\n\n${HELP}`);
  process.exitCode = 2;
} else {
  await run(name, parts, values);
}

async function run(name, parts, { quick, json }) {
  const say = (line) => process.stderr.write(`${line}\n`);
  const benchmark = await BENCHMARKS[name].load();
  const { tables, versions } = await benchmark.run({ quick, parts, say });
  const flags = quick ? ["--quick"] : [];
  const command = ["npm run bench --", name, ...parts, ...flags].join(" ");
  const results = { name, command, ...environment(), versions, tables };
  const file = await save(results, [name, ...parts].join("-") + (quick ? ".local" : ""));
  process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : render(results));
  say(`written to ${file}`);
}
