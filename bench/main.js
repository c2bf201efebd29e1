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
};

const HELP = `Usage: npm run bench -- <name> [--quick] [--json]

Benchmarks:
${Object.entries(BENCHMARKS)
  .map(([name, { what }]) => `  ${name.padEnd(14)}${what}`)
  .join("\n")}

Options:
  --quick       one short repeat: shows that it runs, measures nothing
  --json        the results as JSON on standard output, and no tables
  --help        this text

Results go to bench/results/<name>.json; those of a --quick run to bench/results/<name>.local.json.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const [name] = positionals;
if (values.help || name === undefined) {
  process.stdout.write(HELP);
} else if (!Object.hasOwn(BENCHMARKS, name) || positionals.length > 1) {
  process.stderr.write(`There is no benchmark "${positionals.join(" ")}".\n\n${HELP}`);
  process.exitCode = 2;
} else {
  await run(name, values);
}

async function run(name, { quick, json }) {
  const say = (line) => process.stderr.write(`${line}\n`);
  const benchmark = await BENCHMARKS[name].load();
  const { tables, versions } = await benchmark.run({ quick, say });
  const command = `npm run bench -- ${name}${quick ? " --quick" : ""}`;
  const results = { name, command, ...environment(), versions, tables };
  const file = await save(results, quick ? `${name}.local` : name);
  process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : render(results));
  say(`written to ${file}`);
}
