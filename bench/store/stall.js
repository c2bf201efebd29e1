/** The longest single write while a store grows, beside one Map, which rehashes all it has at once. Goal G7. */
import { startRole } from "../rig/processes.js";
import { goal } from "../rig/report.js";
import { median, pairedRatio } from "../rig/statistics.js";

const NAMES = ["tidemark", "Map", "lru-cache {max,ttl}"];

export async function measureStall({ quick, say }) {
  const entries = quick ? 128_000 : 5_000_000;
  const repeats = quick ? 1 : 3;
  const stalls = new Map(NAMES.map((name) => [name, []]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const name of NAMES) {
      const role = startRole("../store/stall-role");
      try {
        stalls.get(name).push(await role.ask("grow", { subject: name, entries }));
      } finally {
        await role.end();
      }
      say(`stall ${repeat + 1}/${repeats}: ${name}: ${stalls.get(name).at(-1).worst.toFixed(1)} ms`);
    }
  }
  const of = (name, which) => stalls.get(name).map((stall) => stall[which]);
  return [
    {
      title: `Longest single set while growing to ${entries.toLocaleString("en-US")} keys, milliseconds`,
      columns: ["", "worst", "10th", "100th"],
      rows: NAMES.map((name) => [
        name,
        ...["worst", "tenth", "hundredth"].map((which) => median(of(name, which))),
      ]),
      goals: [
        goal("G7", "worst, tidemark / Map", pairedRatio(of("tidemark", "worst"), of("Map", "worst")), {
          atMost: 0.1,
        }),
      ],
      notes: [`medians of ${repeats} processes each; what collecting garbage takes is in it`],
    },
  ];
}
