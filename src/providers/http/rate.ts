/** How often what costs something is answered, whoever asks: a bucket of tokens that fills as time goes by. */

/** Dashboards ask every few seconds; past this somebody hammers, and the host has better things to do. */
const PER_SECOND = 100;
const AT_ONCE = 200;

/** Answers whether one more may be answered now. */
export function rateLimit(now: () => number = () => performance.now()): () => boolean {
  let tokens = AT_ONCE;
  let at = now();
  return () => {
    const time = now();
    tokens = Math.min(AT_ONCE, tokens + ((time - at) * PER_SECOND) / 1_000);
    at = time;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}
