/** One load per key among many callers, write-behind, and what a hot key costs. Parts can be chosen. */
import { open } from "../../dist/index.js";
import { packageVersion } from "../rig/report.js";
import { median, pairedRatio } from "../rig/statistics.js";
import { countedSource, PACKAGES, SUBJECTS } from "./subjects.js";

export const PARTS = { burst: measureBurst, updates: measureUpdates, hot: measureHot };

export async function run({ quick, parts, say }) {
  const tables = [];
  for (const part of parts.length === 0 ? Object.keys(PARTS) : parts) {
    tables.push(await PARTS[part]({ quick, say }));
  }
  const versions = {};
  for (const name of PACKAGES) versions[name] = await packageVersion(name);
  return { tables, versions };
}

/** So many callers of so many cold keys, all in one turn. */
async function measureBurst({ quick, say }) {
  const repeats = quick ? 1 : 15;
  const callers = 10_000;
  const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`);
  const names = Object.keys(SUBJECTS);
  const passes = new Map(names.map((name) => [name, []]));
  // The first passes warm up.
  for (let repeat = quick ? 0 : -3; repeat < repeats; repeat++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + repeat + 3) % names.length];
      const source = countedSource();
      const subject = await SUBJECTS[name](source);
      const cpuBefore = process.cpuUsage();
      const startedAt = performance.now();
      const answers = await Promise.all(
        Array.from({ length: callers }, (_, caller) => subject.get(keys[caller % keys.length])),
      );
      const ms = performance.now() - startedAt;
      const cpu = cpuMsSince(cpuBefore);
      if (answers.some((answer, caller) => answer !== `value of ${keys[caller % keys.length]}`))
        throw new Error(`${name} answered wrongly`);
      await subject.end();
      if (repeat >= 0) passes.get(name).push({ ms, cpu, calls: source.calls, keys: source.keys });
    }
  }
  const of = (name, what) => passes.get(name).map((pass) => pass[what]);
  say(`burst: ${names.map((name) => `${name} ${median(of(name, "cpu")).toFixed(1)} ms`).join(", ")}`);
  return {
    title: "10,000 callers of 100 cold keys at once, in front of a source that takes 1 ms",
    columns: ["", "calls of the source", "keys loaded", "ms to all answers", "ms of processor time"],
    rows: names.map((name) => [
      name,
      median(of(name, "calls")),
      median(of(name, "keys")),
      median(of(name, "ms")),
      median(of(name, "cpu")),
    ]),
    goals: [],
    notes: [`medians of ${repeats} passes by turns`],
  };
}

/** Updates that are committed within a second, in batches, to a source that takes a millisecond for each. */
async function measureUpdates({ quick, say }) {
  const updates = quick ? 50_000 : 1_000_000;
  const keys = Array.from({ length: 10_000 }, (_, index) => `key ${index}`);
  const repeats = quick ? 1 : 3;
  const passes = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const committed = new Map();
    const kv = await open({
      upstream: {
        load: () => "0",
        commit: async (batch) => {
          await new Promise((resolve) => setTimeout(resolve, 1));
          for (const { key, value } of batch) committed.set(key, value);
        },
      },
    });
    await kv.getOrLoadMany(keys);
    const change = (value) => String(Number(value) + 1);
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    for (let i = 0; i < updates; i++) {
      await kv.update(keys[i % keys.length], change, { commit: { within: "1s" } });
      // As a program does that hears of its visits from somewhere: without it no timer would ever run.
      if (i % 256 === 0) await new Promise(setImmediate);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = cpuMsSince(cpuBefore) / 1_000;
    await kv.close();
    const { commits, committedKeys, largestBatch } = kv.status().loader;
    const right = keys.every((key) => Number(committed.get(key)) === updates / keys.length);
    if (!right) throw new Error("not every update was committed");
    passes.push({ seconds, cpu, commits, committedKeys, largestBatch });
    say(`updates: ${Math.round(updates / seconds)} a second, ${committedKeys} rows in ${commits} commits`);
  }
  const of = (what) => median(passes.map((pass) => pass[what]));
  return {
    title: `${updates.toLocaleString("en-US")} updates of 10,000 keys, each to be committed within 1 s`,
    columns: [
      "",
      "updates per second",
      "per second of processor time",
      "calls of commit",
      "rows committed",
      "largest batch",
    ],
    rows: [
      [
        "tidemark",
        updates / of("seconds"),
        updates / of("cpu"),
        of("commits"),
        of("committedKeys"),
        of("largestBatch"),
      ],
    ],
    goals: [],
    notes: [`medians of ${repeats} passes, one process, each update awaited`],
  };
}

function cpuMsSince(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** What `await getOrLoad` of a key that is there costs, beside `get` and beside the peers' way to it. */
async function measureHot({ quick, say }) {
  const count = quick ? 20_000 : 200_000;
  const repeats = quick ? 1 : 7;
  const kv = await open({ upstream: () => "value" });
  await kv.getOrLoad("hot");
  const ways = new Map([
    [
      "tidemark get",
      async () => {
        let length = 0;
        for (let i = 0; i < count; i++) length += kv.get("hot").length;
        return length;
      },
    ],
    [
      "await of a value that is there",
      async () => {
        let length = 0;
        for (let i = 0; i < count; i++) length += (await "value").length;
        return length;
      },
    ],
  ]);
  const ends = [];
  for (const [name, make] of Object.entries(SUBJECTS)) {
    const subject = await make(countedSource());
    await subject.get("hot");
    ends.push(subject.end);
    ways.set(name, async () => {
      let length = 0;
      for (let i = 0; i < count; i++) length += (await subject.get("hot")).length;
      return length;
    });
  }
  const passes = new Map([...ways.keys()].map((name) => [name, []]));
  for (let repeat = -1; repeat < repeats; repeat++) {
    for (const [name, way] of ways) {
      const cpuBefore = process.cpuUsage();
      if ((await way()) === 0) throw new Error(`${name} answered nothing`);
      if (repeat >= 0) passes.get(name).push((cpuMsSince(cpuBefore) * 1e6) / count);
    }
  }
  await kv.close();
  for (const end of ends) await end();
  say(`hot: ${[...passes].map(([name, all]) => `${name} ${Math.round(median(all))} ns`).join(", ")}`);
  return {
    title: "A key that is there, nanoseconds of processor time",
    columns: ["", "ns", "times tidemark get"],
    rows: [...passes].map(([name, all]) => [name, median(all), pairedRatio(all, passes.get("tidemark get"))]),
    goals: [],
    notes: [`medians of ${repeats} passes by turns; all but get are awaited, one after the other`],
  };
}
