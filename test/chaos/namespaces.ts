/**
 * Machines of our own, as network namespaces of the kernel: each has one cable to a common switch, and packets
 * can be dropped, lost, delayed and put out of order at either end. Nobody at the ends of a connection is told.
 */
import { execFile, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";

const GUARD = 'cat; for name in "$@"; do ip netns del "$name"; done';
const run = promisify(execFile);

/** One machine. */
export interface Machine {
  readonly address: string;
  /** What to run a program under, to run it there. */
  readonly prefix: readonly string[];
}

export interface Machines {
  readonly all: readonly Machine[];
  /** Nothing passes from the one to the other; the way back is another matter. */
  cut(from: Machine, to: Machine): Promise<void>;
  /** Loses packets that come to a machine. */
  lose(at: Machine, probability: number): Promise<void>;
  /** Delays what a machine sends, each packet by another time, so that they overtake each other. */
  delay(at: Machine, ms: number, jitterMs: number): Promise<void>;
  heal(): Promise<void>;
  discard(): Promise<void>;
}

/** What this kernel lets us do, found out by doing it. */
export interface Abilities {
  /** Why there are no machines to be had; `undefined` if there are. */
  readonly none: string | undefined;
  /** Why packets cannot be delayed; `undefined` if they can. */
  readonly noDelay: string | undefined;
}

export async function abilities(): Promise<Abilities> {
  if (process.platform !== "linux") return { none: "network namespaces are Linux's", noDelay: "no machines" };
  let machines: Machines | undefined;
  try {
    machines = await createMachines(1);
    await machines.lose(machines.all[0]!, 0.5);
  } catch (error) {
    await machines?.discard();
    return {
      none: `this machine does not let us have namespaces: ${reasonOf(error)}`,
      noDelay: "no machines",
    };
  }
  try {
    await machines.delay(machines.all[0]!, 1, 1);
    return { none: undefined, noDelay: undefined };
  } catch (error) {
    return { none: undefined, noDelay: `this kernel does not delay packets (tc netem): ${reasonOf(error)}` };
  } finally {
    await machines.discard();
  }
}

/** Puts so many machines on a switch. The process itself is on it too. */
export async function createMachines(count: number): Promise<Machines> {
  const id = `${process.pid % 10_000}${randomInt(10)}`;
  // 198.18.0.0/15 is set aside for tests of networks.
  const net = `198.${randomInt(18, 20)}.${randomInt(1, 255)}`;
  const hub = `tidemark-${id}-hub`;
  const names = Array.from({ length: count }, (_, index) => `tidemark-${id}-${index}`);
  const machines: Machine[] = names.map((name, index) => ({
    address: `${net}.${index + 1}`,
    prefix: ["ip", "netns", "exec", name],
  }));
  // Takes all down when its input closes, however this process ends; a namespace takes its cables with it.
  const guard = spawn("/bin/sh", ["-c", GUARD, "tidemark-guard", hub, ...names], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  const gone = once(guard, "exit");
  const discard = async (): Promise<void> => {
    guard.stdin.end();
    await gone;
  };
  const inside = (name: string, ...command: string[]) => run("ip", ["netns", "exec", name, ...command]);
  const plug = async (cable: string, far: string, name: string | undefined, address: string) => {
    await run("ip", ["link", "add", cable, "type", "veth", "peer", "name", far]);
    await run("ip", ["link", "set", far, "netns", hub]);
    await inside(hub, "ip", "link", "set", far, "master", "switch", "up");
    if (name !== undefined) await run("ip", ["link", "set", cable, "netns", name]);
    const here = name === undefined ? [] : ["netns", "exec", name, "ip"];
    await run("ip", [...here, "addr", "add", `${address}/24`, "dev", cable]);
    await run("ip", [...here, "link", "set", cable, "up"]);
  };
  try {
    await run("ip", ["netns", "add", hub]);
    await inside(hub, "ip", "link", "add", "switch", "type", "bridge");
    await inside(hub, "ip", "link", "set", "switch", "up");
    await plug(`td${id}h`, `tf${id}h`, undefined, `${net}.254`);
    for (const [index, name] of names.entries()) {
      await run("ip", ["netns", "add", name]);
      await inside(name, "ip", "link", "set", "lo", "up");
      await plug(`td${id}n${index}`, `tf${id}n${index}`, name, machines[index]!.address);
    }
  } catch (error) {
    await discard();
    throw error;
  }
  const nameOf = (machine: Machine): string => names[machines.indexOf(machine)]!;
  const cableOf = (machine: Machine): string => `td${id}n${machines.indexOf(machine)}`;
  const refuse = (at: Machine, ...match: string[]) =>
    inside(nameOf(at), "iptables", "-A", "INPUT", ...match, "-j", "DROP");
  return {
    all: machines,
    cut: async (from, to) => void (await refuse(to, "-s", from.address)),
    lose: async (at, probability) => {
      const chance = probability.toFixed(3);
      await refuse(at, "-m", "statistic", "--mode", "random", "--probability", chance);
    },
    delay: async (at, ms, jitterMs) => {
      const netem = ["netem", "delay", `${ms}ms`, `${jitterMs}ms`];
      await inside(nameOf(at), "tc", "qdisc", "replace", "dev", cableOf(at), "root", ...netem);
    },
    heal: async () => {
      for (const machine of machines) {
        await inside(nameOf(machine), "iptables", "-F", "INPUT");
        // There may be nothing to take away.
        const clear = ["tc", "qdisc", "del", "dev", cableOf(machine), "root"];
        await inside(nameOf(machine), ...clear).catch(() => undefined);
      }
    },
    discard,
  };
}

function reasonOf(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return stderr.split("\n").at(-1) || (error instanceof Error ? error.message : String(error));
}
