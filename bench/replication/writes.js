/**
 * Writes per second through one writer to two replicas, each a process of its own: from the first `set`
 * until both replicas have applied the last. With frames, with a message for each write, and beside the
 * peers. Goal G8.
 */

import { cpuMicrosOf, startRole } from "../rig/processes.js";
import { startRedis } from "../rig/redis.js";
import { goal, shown } from "../rig/report.js";
import { median, pairedRatio } from "../rig/statistics.js";
import { KEY_BYTES, VALUE_BYTES } from "../rig/workload.js";

const REPLICAS = 2;
/** Writes in one turn of the event loop: what a busy service has to answer when it comes round. */
const BURST = 256;
const UPDATED_KEYS = 100_000;
const IN_FLIGHT = 256;
const PIPELINE = 16;

const FULL = {
  repeats: 5,
  warmUp: 100_000,
  writes: 200_000,
  unbatched: 40_000,
  puts: 10_000,
  sequential: 1_000,
};
const QUICK = {
  repeats: 1,
  warmUp: 20_000,
  writes: 60_000,
  unbatched: 20_000,
  puts: 3_000,
  sequential: 500,
};

export async function measureWrites({ server, redis, quick, say }) {
  const sizes = quick ? QUICK : FULL;
  const kinds = [
    { name: "tidemark", run: () => tidemark(server, sizes.warmUp, sizes.writes, {}) },
    {
      name: "tidemark, a message per write",
      run: () => tidemark(server, sizes.warmUp / 4, sizes.unbatched, { frameBytes: 1 }),
    },
    ...(redis === undefined
      ? []
      : [{ name: `redis SET -P ${PIPELINE}`, run: () => redisSet(redis, sizes.warmUp, sizes.writes) }]),
    { name: `nats kv put, ${IN_FLIGHT} in flight`, run: () => natsKv(server, sizes.puts, IN_FLIGHT) },
    { name: "nats kv put, one by one", run: () => natsKv(server, sizes.sequential, 1) },
  ];
  const results = new Map(kinds.map(({ name }) => [name, []]));
  const repairs = new Set();
  for (let repeat = 0; repeat < sizes.repeats; repeat++) {
    // Each repeat begins with another kind, so that none always follows the same one.
    for (let i = 0; i < kinds.length; i++) {
      const { name, run } = kinds[(repeat + i) % kinds.length];
      const result = await run();
      for (const repair of result.repairs ?? []) repairs.add(repair);
      results.get(name).push(result);
      say(`writes ${repeat + 1}/${sizes.repeats}: ${name}: ${Math.round(result.perSecond.all)}/s`);
    }
  }
  const { notes, ...rest } = table(results);
  return {
    ...rest,
    notes: [
      `${REPLICAS} replicas (NATS KV: one bucket in memory, no watcher); ${KEY_BYTES}-byte keys, ${VALUE_BYTES}-byte values; ` +
        `medians of ${sizes.repeats}; ${BURST} writes per turn of the event loop; updates of ${UPDATED_KEYS} keys`,
      `repairs needed while measuring: ${[...repairs].join(", ") || "none"}`,
      ...notes,
    ],
  };
}

function table(results) {
  const of = (name, value) => (results.get(name) ?? []).map(value);
  const rows = [...results].map(([name, repeats]) => [
    name,
    ...["unique", "updates", "all"].map((phase) => median(repeats.map(({ perSecond }) => perSecond[phase]))),
    ...["writer", "replica", "server"].map((part) => median(repeats.map(({ cpu }) => cpu[part]))),
    median(repeats.map(totalCpu)),
  ]);
  const rate = ({ perSecond }) => perSecond.all;
  const ours = of("tidemark", rate);
  const names = [...results.keys()];
  const named = (start) => names.find((each) => each.startsWith(start));
  const ratioTo = (start) => {
    const name = named(start);
    return name === undefined ? undefined : pairedRatio(ours, of(name, rate));
  };
  const cpuRatioTo = (start) => {
    const name = named(start);
    if (name === undefined) return "-";
    return shown(pairedRatio(of(name, totalCpu), of("tidemark", totalCpu)));
  };
  return {
    title: "Replicated writes per second, and microseconds of processor time per write",
    columns: [
      "",
      "unique/s",
      "updates/s",
      "all/s",
      "writer µs",
      "each replica µs",
      "server µs",
      "together µs",
    ],
    rows,
    goals: [
      goal("G8", "tidemark / a message per write", ratioTo("tidemark, "), { atLeast: 6 }),
      goal("G8", `tidemark / redis SET -P ${PIPELINE} with ${REPLICAS} replicas`, ratioTo("redis"), {
        atLeast: 2.5,
      }),
      goal("G8", `tidemark / nats kv put, ${IN_FLIGHT} in flight`, ratioTo(`nats kv put, ${IN_FLIGHT}`), {
        atLeast: 22,
      }),
    ],
    notes: [
      "by processor time, which other load on the machine disturbs less, the ratios are " +
        `${cpuRatioTo("tidemark, ")}, ${cpuRatioTo("redis")} (without its client) ` +
        `and ${cpuRatioTo(`nats kv put, ${IN_FLIGHT}`)} (which has no replicas)`,
    ],
    repeats: Object.fromEntries(results),
  };
}

