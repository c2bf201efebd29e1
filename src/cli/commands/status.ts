/** `tidemark status`: where a host stands, once or kept on the screen. */
import { setTimeout as delay } from "node:timers/promises";
import { type Command, Option } from "commander";
import { TidemarkError } from "../../errors.ts";
import { getJson } from "../client/http-client.ts";
import {
  addHttpFlags,
  HTTP_HELP,
  type HttpFlags,
  type HttpTarget,
  httpTarget,
} from "../client/http-target.ts";
import { durationOf } from "../client/resp-target.ts";
import { EXIT, failureText } from "../failure.ts";
import { write, writeJson } from "../output.ts";
import { type Surroundings, wantsJson } from "./command.ts";
import { isReady, statusLines, type ToldStatus } from "./status-report.ts";

interface StatusFlags extends HttpFlags {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly every?: string;
}

const DEFAULT_EVERY = "1s";
const LEAST_EVERY_MS = 100;
/** To the upper left corner, and from there to the end of the screen. */
const [HOME, CLEAR_LINE, CLEAR_BELOW] = ["\x1b[H", "\x1b[K", "\x1b[J"];

const HELP = `
It ends with 0 where the host is ready, else with 3. --watch goes on until
Ctrl-C, also while the host is away; in a pipe reports follow each other.
"behind" and "ahead" are events that a host lacks or has more than this one;
"data" compares what hosts hold that have applied the same events.

Examples:
  tidemark status
  tidemark status --watch
  tidemark status --json | jq '.hosts[] | {node, behindEvents}'`;

export function addStatus(program: Command, { env, ended }: Surroundings): void {
  const command = program
    .command("status")
    .description("Show hosts, lag, repairs and memory.")
    .addOption(new Option("-w, --watch", "keep it on the screen"))
    .addOption(new Option("--every <duration>", `how often --watch asks (default ${DEFAULT_EVERY})`))
    .addOption(new Option("--json", "write what the host answers, a line for each time"));
  addHttpFlags(command)
    .addHelpText("after", `${HTTP_HELP}\n${HELP}`)
    .action(async (flags: StatusFlags) => {
      const target = httpTarget(flags, env);
      const show = wantsJson(flags, env) ? writeJson : showPeople;
      const everyMs = intervalOf(flags.every ?? DEFAULT_EVERY);
      if (flags.watch) await keepOnScreen(target, everyMs, wantsJson(flags, env));
      const status = await askStatus(target);
      await show(status);
      ended(isReady(status) ? EXIT.done : EXIT.no);
    });
}

async function askStatus(target: HttpTarget): Promise<ToldStatus> {
  const status = (await getJson(target, "/status")) as Partial<ToldStatus> | null;
  if (typeof status?.node === "string" && Array.isArray(status.hosts) && status.counts !== undefined)
    return status as ToldStatus;
  throw new TidemarkError(
    "REFUSED",
    `${target.url}/status answers something else than a status; is it a host?`,
  );
}

async function showPeople(status: ToldStatus): Promise<void> {
  await write(`${statusLines(status, Date.now()).join("\n")}\n`);
}

/** Never settles but by a failure that will not pass: Ctrl-C ends it. */
async function keepOnScreen(target: HttpTarget, everyMs: number, json: boolean): Promise<never> {
  for (;;) {
    const startedAt = performance.now();
    const answer = await askStatus(target).catch((error: unknown) => passing(error));
    if (json)
      await writeJson(
        answer instanceof TidemarkError ? { error: answer.code, message: answer.message } : answer,
      );
    else
      await redraw(
        answer instanceof TidemarkError
          ? [failureText(answer, { json, debug: false })]
          : statusLines(answer, Date.now()),
      );
    await delay(Math.max(0, everyMs - (performance.now() - startedAt)));
  }
}

/** A host that is away may come back; wrong usage and a wrong token stay wrong. */
function passing(error: unknown): TidemarkError {
  const passes = error instanceof TidemarkError && ["CONNECT_FAILED", "TIMEOUT"].includes(error.code);
  if (!passes) throw error;
  return error;
}

async function redraw(lines: readonly string[]): Promise<void> {
  if (!process.stdout.isTTY) return write(`${lines.join("\n")}\n\n`);
  // Line by line, so that nothing flickers; what does not fit the screen would scroll it. Some terminals say 0.
  const { rows, columns } = process.stdout;
  const shown = rows > 1 ? lines.slice(0, rows - 1) : lines;
  const line = (text: string) => `${columns > 0 ? text.slice(0, columns) : text}${CLEAR_LINE}\n`;
  await write(`${HOME}${shown.map(line).join("")}${CLEAR_BELOW}`);
}

function intervalOf(text: string): number {
  const ms = durationOf(text, "--every");
  if (ms >= LEAST_EVERY_MS) return ms;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `--every takes a duration from ${LEAST_EVERY_MS} ms, not ${text}`,
  );
}
