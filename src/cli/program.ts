/**
 * The commands, their help, and what becomes of a failure: one line that holds a code and a sentence, and an
 * exit code. A stack is for those who ask for one with TIDEMARK_DEBUG.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError, Help } from "commander";
import { TidemarkError } from "../errors.ts";
import { addBench } from "./commands/bench.ts";
import { addDel } from "./commands/del.ts";
import { addDiff } from "./commands/diff.ts";
import { addDump } from "./commands/dump.ts";
import { addGet } from "./commands/get.ts";
import { addKeys } from "./commands/keys.ts";
import { addRestore } from "./commands/restore.ts";
import { addSet } from "./commands/set.ts";
import { addStatus } from "./commands/status.ts";
import { addWatch } from "./commands/watch.ts";
import { readConfig } from "./config-file.ts";
import { EXIT, exitCodeOf, failureText } from "./failure.ts";
import { addServeFlags, configFile, serveSettings } from "./flags.ts";

type Environment = Readonly<Record<string, string | undefined>>;

// Written by hand for 80 columns; commander wraps the rest to what the terminal has.
const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage. TIDEMARK_DEBUG=1 shows stacks.`;

const PROGRAM_HELP = `
Flags and examples of a command: tidemark <command> --help. Version: -v.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not there or not the same.
TIDEMARK_DEBUG=1 shows stacks.`;

/** Commands of people on a running host, in the order of the help. */
const ON_A_HOST = [
  addStatus,
  addWatch,
  addGet,
  addSet,
  addDel,
  addKeys,
  addDump,
  addRestore,
  addDiff,
  addBench,
];

const SERVE_EXAMPLES = `
The environment sets every flag (--max-entries: TIDEMARK_MAX_ENTRIES), as does
a configuration file (maxEntries); a flag goes before its variable, a variable
before the file. Names of the wasmCloud provider are taken as well: NATS_URL,
CLIENT_JWT with CLIENT_SEED, STATE_REPL_SUBJECT (the subject prefix),
REPLAY_HEARTBEAT_SECS (the heartbeat). Durations are milliseconds, or such as
250ms, 10s, 5m, 2h.

It serves the Redis protocol (redis-cli -p 7379; commands: docs/REDIS.md).
Its status page is http://127.0.0.1:7380/; it answers GET /healthz (it works),
/readyz (it has caught up), /status and /metrics (docs/HTTP.md).
SIGTERM and SIGINT end it: /readyz says 503, the host hands over what was
written and leaves, and the process exits with 0.

Examples:
  tidemark serve --nats nats://10.0.0.1:4222,nats://10.0.0.2:4222 --node a
  tidemark serve --nats nats://127.0.0.1:4222 --http 0 --json
  TIDEMARK_NATS=nats://n1:4222 tidemark serve --http 0.0.0.0:7380 --allow-remote
  tidemark serve --config /etc/tidemark.json
${EXIT_CODES}`;

const DEMO_EXAMPLES = `
It takes about ten seconds. A nats-server is found or fetched, in this order:
NATS_URL, NATS_SERVER_BIN, the PATH, Docker, the official release, apt. The one
of NATS_URL is not ours, so it is not killed.

Examples:
  tidemark demo                   prints what it did and measured, and ends
  tidemark demo --keep            leaves the hosts running until Ctrl-C
  tidemark demo --json | jq .     one JSON object a line
${EXIT_CODES}`;

/** Runs a command line and settles with its exit code. */
export async function run(args: readonly string[], env: Environment): Promise<number> {
  let code: number = EXIT.done;
  const program = buildProgram(env, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    // Commander has printed the help or the version; what was wrong is told as any other failure is.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    if (error instanceof CommanderError && error.code === "commander.help") return EXIT.usage;
    const json = args.includes("--json") || /^(1|true|yes|on)$/i.test(env.TIDEMARK_JSON ?? "");
    const failure = error instanceof CommanderError ? wrongUsage(error) : error;
    process.stderr.write(`${failureText(failure, { json, debug: isDebug(env) })}\n`);
    return exitCodeOf(failure);
  }
}

/** What Commander says of a command line, in one line and without its "error: ". */
function wrongUsage({ message }: CommanderError): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", message.replace(/^error: /, "").replaceAll("\n", " "));
}

function buildProgram(env: Environment, ended: (code: number) => void): Command {
  const program = new Command("tidemark")
    .description("A key-value store replicated over NATS: every host holds a full copy.")
    .version(version(), "-v, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show the help of a command")
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText("after", PROGRAM_HELP);
  // On one screen there is no room for what every program has; commands inherit what is configured here.
  program.configureHelp({
    visibleOptions: (command) => (command === program ? [] : new Help().visibleOptions(command)),
    visibleCommands: (command) =>
      new Help().visibleCommands(command).filter((each) => each.name() !== "help"),
  });
  addServeFlags(program.command("serve"))
    .description("Run a host until it is told to end.")
    .addHelpText("after", SERVE_EXAMPLES)
    .action(async (parsed: Record<string, string | boolean>) => {
      const file = configFile(parsed, env);
      const settings = serveSettings(parsed, env, file === undefined ? undefined : await readConfig(file));
      const { serve } = await import("./serve.ts");
      ended(await serve(settings));
    });
  program
    .command("demo")
    .description("See three hosts agree, whatever is killed.")
    .option("--keep", "leave the hosts running until Ctrl-C")
    .option("--json", "write JSON lines")
    .addHelpText("after", DEMO_EXAMPLES)
    .action(async ({ keep = false, json = false }: { keep?: boolean; json?: boolean }) => {
      const { demo } = await import("./demo.ts");
      ended(await demo({ keep, json }));
    });
  for (const add of ON_A_HOST) add(program, { env, ended });
  return program;
}

/** From the package that this file is part of, as source and as built. */
function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return String(manifest.version);
}

function isDebug({ TIDEMARK_DEBUG, DEBUG }: Environment): boolean {
  return Boolean(TIDEMARK_DEBUG || DEBUG);
}
