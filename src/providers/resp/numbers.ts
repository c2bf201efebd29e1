/** Numbers as Redis reads and prints them. */

const INT64 = /^(?:0|-?[1-9]\d*)$/;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** Integers of fewer characters are exact as numbers. */
const SAFE_LENGTH = 15;

/** No spaces, no plus, no leading zeros, no `-0`; `undefined` for anything else. */
export function parseInt64(text: string): number | bigint | undefined {
  if (!INT64.test(text)) return undefined;
  if (text.length <= SAFE_LENGTH) return Number(text);
  const exact = BigInt(text);
  if (exact < INT64_MIN || exact > INT64_MAX) return undefined;
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;

/** As C's `strtod` takes it, without hexadecimals and NaN. */
export function parseFloat64(text: string): number | undefined {
  if (FLOAT.test(text)) return Number(text);
  if (INFINITE.test(text)) return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return undefined;
}

/** Decimals that Redis prints of a `long double`. */
const DECIMALS = 17n;
/** What a `long double` could still hold takes 4,932; what makes sense to add takes fewer. */
const MOST_EXPONENT = 400;

/**
 * The sum of two decimal numbers, exact and then rounded to 17 decimals: what Redis aims at with its
 * `long double`. `undefined` when one is no number, `"infinite"` when one is too large.
 */
export function addDecimals(left: string, right: string): string | "infinite" | undefined {
  const [a, b] = [decimal(left), decimal(right)];
  if (a === undefined || b === undefined) return undefined;
  if (a === "infinite" || b === "infinite") return "infinite";
  const scale = a.scale > b.scale ? a.scale : b.scale;
  const sum = a.digits * 10n ** (scale - a.scale) + b.digits * 10n ** (scale - b.scale);
  return printed(sum, scale);
}

/** `digits / 10 ** scale` */
interface Decimal {
  readonly digits: bigint;
  readonly scale: bigint;
}

function decimal(text: string): Decimal | "infinite" | undefined {
  if (INFINITE.test(text)) return "infinite";
  if (!FLOAT.test(text) || text.length > 2 * MOST_EXPONENT) return undefined;
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  if (Math.abs(Number(exponent)) > MOST_EXPONENT) return Number(exponent) > 0 ? "infinite" : undefined;
  const [whole = "", part = ""] = mantissa.replace(/^\+/, "").split(".");
  const scale = BigInt(part.length) - BigInt(exponent);
  const negative = whole.startsWith("-");
  const unsigned = BigInt(`${whole.replace("-", "")}${part}` || "0");
  const digits = negative ? -unsigned : unsigned;
  return scale < 0n ? { digits: digits * 10n ** -scale, scale: 0n } : { digits, scale };
}

function printed(digits: bigint, scale: bigint): string {
  let [value, decimals] = [digits < 0n ? -digits : digits, scale];
  if (decimals > DECIMALS) {
    const unit = 10n ** (decimals - DECIMALS);
    const rest = value % unit;
    value /= unit;
    // Half goes to the even one, as for a `long double`.
    if (rest * 2n > unit || (rest * 2n === unit && value % 2n === 1n)) value += 1n;
    decimals = DECIMALS;
  }
  const text = String(value).padStart(Number(decimals) + 1, "0");
  const whole = text.slice(0, text.length - Number(decimals));
  const part = text.slice(text.length - Number(decimals)).replace(/0+$/, "");
  const sign = digits < 0n && value > 0n ? "-" : "";
  return part === "" ? `${sign}${whole}` : `${sign}${whole}.${part}`;
}
