/**
 * Single operations of each store, in processes that are asked by turns. Told as processor time per operation,
 * the collector's threads included, which other programs of the machine disturb least. Goals G1 to G4.
 */
import { startRole } from "../rig/processes.js";
import { goal } from "../rig/report.js";
import { median, pairedRatio } from "../rig/statistics.js";
import { LEAN, SUBJECTS } from "./subjects.js";

const OPS = [
  ["get", "uniform"],
  ["get", "zipf"],
  ["set", "uniform"],
  ["set", "zipf"],
  ["set with ttl", "uniform"],
  ["90 get, 10 set", "uniform"],
  ["90 get, 10 set", "zipf"],
  ["increment", "uniform"],
  ["setAdd", "uniform"],
  ["set, new keys", "uniform"],
];
const SLOW = new Set(["keyv", "cacheable", "bentocache"]);
/** At its bound, and with keys refreshed before, it takes milliseconds for each new key: hours for a pass. */
const NEVER_ENDS = "@isaacs/ttlcache";
const WRITER = "tidemark, replicated writer";
const FULL = { repeats: 5, count: 50_000, slow: 5_000 };
/** Of the largest, fewer passes: what they take is mostly filling. */
const LARGE = { ...FULL, repeats: 3 };
const QUICK = { repeats: 1, count: 20_000, slow: 2_000 };

export async function measureOps({ quick, say }) {
  const sizes = quick ? [10_000] : [10_000, 1_000_000, 5_000_000];
  const tables = [];
  for (const entries of sizes) {
    const isLarge = entries > 1_000_000;
    const names = isLarge ? LEAN : Object.keys(SUBJECTS);
    tables.push(await measureSize(entries, names, quick ? QUICK : isLarge ? LARGE : FULL, say));
  }
  return tables;
}

async function measureSize(entries, names, { repeats, count, slow }, say) {
  const roles = new Map(names.map((name) => [name, startRole("../store/ops-role")]));
  const passes = new Map();
  try {
    for (const [name, role] of roles) {
      await role.ask("fill", { subject: name, entries });
      say(`ops: ${name} holds ${entries} keys`);
    }
    for (const [op, distribution] of OPS) {
      const bySubject = new Map();
      for (const name of names) {
        if (name === WRITER && op.includes("get")) continue;
        if (name === NEVER_ENDS && op === "set, new keys") continue;
        if (await roles.get(name).ask("can", { op })) bySubject.set(name, []);
      }
      // The first pass warms up.
      for (let repeat = -1; repeat < repeats; repeat++) {
        const order = [...bySubject.keys()];
        for (let i = 0; i < order.length; i++) {
          const name = order[(i + repeat + 1) % order.length];
          const input = { op, distribution, count: SLOW.has(name) ? slow : count, seed: 1_000 + repeat };
          const pass = await roles.get(name).ask("pass", input);
          if (repeat >= 0) bySubject.get(name).push(pass);
        }
      }
      passes.set(`${op}, ${distribution}`, bySubject);
      const medians = Array.from(
        bySubject,
        ([name, all]) => `${name} ${Math.round(median(all.map(({ cpu }) => cpu)))}`,
      );
      say(`ops: ${op}, ${distribution}, ${entries} keys, ns: ${medians.join(", ")}`);
    }
  } finally {
    for (const role of roles.values()) await role.end();
  }
  return table(entries, names, passes, repeats);
}

function table(entries, names, passes, repeats) {
  const cpu = (what, name) => (passes.get(what).get(name) ?? []).map((pass) => pass.cpu);
  const columns = [...passes.keys()];
  const speedOf = (what, name) => pairedRatio(cpu(what, name), cpu(what, "tidemark"));
  const wanted = (name, what, peer, atLeast) =>
    goal(name, `${what} / ${peer}`, names.includes(peer) ? speedOf(what, peer) : undefined, { atLeast });
  const goals =
    entries < 1_000_000
      ? []
      : [
          wanted("G1", "get, uniform", "lru-cache {max,ttl}", 1.8),
          wanted("G1", "get, uniform", "lru-cache {max}", 1.3),
          wanted("G1", "get, uniform", "Map", 0.85),
          wanted("G2", "set, uniform", "lru-cache {max,ttl}", 1.8),
          goal(
            "G3",
            "processor time of a replicated set / lru-cache {max,ttl} set",
            pairedRatio(cpu("set, uniform", WRITER), cpu("set, uniform", "lru-cache {max,ttl}")),
            { atMost: 1 },
          ),
          wanted("G4", "get, uniform", "bentocache", 10),
          wanted("G4", "get, uniform", "cacheable", 9),
          wanted("G4", "get, uniform", "keyv", 4),
        ];
  return {
    title: `Nanoseconds of processor time per operation, ${entries.toLocaleString("en-US")} keys`,
    columns: ["", ...columns],
    rows: names.map((name) => [name, ...columns.map((what) => median(cpu(what, name)))]),
    goals,
    notes: [
      `medians of ${repeats} passes by turns; keys and values are fresh strings (16 and 32 bytes); zipf with 0.99`,
      "set: of keys that are there; set, new keys: at the bound, each lets one go; ratios: how many times as fast as the peer",
      "increment and setAdd beside stores without them: what one does instead, which keeps no text and no order",
    ],
    passes: Object.fromEntries([...passes].map(([what, bySubject]) => [what, Object.fromEntries(bySubject)])),
  };
}
