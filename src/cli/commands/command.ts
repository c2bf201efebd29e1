/** What every command for people is made of: its flags, how it talks to a host, how it says how it ended. */
import { type Command, Option } from "commander";
import { connectHost, type HostClient } from "../client/host-client.ts";
import {
  addRespFlags,
  type Environment,
  RESP_HELP,
  type RespFlags,
  respTarget,
} from "../client/resp-target.ts";

/** How a command runs: with the environment, and settling what the process ends with. */
export interface Surroundings {
  readonly env: Environment;
  readonly ended: (code: number) => void;
}

export interface CommonFlags extends RespFlags {
  readonly json?: boolean;
}

/** Whether output is for scripts: by the flag, else by TIDEMARK_JSON. */
export function wantsJson({ json }: { readonly json?: boolean }, env: Environment): boolean {
  return json ?? /^(1|true|yes|on)$/i.test(env.TIDEMARK_JSON ?? "");
}

export interface CommandText {
  readonly name: string;
  readonly summary: string;
  /** Flags of its own; those that every command on a host has come behind them. */
  readonly flags?: readonly Option[];
  /** What more there is to say, and examples. */
  readonly help: string;
}

/** A command on a host of the Redis protocol. */
export function respCommand(program: Command, { name, summary, flags = [], help }: CommandText): Command {
  const command = program.command(name).description(summary);
  for (const flag of flags) command.addOption(flag);
  return addRespFlags(
    command.addOption(new Option("--json", "write JSON, a line for each thing")),
  ).addHelpText("after", `${RESP_HELP}\n${help}`);
}

/** Runs `work` with a client of the host that flags and environment name, and lets go of it. */
export async function withHost(
  flags: RespFlags,
  env: Environment,
  work: (host: HostClient) => Promise<number>,
): Promise<number> {
  await using host = await connectHost(respTarget(flags, env));
  return await work(host);
}
