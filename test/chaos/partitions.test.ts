/**
 * Partitions of packets: no connection ends, nobody is told. Five hosts and three servers on machines of their
 * own; halves and single machines are cut off, packets are lost one way, delayed and put out of order.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { freePort } from "../../src/nats-server/ready.ts";
import { Random } from "../../src/testing/random.ts";
import { say } from "../integration/support/nats.ts";
import { Canary } from "./canary.ts";
import { Fleet } from "./fleet.ts";
import { Ledger } from "./ledger.ts";
import { abilities, createMachines, type Machine, type Machines } from "./namespaces.ts";
import { findProgram, prepareServer, type ServerProcess } from "./servers.ts";
import { withServers } from "./support.ts";
import { judge, NOTHING } from "./verdict.ts";
import { Workload, type WorkloadCounts } from "./workload.ts";

const HOSTS = 5;
const SERVERS = 3;
const able = await abilities();
if (able.none !== undefined) say(`partitions of packets are not tried: ${able.none}`);
else if (able.noDelay !== undefined) say(`packets are not delayed or put out of order: ${able.noDelay}`);

/** The machines by what runs on them. */
interface Roles {
  readonly hosts: readonly Machine[];
  readonly servers: readonly Machine[];
}

type Trouble = (machines: Machines, roles: Roles) => Promise<void>;

const TROUBLES: readonly (readonly [what: string, trouble: Trouble, possible: boolean])[] = [
  ["one server and its hosts on one side, two on the other", halves, true],
  ["a host that hears nobody", ({ all, cut }, { hosts }) => towards(all, hosts[0]!, cut), true],
  ["a host that nobody hears", ({ all, cut }, { hosts }) => from(all, hosts[1]!, cut), true],
  ["a server that nobody hears", ({ all, cut }, { servers }) => from(all, servers[0]!, cut), true],
  ["packets lost, more on one way than on the other", losses, true],
  ["packets delayed, and out of order", delays, able.noDelay === undefined],
];

async function halves(machines: Machines, { hosts, servers }: Roles): Promise<void> {
  // Hosts prefer the server of their number.
  const isFirst = (index: number): boolean => index % SERVERS === 0;
  const [left, right]: [Machine[], Machine[]] = [[], []];
  for (const some of [hosts, servers]) {
    for (const [index, machine] of some.entries()) (isFirst(index) ? left : right).push(machine);
  }
  for (const one of left) {
    for (const other of right) {
      await machines.cut(one, other);
      await machines.cut(other, one);
    }
  }
}

async function towards(all: readonly Machine[], to: Machine, cut: Machines["cut"]): Promise<void> {
  for (const machine of all) if (machine !== to) await cut(machine, to);
}

async function from(all: readonly Machine[], one: Machine, cut: Machines["cut"]): Promise<void> {
  for (const machine of all) if (machine !== one) await cut(one, machine);
}

async function losses(machines: Machines, { hosts, servers }: Roles): Promise<void> {
  await machines.lose(hosts[0]!, 0.2);
  await machines.lose(hosts[3]!, 0.05);
  await machines.lose(servers[1]!, 0.1);
}

async function delays(machines: Machines, { hosts, servers }: Roles): Promise<void> {
  await machines.delay(hosts[0]!, 100, 80);
  await machines.delay(servers[2]!, 40, 40);
}

async function startServersOn(places: readonly Machine[]): Promise<ServerProcess[]> {
  const program = await findProgram(() => undefined);
  const [port, clusterPort] = [await freePort(), await freePort()];
  const servers: ServerProcess[] = [];
  for (const [index, { address, prefix }] of places.entries()) {
    const routes = places.slice(index + 1).map((other) => `"nats-route://${other.address}:${clusterPort}"`);
    const cluster = `cluster { name: chaos, listen: "${address}:${clusterPort}", no_advertise: true, routes: [${routes.join(", ")}] }`;
    // The server notices a dead route by pings as a host does its connection.
    const config = `${cluster}\nping_interval: "2s"\nping_max: 2`;
    const place = { host: address, port, config };
    servers.push(await prepareServer(`server-${index + 1}`, [...prefix, program], place));
  }
  await Promise.all(servers.map((server) => server.start()));
  return servers;
}

it.skipIf(able.none !== undefined)(
  "whatever packets are lost, all hosts come to the one right state",
  { timeout: 240_000 },
  (test) =>
    withServers(test, async () => {
      const machines = await createMachines(HOSTS + SERVERS);
      const roles: Roles = { hosts: machines.all.slice(0, HOSTS), servers: machines.all.slice(HOSTS) };
      const ends: (() => Promise<void>)[] = [() => machines.discard()];
      try {
        const servers = await startServersOn(roles.servers);
        ends.unshift(async () => void (await Promise.all(servers.map((server) => server.discard()))));
        const canary = await Canary.at({ servers });
        ends.unshift(() => canary.close());
        const addresses = servers.map(({ host, port }) => `${host}:${port}`);
        const fleet = await Fleet.create({
          cluster: { servers },
          hosts: HOSTS,
          namespace: "packets",
          options: () => ({ logBytes: "1mb" }),
          place: (index) => ({
            prefix: roles.hosts[index]!.prefix,
            servers: addresses.map((_, turn) => addresses[(index + turn) % SERVERS]!),
          }),
          joined: () => undefined,
        });
        ends.unshift(() => fleet.discard());
        await Promise.all(fleet.sites.map((site) => fleet.start(site)));
        await troubles(machines, roles, fleet, canary);
      } finally {
        for (const end of ends) await end();
      }
    }),
);

async function troubles(machines: Machines, roles: Roles, fleet: Fleet, canary: Canary): Promise<void> {
  const ledger = new Ledger();
  const random = new Random(Number(process.env.TIDEMARK_SEED ?? 1));
  const counts: WorkloadCounts = { orders: 0, operations: 0, confirmations: 0, refused: {} };
  let base = NOTHING;
  for (const [what, trouble, possible] of TROUBLES) {
    if (!possible) continue;
    const workload = new Workload(fleet, ledger, random.fork(), counts);
    const pause = new AbortController();
    const working = workload.run(30, pause.signal);
    await delay(300);
    await trouble(machines, roles);
    await delay(1_200);
    pause.abort();
    await working;
    const apart = !(await areLevel(fleet));
    await machines.heal();
    const healedAt = performance.now();
    await canary.whole();
    const wholeMs = performance.now() - healedAt;
    while (!(await areLevel(fleet))) {
      if (performance.now() - healedAt > 60_000) throw new Error(`not converged 60 s after: ${what}`);
      await delay(20);
    }
    const tookMs = performance.now() - healedAt;
    await workload.settled();
    const verdict = await judge(fleet, ledger, base);
    base = verdict.base;
    const state = apart ? "apart" : "level";
    say(
      `${what}: ${state} when healed, servers whole after ${wholeMs.toFixed(0)} ms, hosts ${tookMs.toFixed(0)}`,
    );
  }
  expect(counts.operations).toBeGreaterThan(0);
}

async function areLevel(fleet: Fleet): Promise<boolean> {
  const marks = await Promise.all(fleet.alive.map(({ start }) => start!.process.ask("mark", undefined)));
  const first = marks[0]!;
  return marks.every(({ state, vectorHash, digest }) => {
    return state === "ready" && vectorHash === first.vectorHash && digest === first.digest;
  });
}