/** Processor time per write of all that take part. */
function totalCpu({ cpu: { writer, replica, server } }) {
  const known = (micros) => (Number.isNaN(micros) ? 0 : micros);
  return writer + REPLICAS * known(replica) + known(server);
}

async function tidemark(server, warmUp, writes, internal) {
  const namespace = `bench-${process.pid}-${Date.now()}`;
  const roles = Array.from({ length: 1 + REPLICAS }, () => startRole("host"));
  const [writer, ...replicas] = roles;
  try {
    for (const [index, role] of roles.entries()) {
      const options = { nats: server.url, namespace, node: `host-${index}`, joinWait: 200 };
      await role.ask("open", { options, internal });
    }
    const phase = async (first, count, distinct) => {
      const { incarnation, seq } = await writer.ask("prepare", { first, count, distinct });
      for (const replica of replicas) await replica.ask("await", { incarnation, seq: seq + count });
      const before = await cpuOf(server, writer, replicas);
      const { startedAt } = await writer.ask("write", { burst: BURST });
      const ends = await Promise.all(replicas.map((replica) => replica.ask("applied")));
      const after = await cpuOf(server, writer, replicas);
      return { seconds: (Math.max(...ends) - startedAt) / 1e6, cpu: after.map((cpu, i) => cpu - before[i]) };
    };
    await phase(0, warmUp, warmUp / 2);
    const unique = await phase(1_000_000, writes, writes);
    const updates = await phase(1_000_000, writes, Math.min(UPDATED_KEYS, writes));
    const statuses = await Promise.all(roles.map((role) => role.ask("status")));
    const digests = new Set(statuses.map(({ digest }) => digest));
    if (digests.size > 1) throw new Error("the hosts hold different data after the last write was applied");
    await Promise.all(roles.map((role) => role.ask("close")));
    const cpu = unique.cpu.map((micros, index) => (micros + updates.cpu[index]) / (2 * writes));
    return {
      perSecond: rates(writes, unique.seconds, updates.seconds),
      cpu: { writer: cpu[0], replica: (cpu[1] + cpu[2]) / REPLICAS, server: cpu[3] },
      repairs: repairsIn(statuses),
    };
  } finally {
    for (const role of roles) await role.end();
  }
}

async function cpuOf(server, writer, replicas) {
  const own = await Promise.all([writer, ...replicas].map((role) => role.ask("cpu")));
  return [...own, await cpuMicrosOf(server.pid)];
}

function rates(writes, uniqueSeconds, updatesSeconds) {
  return {
    unique: writes / uniqueSeconds,
    updates: writes / updatesSeconds,
    all: (2 * writes) / (uniqueSeconds + updatesSeconds),
  };
}

const REPAIRS = [
  "gaps",
  "replaysRequested",
  "dropped",
  "republished",
  "disconnects",
  "rejected",
  "divergences",
];

function repairsIn(statuses) {
  return REPAIRS.filter((name) => statuses.some(({ counts }) => counts[name] > 0));
}

async function redisSet(programs, warmUp, writes) {
  const redis = await startRedis(programs, { replicas: REPLICAS });
  try {
    const set = (count, keys) =>
      redis.set(["-P", String(PIPELINE), "-n", String(count), "-r", String(keys), "-d", String(VALUE_BYTES)]);
    await set(warmUp, warmUp / 2);
    const unique = await set(writes, 1e9);
    const updates = await set(writes, UPDATED_KEYS);
    return {
      perSecond: rates(writes, unique.seconds, updates.seconds),
      cpu: {
        writer: (unique.masterCpu + updates.masterCpu) / (2 * writes),
        replica: (unique.replicaCpu + updates.replicaCpu) / (2 * writes),
        server: Number.NaN,
      },
    };
  } finally {
    await redis.end();
  }
}

async function natsKv(server, puts, inFlight) {
  const role = startRole("nats-kv");
  try {
    await role.ask("open", { url: server.url, name: `bench-${process.pid}-${Date.now()}` });
    await role.ask("put", { first: 0, count: Math.ceil(puts / 10), inFlight });
    const before = await cpuMicrosOf(server.pid);
    const unique = await role.ask("put", { first: 1_000_000, count: puts, inFlight });
    const updates = await role.ask("put", { first: 1_000_000, count: puts, inFlight });
    const after = await cpuMicrosOf(server.pid);
    await role.ask("close");
    return {
      perSecond: rates(puts, unique.seconds, updates.seconds),
      cpu: {
        writer: (unique.cpu + updates.cpu) / (2 * puts),
        replica: Number.NaN,
        server: (after - before) / (2 * puts),
      },
    };
  } finally {
    await role.end();
  }
}
