/** How often a key is still there when a tenth of all fits: our two policies beside exact LRU. Goal G6. */
import { LRUCache } from "lru-cache";
import { open } from "../../dist/index.js";
import { goal } from "../rig/report.js";
import { keyFor } from "../rig/workload.js";
import { chooser, randomOf } from "./choice.js";

const FULL = { keys: 200_000, accesses: 1_500_000 };
const QUICK = { keys: 20_000, accesses: 100_000 };
/** Popularity moves on so many times. */
const SHIFTS = 10;

const PATTERNS = {
  "zipf 0.99": (keys, random) => chooser("zipf", keys, random),
  "zipf and 25 % scan": (keys, random) => {
    const zipf = chooser("zipf", keys, random);
    let next = keys;
    return () => (random() < 0.25 ? next++ : zipf());
  },
  "shifting zipf": (keys, random, accesses) => {
    const zipf = chooser("zipf", keys, random);
    let count = 0;
    return () => {
      const shift = Math.floor((count++ * SHIFTS) / accesses) * Math.floor(keys / 7);
      return (zipf() + shift) % keys;
    };
  },
};

export async function measureHits({ quick, say }) {
  const { keys, accesses } = quick ? QUICK : FULL;
  const max = keys / 10;
  const rows = [];
  for (const pattern of Object.keys(PATTERNS)) {
    const ratios = [];
    for (const make of [() => exact(max), () => ours(max, "lru"), () => ours(max, "s3fifo")]) {
      const store = await make();
      const next = PATTERNS[pattern](keys, randomOf(42), accesses);
      ratios.push(hitRatio(store, next, accesses));
      await store.close();
    }
    const [lru, clock, s3fifo] = ratios.map((ratio) => 100 * ratio);
    rows.push([pattern, lru, clock, s3fifo, clock - lru, s3fifo - lru]);
    say(`hits: ${pattern}`);
  }
  const [zipf, scan, shift] = rows;
  return [
    {
      title: "Hits of 100 reads, room for a tenth of the keys",
      columns: ["", "exact LRU", "lru", "s3fifo", "lru - exact", "s3fifo - exact"],
      rows,
      goals: [
        ...[zipf, scan, shift].map(([what, , , , gain]) => goal("G6", `lru, ${what}`, gain, { atLeast: 0 })),
        goal("G6", `s3fifo, ${zipf[0]}`, zipf[5], { atLeast: 3 }),
        goal("G6", `s3fifo, ${scan[0]}`, scan[5], { atLeast: 6 }),
      ],
      notes: [
        `${keys.toLocaleString("en-US")} keys, ${accesses.toLocaleString("en-US")} reads, the first third not counted; ` +
          `what is missed is written; popularity shifts ${SHIFTS} times; exact LRU is lru-cache`,
      ],
    },
  ];
}

function hitRatio(store, next, accesses) {
  const warmUp = Math.floor(accesses / 3);
  let hits = 0;
  for (let i = 0; i < accesses; i++) {
    const key = keyFor(next());
    if (store.get(key) === undefined) store.set(key, "x");
    else if (i >= warmUp) hits++;
  }
  return hits / (accesses - warmUp);
}

async function ours(max, eviction) {
  return open({ maxEntries: max, eviction });
}

function exact(max) {
  const cache = new LRUCache({ max });
  return {
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value),
    close: () => undefined,
  };
}
