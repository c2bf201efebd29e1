/** Walking through all keys: the longest single step, and the whole way. */
import { startRole } from "../rig/processes.js";
import { goal } from "../rig/report.js";

const LIMIT_MS = 1;
const FILLS = {
  "1,000,000 keys": { entries: 1_000_000, left: 1_000_000 },
  "65,000 keys": { entries: 65_000, left: 65_000 },
  "10,000 keys of 65,000": { entries: 65_000, left: 10_000 },
};
const WALKS = [
  { what: "scan, count 10", task: "scan", count: 10 },
  { what: "scan, count 100", task: "scan", count: 100 },
  { what: "scan, count 1,000", task: "scan", count: 1_000 },
  { what: "scan, count 10, match", task: "scan", count: 10, match: "*:0000*7" },
  { what: "keys, a step", task: "keys" },
];

export async function measureScan({ quick, say }) {
  const rows = [];
  const goals = [];
  for (const [filled, fill] of Object.entries(FILLS)) {
    if (quick && fill.entries > 100_000) continue;
    const role = startRole("../store/scan-role");
    try {
      await role.ask("fill", fill);
      for (const { what, task, ...input } of WALKS) {
        const { keys, calls, longest, total } = await role.ask(task, { ...input, rounds: quick ? 2 : 4 });
        rows.push([`${what}, ${filled}`, keys, calls, longest, (1e6 * total) / calls / 1e3, total]);
        goals.push(goal("step", `${what}, ${filled}, ms`, longest, { atMost: LIMIT_MS }));
      }
    } finally {
      await role.end();
    }
    say(`scan: ${filled}`);
  }
  return [
    {
      title: "Walking through all keys",
      columns: ["", "keys", "steps", "longest step ms", "mean step us", "whole way ms"],
      rows,
      goals,
      notes: ["of each step the shortest of several rounds"],
    },
  ];
}
