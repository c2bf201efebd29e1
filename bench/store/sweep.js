/** What a great many expiring keys do to the event loop, and whether their memory comes back. Goal G12. */
import { startRole } from "../rig/processes.js";
import { goal } from "../rig/report.js";

export async function measureSweep({ quick, say }) {
  const entries = quick ? 50_000 : 1_000_000;
  const longestMs = quick ? 5_000 : 60_000;
  const kinds = { "keys that expire": false, "nothing, to compare": true };
  // Beside each other, so that both see the same machine.
  const roles = Object.entries(kinds).map(([name, idle]) => ({
    name,
    idle,
    role: startRole("../store/sweep-role"),
  }));
  try {
    say(`sweep: ${entries} keys, ${longestMs / 1_000} seconds`);
    const results = await Promise.all(
      roles.map(async ({ name, idle, role }) => [
        name,
        await role.ask("sweep", { entries, longestMs, idle }),
      ]),
    );
    const [[, busy]] = results;
    return [
      {
        title: `${entries.toLocaleString("en-US")} keys with a ttl of 1 to ${longestMs / 1_000} s expire`,
        columns: [
          "",
          "keys",
          "left",
          "longest tick ms",
          "ticks above 5",
          "of",
          "event loop late ms",
          "p99.9 ms",
          "MiB full",
          "MiB after",
          "us per key",
        ],
        rows: results.map(([name, result]) => [
          name,
          result.held,
          result.left,
          result.longestCpu,
          result.over,
          result.count,
          result.block,
          result.p999,
          result.full,
          result.after,
          result.cpuPerKey,
        ]),
        goals: [
          goal("G12", "longest tick, ms", busy.longestCpu, { atMost: 5 }),
          goal("G12", "memory that stays, of what was taken", busy.after / busy.full, { atMost: 0.1 }),
        ],
        notes: [
          "a tick's time is what the processor spent on it; how late the event loop is also tells what other programs took",
        ],
      },
    ];
  } finally {
    for (const { role } of roles) await role.end();
  }
}
