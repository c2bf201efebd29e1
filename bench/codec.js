/**
 * Our codec of event frames beside `cbor-x` on flat arrays of the same items: events per second, and what an
 * event keeps alive once it is stored. Why the codec is written by hand.
 */
import { startRole } from "./rig/processes.js";
import { packageVersion } from "./rig/report.js";
import { median, pairedRatio } from "./rig/statistics.js";

const NAMES = ["ours", "cbor-x"];
const PER_FRAME = 500;
/** One event of so many is kept, as when all but one are replaced soon after. */
const KEPT_OF = 100;

export async function run({ quick, say }) {
  const repeats = quick ? 1 : 7;
  const roles = new Map(NAMES.map((name) => [name, startRole("codec")]));
  try {
    const rows = [];
    for (const mix of ["unique", "updates"]) {
      for (const direction of ["encode", "decode"]) {
        const speeds = new Map(NAMES.map((name) => [name, []]));
        for (let repeat = -1; repeat < repeats; repeat++) {
          for (const codec of NAMES) {
            const speed = await roles.get(codec).ask("speed", { codec, direction, mix, perFrame: PER_FRAME });
            // The first pass warms up.
            if (repeat >= 0) speeds.get(codec).push(speed);
          }
        }
        const [ours, theirs] = NAMES.map((name) => speeds.get(name));
        rows.push([`${direction}, ${mix}`, median(ours), median(theirs), pairedRatio(ours, theirs)]);
        say(`codec: ${direction}, ${mix}`);
      }
    }
    const frames = quick ? 500 : 3_000;
    const retained = [];
    const sizes = [];
    for (const codec of NAMES) {
      const fresh = startRole("codec");
      retained.push(await fresh.ask("retained", { codec, perFrame: KEPT_OF, frames }));
      sizes.push(await fresh.ask("size", { codec, perFrame: PER_FRAME, mix: "unique" }));
      await fresh.end();
    }
    return { tables: [speedTable(rows, repeats), memoryTable(retained, sizes)], versions: await versions() };
  } finally {
    for (const role of roles.values()) await role.end();
  }
}

async function versions() {
  return { "cbor-x": await packageVersion("cbor-x") };
}

function speedTable(rows, repeats) {
  return {
    title: "Events per second of processor time",
    columns: ["", ...NAMES, "ratio"],
    rows,
    goals: [],
    notes: [
      `frames of ${PER_FRAME} events, medians of ${repeats}; ours with its checksum, and with every item checked when read`,
    ],
  };
}

function memoryTable(retained, sizes) {
  const row = (name, [ours, theirs]) => [name, ours, theirs, ours / theirs];
  return {
    title: "Bytes",
    columns: ["", ...NAMES, "ratio"],
    rows: [row(`kept per stored event, 1 of ${KEPT_OF} stored`, retained), row("per encoded event", sizes)],
    goals: [],
    notes: ["stored: key and value in a Map, nothing else"],
  };
}
