/**
 * What every upstream has to do, whatever database is behind it: one suite, run by each driver's test file
 * against the real thing.
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cbor } from "../../src/loader/codec.ts";
import { type Mutation, microsToStamp, type Row, toRow, type Upstream } from "../../src/loader/upstream.ts";
import { Random } from "../../src/testing/random.ts";
import { open } from "../../src/tidemark.ts";

export interface UpstreamBed {
  /** An upstream on the same rows as every other of this bed. */
  create(): Upstream<unknown>;
  /** False where the database decides by itself and does not say which rows were newer. */
  readonly reportsSuperseded?: boolean;
  /** False where the database cannot write on a condition, so that two that write at once may leave the older. */
  readonly isConditional?: boolean;
  /** How long a row's own expiry may take to show, in milliseconds. Default 0. */
  readonly expiryGrainMs?: number;
  /** False where the database has no empty keys. */
  readonly emptyKey?: boolean;
  dispose?(): Promise<void>;
}

const { signal } = new AbortController();
/** Commits as the write-behind does: what may be tried again is. */
async function insistently(upstream: Upstream<unknown>, batch: readonly Mutation[]): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    try {
      return [...((await upstream.commit!(batch, { signal })) ?? [])].sort();
    } catch (error) {
      if (tries === 20 || upstream.retryable?.(error) !== true) throw error;
    }
  }
}
const NEVER = Number.POSITIVE_INFINITY;
const text = (row: Row | undefined) =>
  row === undefined ? undefined : Buffer.from(row.value as never).toString();

