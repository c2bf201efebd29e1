/**
 * Fractions order what is inserted between two list elements of neighbouring positions: strings compared
 * character by character, dense (between any two there is another), never ending in the lowest digit
 * (fractional indexing, as in Figma's and rocicorp's).
 */

const FIRST_DIGIT = 0x21;
const DIGITS = 94;

/** A fraction strictly between `low` (`""`: the lowest) and `high` (`undefined`: no upper bound). */
export function fractionBetween(low: string, high: string | undefined): string {
  let result = "";
  for (let i = 0; ; i++) {
    const from = i < low.length ? low.charCodeAt(i) - FIRST_DIGIT : 0;
    const to = high !== undefined && i < high.length ? high.charCodeAt(i) - FIRST_DIGIT : DIGITS;
    if (from + 1 < to) return result + digit((from + to) >> 1);
    result += digit(from);
    if (from < to) return result + fractionBetween(low.slice(i + 1), undefined);
  }
}

function digit(value: number): string {
  return String.fromCharCode(FIRST_DIGIT + value);
}
