/** What is said of several measurements of one thing. */

export function median(numbers) {
  return percentile(numbers, 50);
}

/** Linear between the two nearest ranks; NaN of nothing. */
export function percentile(numbers, percent) {
  if (numbers.length === 0) return Number.NaN;
  const sorted = Float64Array.from(numbers).sort();
  const rank = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(rank);
  const above = Math.ceil(rank);
  return sorted[below] + (sorted[above] - sorted[below]) * (rank - below);
}

/** The median of the ratios of what was measured next to each other, which drifts of the machine leave alone. */
export function pairedRatio(numerators, denominators) {
  return median(numerators.map((numerator, index) => numerator / denominators[index]));
}
