/**
 * What one seed is like. Every seed draws its own mix (swarm testing, Groce et al., 2012): some faults and
 * some operations off altogether, the others at rates of their own, because what is always a little of
 * everything never is much of anything.
 */
import type { Settings } from "../../src/options.ts";
import type { Random } from "../../src/testing/random.ts";
import type { DisturbanceName } from "./disturbances.ts";
import { DISTURBANCES } from "./disturbances.ts";
import { type OperationName, type Vocabulary, WEIGHTS } from "./operations.ts";
import type { Weather } from "./weather.ts";

/** How the run of a seed is set up. */
export interface Mix {
  readonly hosts: number;
  /** Joins do not go beyond. */
  readonly mostHosts: number;
  readonly vocabulary: Vocabulary;
  /** Milliseconds between operations, in the mean. */
  readonly operationEveryMs: number;
  /** How long writes and faults go on. */
  readonly safetyMs: number;
  /** Milliseconds between comparisons with the oracle, in the mean. */
  readonly checkEveryMs: number;
  /** Milliseconds between disturbances of each kind, in the mean. Absent kinds do not happen. */
  readonly disturbances: ReadonlyMap<DisturbanceName, number>;
  /** How long a disturbance lasts, in the mean. */
  readonly disturbanceMs: number;
  /** Probability that a host that sends an answer dies of it: what kills donors in mid-sync. */
  readonly donorDeath: number;
  readonly weather: Weather;
  /** Probability that a client watches the host it calls from then on. */
  readonly watching: number;
  /** How late the end of a host's turn may come, at most. */
  readonly lagMs: number;
  readonly settings: Partial<Settings>;
  /** Of each host, by index: what it may keep. */
  readonly bounds: readonly Partial<Settings>[];
  readonly network: { maxMessageBytes: number; echo: boolean; queue: { messages: number; bytes: number } };
}

/** Draws the mix of a seed: of everything something, or much of what seldom comes together by itself. */
export function drawMix(random: Random): Mix {
  const mix = drawAnything(random);
  const kind = random.next();
  const drawn =
    kind < 0.2 ? snapshotsAndDeaths(mix, random) : kind < 0.3 ? expiryAndDeaths(mix, random) : mix;
  return random.chance(0.35) ? evictions(drawn, random) : drawn;
}

/** Hosts of different sizes that let go of keys all the time, mostly beside one that keeps everything. */
function evictions(mix: Mix, random: Random): Mix {
  const one = (): Partial<Settings> => {
    if (random.chance(0.3)) return {};
    const eviction = random.pick(["lru", "s3fifo"] as const);
    return { maxEntries: random.integer(1, mix.vocabulary.keys.length), eviction };
  };
  const bounds = Array.from({ length: mix.mostHosts }, one);
  if (random.chance(0.75)) bounds[0] = {};
  // What can be let go are values.
  const weights = mix.vocabulary.weights.filter(([name]) => name !== "set");
  const vocabulary = { ...mix.vocabulary, weights: [...weights, ["set", random.magnitude(5, 40)] as const] };
  return { ...mix, bounds, vocabulary };
}

/**
 * Hosts that fall behind each other's logs all the time, snapshots in many small chunks that take long, and
 * donors that die with events that nobody else has.
 */
function snapshotsAndDeaths(mix: Mix, random: Random): Mix {
  return {
    ...mix,
    hosts: random.integer(3, 5),
    operationEveryMs: random.magnitude(8, 40),
    safetyMs: random.magnitude(4_000, 12_000),
    disturbances: new Map([
      ["crash", random.magnitude(500, 3_000)],
      ["join", random.magnitude(500, 5_000)],
      ["weather", 2_000],
    ]),
    disturbanceMs: random.magnitude(100, 1_000),
    donorDeath: random.magnitude(0.01, 0.2),
    weather: {
      loss: random.between(0.3, 0.95),
      losesOnlyEvents: random.chance(0.7),
      duplicate: 0,
      delayMs: random.magnitude(5, 200),
      reorder: random.chance(0.5) ? 0 : 0.1,
    },
    settings: {
      ...mix.settings,
      logBytes: Math.round(random.magnitude(150, 1_000)),
      chunkBytes: Math.round(random.magnitude(40, 300)),
      joinWaitMs: Math.round(random.magnitude(50, 300)),
    },
  };
}

/** Values that expire while those who wrote them are dead, and others have not heard all of them. */
function expiryAndDeaths(mix: Mix, random: Random): Mix {
  const names: OperationName[] = ["set", "setMany", "expire", "persist", "setAdd", "increment"];
  return {
    ...mix,
    hosts: random.integer(3, 5),
    vocabulary: {
      ...mix.vocabulary,
      weights: names.map((name) => [name, WEIGHTS[name] * random.magnitude(0.3, 3)]),
      longestTtl: random.magnitude(100, 5_000),
    },
    operationEveryMs: random.magnitude(60, 300),
    safetyMs: random.between(25_000, 45_000),
    disturbances: new Map([
      ["crash", random.magnitude(3_000, 12_000)],
      ["halves", random.magnitude(3_000, 10_000)],
      ["oneWay", random.magnitude(3_000, 10_000)],
      ["weather", 10_000],
    ]),
    disturbanceMs: random.magnitude(3_000, 15_000),
    settings: { ...mix.settings, ttlMs: Number.POSITIVE_INFINITY },
  };
}

