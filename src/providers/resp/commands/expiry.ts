/** When keys expire. */
import { type Command, ONE_KEY, type Session } from "../command.ts";
import { ReplyError } from "../failure.ts";

export type ExpiryUnit = "EX" | "PX" | "EXAT" | "PXAT";

/** The last moment that has an exact number; later ones, 285,000 years from now, are taken for it. */
const LAST_MOMENT = Number.MAX_SAFE_INTEGER;
const INT64_MAX = 2n ** 63n - 1n;
const LONGEST = "Of two concurrent ones on two hosts the longest wins.";

export const expiryCommands: readonly Command[] = [
  left("ttl", "1.0.0", "Answers the seconds until a key expires.", (at, now) =>
    Math.round((at - now) / 1_000),
  ),
  left("pttl", "2.6.0", "Answers the milliseconds until a key expires.", (at, now) => Math.ceil(at - now)),
  left("expiretime", "7.0.0", "Answers the second at which a key expires.", (at) =>
    Math.floor((at + 500) / 1_000),
  ),
  left("pexpiretime", "7.0.0", "Answers the millisecond at which a key expires.", (at) => at),
  until("expire", "EX", "1.0.0", "Lets a key expire after so many seconds."),
  until("pexpire", "PX", "2.6.0", "Lets a key expire after so many milliseconds."),
  until("expireat", "EXAT", "1.2.0", "Lets a key expire at a second."),
  until("pexpireat", "PXAT", "2.6.0", "Lets a key expire at a millisecond."),
  {
    name: "persist",
    arity: 2,
    flags: ["write", "fast"],
    group: "generic",
    keys: ONE_KEY,
    since: "2.2.0",
    summary: "Keeps a key from expiring.",
    run: ({ kv, args, out }) => out.bool(kv.persist(args.key(1))),
  },
];

/**
 * The moment that an amount of a unit means. Throws Redis's text where it lies beyond 64 bits, and, where it has
 * to be `positive`, where the amount is not.
 */
export function expiryAt(
  now: number,
  unit: ExpiryUnit,
  amount: number | bigint,
  command: string,
  positive: boolean,
): number {
  const wrong = () => new ReplyError(`ERR invalid expire time in '${command}' command`);
  if (positive && amount <= 0) throw wrong();
  const factor = unit === "EX" || unit === "EXAT" ? 1_000n : 1n;
  const ms = BigInt(amount) * factor;
  const from = unit === "EX" || unit === "PX" ? BigInt(Math.floor(now)) : 0n;
  const at = ms + from;
  if (ms > INT64_MAX || ms < -INT64_MAX - 1n || at > INT64_MAX) throw wrong();
  if (at > BigInt(LAST_MOMENT)) return LAST_MOMENT;
  return at < 0n ? 0 : Number(at);
}

function left(
  name: string,
  since: string,
  summary: string,
  shown: (at: number, now: number) => number,
): Command {
  return {
    name,
    arity: 2,
    flags: ["readonly", "fast"],
    group: "generic",
    keys: ONE_KEY,
    since,
    summary,
    run: ({ kv, args, out }) => {
      const at = kv.expiresAt(args.key(1));
      if (at === undefined) out.integer(-2);
      else if (at === Number.POSITIVE_INFINITY) out.integer(-1);
      else out.integer(Math.max(0, shown(at, kv.now())));
    },
  };
}

function until(name: string, unit: ExpiryUnit, since: string, summary: string): Command {
  return {
    name,
    arity: -3,
    flags: ["write", "fast"],
    group: "generic",
    keys: ONE_KEY,
    since,
    summary,
    differs: LONGEST,
    run: (session) => expire(session, name, unit),
  };
}

function expire({ kv, args, out }: Session, name: string, unit: ExpiryUnit): void {
  const key = args.key(1);
  const at = expiryAt(kv.now(), unit, args.int64(2), name, false);
  const allows = condition(args);
  const old = kv.expiresAt(key);
  out.bool(old !== undefined && allows(at, old) && kv.expireAt(key, at));
}

/** Whether a deadline may take the place of another, which is `Infinity` where there is none. */
function condition(args: Session["args"]): (at: number, old: number) => boolean {
  const words = new Set<string>();
  for (let index = 3; index < args.count; index++) {
    const word = args.word(index);
    if (!/^(NX|XX|GT|LT)$/.test(word))
      throw new ReplyError(`ERR Unsupported option ${args.raw(index).slice(0, 64)}`);
    words.add(word);
  }
  if (words.has("NX") && words.size > 1)
    throw new ReplyError("ERR NX and XX, GT or LT options at the same time are not compatible");
  if (words.has("GT") && words.has("LT"))
    throw new ReplyError("ERR GT and LT options at the same time are not compatible");
  return (at, old) => {
    const timed = old !== Number.POSITIVE_INFINITY;
    if (words.has("NX") && timed) return false;
    if (words.has("XX") && !timed) return false;
    if (words.has("GT") && at <= old) return false;
    return !words.has("LT") || at < old;
  };
}
