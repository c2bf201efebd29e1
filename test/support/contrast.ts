/** How well colours can be told apart, by the rules of WCAG 2. */

/** Relative luminance, as WCAG 2 defines it, of `#rrggbb` or `rgb(…)`. */
export function brightness(colour: string): number {
  const parts = colour.startsWith("#")
    ? (colour.match(/[0-9a-f]{2}/g) ?? []).map((part) => Number.parseInt(part, 16))
    : (colour.match(/[\d.]+/g) ?? []).map(Number);
  const [red, green, blue] = parts.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

/** From 1, the same, to 21, black on white; text takes 4.5. */
export function contrast(one: string, other: string): number {
  const [light, dark] = [brightness(one), brightness(other)].sort((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}
