/** Which key comes next: uniform, or zipf as YCSB draws it (Gray et al., 1994), seeded. */

const THETA = 0.99;

/** A function that draws numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A function that draws indexes below `count`. */
export function chooser(distribution, count, random) {
  if (distribution === "uniform") return () => Math.floor(random() * count);
  const rank = zipfRank(count, random);
  return () => scattered(rank(), count);
}

/** Ranks from 0, the most popular, to `count - 1`. */
export function zipfRank(count, random) {
  let zeta = 0;
  for (let i = 1; i <= count; i++) zeta += 1 / i ** THETA;
  const second = 0.5 ** THETA;
  const alpha = 1 / (1 - THETA);
  const eta = (1 - (2 / count) ** (1 - THETA)) / (1 - (1 + second) / zeta);
  return () => {
    const u = random();
    const scaled = u * zeta;
    if (scaled < 1) return 0;
    if (scaled < 1 + second) return 1;
    return Math.min(count - 1, Math.floor(count * (eta * u - eta + 1) ** alpha));
  };
}

/** Popular keys must not be those that were written first, which lie next to each other. */
function scattered(rank, count) {
  return (rank * 7_368_787) % count;
}