function drawAnything(random: Random): Mix {
  const hosts = random.integer(2, random.chance(0.7) ? 4 : 7);
  const safetyMs = random.magnitude(3_000, 40_000);
  const vocabulary = drawVocabulary(random);
  return {
    hosts,
    mostHosts: 7,
    vocabulary,
    operationEveryMs: random.magnitude(10, 250),
    safetyMs,
    checkEveryMs: safetyMs / random.integer(4, 12),
    disturbances: drawDisturbances(random),
    disturbanceMs: random.magnitude(200, 8_000),
    donorDeath: random.chance(0.3) ? random.magnitude(0.002, 0.1) : 0,
    weather: {
      loss: random.chance(0.35) ? 0 : random.magnitude(0.005, 0.5),
      losesOnlyEvents: random.chance(0.2),
      duplicate: random.chance(0.5) ? 0 : random.magnitude(0.01, 0.5),
      delayMs: random.chance(0.3) ? 1 : random.magnitude(2, 3_000),
      reorder: random.chance(0.5) ? 0 : random.magnitude(0.01, 0.5),
    },
    watching: random.chance(0.5) ? 0 : 0.02,
    lagMs: random.chance(0.6) ? 0 : random.magnitude(0.1, 50),
    settings: drawSettings(random, vocabulary.largest),
    bounds: [],
    network: {
      maxMessageBytes: random.chance(0.6) ? 1024 * 1024 : Math.round(random.magnitude(600, 64_000)),
      echo: random.chance(0.2),
      queue: {
        messages: Math.round(random.magnitude(5, 20_000)),
        bytes: Math.round(random.magnitude(2_000, 64 * 1024 * 1024)),
      },
    },
  };
}

function drawVocabulary(random: Random): Vocabulary {
  // The bucket of the last one follows that of "c": two keys apart at the edge of what an image has given.
  const keys = ["a", "b", "c", "p:a", "p:b", "p:q:a", "grün", "d6s"];
  const names = Object.keys(WEIGHTS) as OperationName[];
  const chosen = names.filter(() => random.chance(0.55));
  // What only removes needs something that adds.
  if (!chosen.includes("set")) chosen.push(random.pick(["set", "increment", "setAdd", "listPush"]));
  return {
    keys: random.shuffle(keys).slice(0, random.integer(2, 8)),
    weights: [...new Set(chosen)].map((name) => [name, WEIGHTS[name] * random.magnitude(0.2, 5)]),
    largest: random.chance(0.7) ? 60 : random.magnitude(100, 20_000),
    longestTtl: random.chance(0.5) ? random.magnitude(50, 2_000) : random.magnitude(2_000, 60_000),
  };
}

function drawDisturbances(random: Random): Map<DisturbanceName, number> {
  const chosen = DISTURBANCES.filter(() => random.chance(0.4));
  return new Map(chosen.map((name) => [name, random.magnitude(800, 20_000)]));
}

function drawSettings(random: Random, largestValue: number): Partial<Settings> {
  const tight = random.chance(0.5);
  const ttlMs = random.chance(0.8) ? Number.POSITIVE_INFINITY : Math.round(random.magnitude(100, 20_000));
  const ttlFrom = ttlMs < Number.POSITIVE_INFINITY && random.chance(0.4) ? "write" : "creation";
  // A request for a snapshot has to fit into four times this, and so has a chunk of it.
  const leastInbox = 6_000 + 10 * largestValue;
  return {
    logBytes: tight ? Math.round(random.magnitude(200, 5_000)) : 64 * 1024 * 1024,
    frameBytes: random.chance(0.5) ? 32 * 1024 : Math.round(random.magnitude(1, 2_000)),
    chunkBytes: random.chance(0.4) ? 256 * 1024 : Math.round(random.magnitude(50, 4_000)),
    inboxBytes: random.chance(0.5) ? 16 * 1024 * 1024 : leastInbox + Math.round(random.magnitude(1, 20_000)),
    maxUnconfirmedBytes: random.chance(0.8) ? 64 * 1024 * 1024 : Math.round(random.magnitude(2_000, 100_000)),
    heartbeatMs: random.chance(0.4) ? undefined : Math.round(random.magnitude(100, 2_000)),
    joinWaitMs: Math.round(random.magnitude(50, 1_500)),
    ttlMs,
    ttlFrom,
  } as Partial<Settings>;
}
