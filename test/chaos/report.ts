/** What a run came to, for people and for programs. */
import type { ChaosResult, RoundResult } from "./chaos.ts";

interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** One line for a round. */
export function inWords(round: RoundResult): string {
  const { convergedMs, healedMs, snapshots, keys, promised, spared, lost } = round;
  const memory = (round.mostLiveBytes / 1024 ** 2).toFixed(0);
  const how = snapshots > 0 ? `${snapshots} snapshots` : "logs";
  return (
    `round ${round.round}: converged ${healedMs.toFixed(0)} ms after healing began, ${convergedMs.toFixed(0)} after the servers had, ` +
    `by ${how}; ${keys} keys as the oracle says; ${promised} promises kept, ` +
    `${spared + lost} beyond what was promised (${lost} lost with all that had them); at most ${memory} MB live`
  );
}

/** The figures of a run; times in milliseconds. */
export function figuresOf({ seed, servers, tookMs, rounds, faults, workload, joinsMs }: ChaosResult) {
  const sum = (pick: (round: RoundResult) => number): number =>
    rounds.reduce((total, round) => total + pick(round), 0);
  const byLogs = rounds.filter(({ snapshots }) => snapshots === 0);
  const bySnapshots = rounds.filter(({ snapshots }) => snapshots > 0);
  const half = Math.ceil(rounds.length / 2);
  const mostLive = (some: readonly RoundResult[]): number =>
    Math.round(Math.max(0, ...some.map(({ mostLiveBytes }) => mostLiveBytes)) / 1024 ** 2);
  return {
    seed,
    servers: servers === "" ? "as they come" : servers,
    minutes: Number((tookMs / 60_000).toFixed(1)),
    rounds: rounds.length,
    faults,
    faultsInAll: Object.values(faults).reduce((total, count) => total + count, 0),
    ...workload,
    promisesKept: sum(({ promised }) => promised),
    beyondPromises: { there: sum(({ spared }) => spared), lost: sum(({ lost }) => lost) },
    convergedMs: {
      byLogs: spreadOf(byLogs.map(({ convergedMs }) => convergedMs)),
      bySnapshots: spreadOf(bySnapshots.map(({ convergedMs }) => convergedMs)),
    },
    convergedSinceHealingBeganMs: spreadOf(rounds.map(({ healedMs }) => healedMs)),
    readyMs: spreadOf(joinsMs),
    mostLiveMegabytes: {
      firstHalf: mostLive(rounds.slice(0, half)),
      secondHalf: mostLive(rounds.slice(half)),
    },
    mostResidentMegabytes: Math.round(
      Math.max(0, ...rounds.map(({ mostResidentBytes }) => mostResidentBytes)) / 1024 ** 2,
    ),
  };
}
