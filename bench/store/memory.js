/** Bytes of memory per entry beside the peers (goal G5), and whether the account of `maxBytes` is right. */
import { startRole } from "../rig/processes.js";
import { goal } from "../rig/report.js";

const NAMES = ["tidemark", "Map", "lru-cache {max}", "lru-cache {max,ttl}", "@isaacs/ttlcache", "quick-lru"];
/** Just before shards halve, just after, and between. */
const FULL = [1_000_000, 1_100_000, 1_500_000];
const QUICK = [50_000, 70_000];
/** How far the account may be off. */
const TOLERANCE = 0.15;

export async function measureMemory({ quick, say }) {
  const sizes = quick ? QUICK : FULL;
  const rows = [];
  for (const name of NAMES) {
    const perEntry = [];
    for (const entries of sizes) perEntry.push(await fresh("perEntry", { subject: name, entries }));
    rows.push([name, ...perEntry]);
    say(`memory: ${name}`);
  }
  const of = (name) => rows.find(([label]) => label === name)[1];
  const perEntry = {
    title: "Bytes of memory per entry, 16-byte keys and 32-byte values",
    columns: ["", ...sizes.map((entries) => `${entries.toLocaleString("en-US")} entries`)],
    rows,
    goals: [
      goal("G5", "tidemark / lru-cache {max,ttl}", of("tidemark") / of("lru-cache {max,ttl}"), { atMost: 1 }),
    ],
    notes: ["heap and external memory after collection, key and value included; the goal at the first size"],
  };
  return [perEntry, await measureAccount(quick ? 5_000 : 100_000, say)];
}

async function measureAccount(entries, say) {
  const rows = [];
  const goals = [];
  const role = startRole("../store/memory-role");
  const kinds = await role.ask("kinds");
  await role.end();
  for (const kind of kinds) {
    const big = /large|^binary|of \d\d/.test(kind);
    const count = big ? entries / 5 : entries;
    const { actual, account } = await fresh("accounted", { kind, entries: count });
    const ratio = account / actual;
    rows.push([kind, count, actual, account, ratio]);
    goals.push(goal("maxBytes", `${kind}, off by`, Math.abs(ratio - 1), { atMost: TOLERANCE }));
    say(`memory: account of ${kind}`);
  }
  return {
    title: "Bytes per key: what memory grew by, and what maxBytes counts",
    columns: ["", "keys", "memory", "counted", "ratio"],
    rows,
    goals,
    notes: ["strings 16 and 32 bytes, large ones 4,000; members and elements 16"],
  };
}

async function fresh(task, input) {
  const role = startRole("../store/memory-role");
  try {
    return await role.ask(task, input);
  } finally {
    await role.end();
  }
}