/** The suite. `start` is called once; tests use keys of their own. */
export function upstreamConformance(name: string, start: () => Promise<UpstreamBed> | UpstreamBed): void {
  describe(`${name} as an upstream`, () => {
    let bed: UpstreamBed;
    let upstream: Upstream<unknown>;
    let keys = 0;
    /** A time ago: commits of a real host bear stamps of now, and rows may be purged by age. */
    const base = microsToStamp(Date.now() * 1_000);

    beforeAll(async () => {
      bed = await start();
      upstream = bed.create();
    });
    afterAll(async () => {
      await upstream?.close?.();
      await bed?.dispose?.();
    });

    const key = () => `key ${++keys}`;
    /** The stamp of a write; a step is more than a microsecond. */
    const at = (step: number, origin = "A") => ({ stamp: base + step * 10, origin });
    const put = (
      k: string,
      value: string | Uint8Array,
      step = 1,
      origin = "A",
      expiresAt = NEVER,
    ): Mutation => ({
      type: "put",
      key: k,
      value,
      expiresAt,
      ...at(step, origin),
    });
    const del = (k: string, step = 1, origin = "A"): Mutation => ({
      type: "delete",
      key: k,
      ...at(step, origin),
    });
    const load = async (k: string) => toRow(k, await upstream.load(k, { signal }));
    const commit = async (...batch: Mutation[]) => {
      const superseded = await upstream.commit!(batch, { signal });
      return [...(superseded ?? [])].sort();
    };
    const superseded = (...k: string[]) => (bed.reportsSuperseded === false ? [] : k);

    it("has no row for a key it never got", async () => {
      expect(await load(key())).toBeUndefined();
    });

    it("gives back what was put, text and bytes, the empty ones too", async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      for (const value of ["plain", "žluťoučký 🌊", "", bytes, new Uint8Array([0])]) {
        const k = key();
        await commit(put(k, value));
        expect(Buffer.from((await load(k))!.value as never)).toEqual(Buffer.from(value as never));
      }
    });

    it("takes any key", async () => {
      const odd = [
        "",
        " ",
        "a.b",
        ".a.",
        "a..b",
        "*",
        ">",
        "a=b",
        "žluť",
        "a/b\\c'\"",
        "\n\t",
        "k".repeat(400),
      ];
      if (bed.emptyKey === false) odd.shift();
      await commit(...odd.map((k, i) => put(k, `value ${i}`, 3)));
      for (const [i, k] of odd.entries()) expect([k, text(await load(k))]).toEqual([k, `value ${i}`]);
    });

    it("replaces and deletes", async () => {
      const k = key();
      await commit(put(k, "1", 1));
      await commit(put(k, "2", 2));
      expect(text(await load(k))).toBe("2");
      await commit(del(k, 3));
      expect(await load(k)).toBeUndefined();
      await commit(put(k, "3", 4));
      expect(text(await load(k))).toBe("3");
    });

    it("takes a batch of hundreds, puts and deletes together", async () => {
      const some = Array.from({ length: 500 }, key);
      await commit(...some.map((k) => put(k, `of ${k}`, 1)));
      await commit(...some.map((k, i) => (i % 2 === 0 ? del(k, 2) : put(k, `new ${k}`, 2))));
      expect(await load(some[0]!)).toBeUndefined();
      expect(text(await load(some[1]!))).toBe(`new ${some[1]}`);
    });

    it("loads several at once, leaving out those without a row", async () => {
      const [a, b, c] = [key(), key(), key()];
      await commit(put(a, "1"), put(c, "3"), del(b, 2));
      const found = await upstream.loadMany!([a, b, c, key()], { signal });
      const rows = [...found].flatMap(([k, row]) => (row == null ? [] : [[k, text(toRow(k, row))]]));
      expect(rows.sort()).toEqual([
        [a, "1"],
        [c, "3"],
      ]);
    });

    it("writes only over an older row, whoever comes last", async () => {
      const [a, b, c, d] = [key(), key(), key(), key()];
      await commit(put(a, "new", 5), put(b, "new", 5), del(c, 5), put(d, "old", 1));
      const late = await commit(put(a, "old", 4), del(b, 4), put(c, "old", 4), put(d, "new", 5));
      expect(late).toEqual(superseded(a, b, c).sort());
      expect(text(await load(a))).toBe("new");
      expect(text(await load(b))).toBe("new");
      expect(await load(c)).toBeUndefined();
      expect(text(await load(d))).toBe("new");
    });

    it("lets the greater origin win among equal stamps", async () => {
      if (bed.reportsSuperseded === false) return;
      const k = key();
      await commit(put(k, "of B", 1, "B"));
      expect(await commit(put(k, "of A", 1, "A"))).toEqual([k]);
      expect(text(await load(k))).toBe("of B");
      expect(await commit(put(k, "of C", 1, "C"))).toEqual([]);
      expect(text(await load(k))).toBe("of C");
    });

    it("takes the same write twice: an answer may have been lost", async () => {
      const k = key();
      await commit(put(k, "1"));
      expect(await commit(put(k, "1"))).toEqual([]);
      await commit(del(k, 2));
      expect(await commit(del(k, 2))).toEqual([]);
      expect(await load(k)).toBeUndefined();
    });

    it("keeps the newest of many writers at once", { timeout: 60_000 }, async () => {
      const random = new Random(7);
      const others = Array.from({ length: 4 }, () => bed.create());
      for (let round = 0; round < 5; round++) {
        const some = Array.from({ length: 5 }, key);
        const newest = (k: string) => (round % 2 === 0 ? put(k, "value 40", 40) : del(k, 40));
        const write = (step: number): Mutation[] =>
          random.shuffle(some).map((k) => (step === 40 ? newest(k) : put(k, `value ${step}`, step)));
        const steps = random.shuffle(Array.from({ length: 40 }, (_, i) => i + 1));
        const answers = await Promise.all(
          steps.map(async (step, i) => ({ step, late: await insistently(others[i % 4]!, write(step)) })),
        );
        if (bed.isConditional === false) {
          // It looks and then writes: what counts is that nothing older comes over what was written before the look.
          await commit(...some.map(newest));
        } else expect(answers.find(({ step }) => step === 40)!.late).toEqual([]);
        const shown = round % 2 === 0 ? "value 40" : undefined;
        for (const k of some) expect([round, text(await load(k))]).toEqual([round, shown]);
        expect(await commit(...write(39))).toEqual(superseded(...some).sort());
        for (const k of some) expect([round, text(await load(k))]).toEqual([round, shown]);
      }
      for (const other of others) await other.close?.();
    });

    it("carries a ttl, and answers nothing past it", async () => {
      const [long, short] = [key(), key()];
      const grain = bed.expiryGrainMs ?? 0;
      await commit(
        put(long, "1", 1, "A", Date.now() + 60_000),
        put(short, "1", 1, "A", Date.now() + Math.max(200, grain)),
      );
      const row = await load(long);
      expect(row!.ttlMs).toBeGreaterThan(50_000);
      expect(row!.ttlMs).toBeLessThanOrEqual(60_000 + grain);
      await delay(Math.max(250, 2 * grain));
      expect(await load(short)).toBeUndefined();
      await commit(put(long, "2", 2));
      expect((await load(long))!.ttlMs).toBeUndefined();
    });

    it("tells the stamp of a row, so that the next write gets a greater one", async () => {
      const k = key();
      await commit(put(k, "1", 7));
      const { stamp } = (await load(k))!;
      // Databases that count microseconds keep no more of it.
      expect(Math.abs(stamp! - at(7).stamp)).toBeLessThanOrEqual(5);
    });

    it("serves a host: what one updates, another loads", async () => {
      const [a, b] = [key(), key()];
      const { codec } = upstream;
      const value = codec === undefined ? "text" : { nested: ["text", 1] };
      await using one = await open({ upstream: bed.create() });
      await using two = await open({ upstream: bed.create() });
      await one.update<unknown>(a, () => value, { commit: "now" });
      await one.update<unknown>(b, () => value, { commit: { within: "1h" } });
      expect(await two.getOrLoad<unknown>(a)).toEqual(value);
      expect(await two.getOrLoad<unknown>(b)).toBeUndefined();
      await one.close();
      two.invalidate({ prefix: "" });
      expect(await two.getOrLoadMany<unknown>([a, b])).toEqual(
        new Map([
          [a, value],
          [b, value],
        ]),
      );
      await two.update<unknown>(a, () => undefined, { commit: "now" });
      expect(await load(a)).toBeUndefined();
    });

    it("closes, also without ever having been used", async () => {
      await bed.create().close?.();
    });
  });
}

/** For beds whose driver takes a codec. */
export const objects = cbor<unknown>();
