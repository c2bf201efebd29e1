import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BUCKETS, hashKey } from "../../../src/crdt/digest.ts";
import { type Account, Shard } from "../../../src/store/shard.ts";

const account = (): Account => ({ size: 0, bytes: 0, hollow: 0 });

function write(shard: Shard, key: string, seq: number, deadline: number): void {
  const found = shard.find(key);
  const slot = found < 0 ? shard.allocate(key, hashKey(key)) : found;
  shard.setValue(slot, `value of ${key}`, 3, seq, seq, deadline, false, 0);
}

describe("a shard", () => {
  it("finds all that expires within a time, whatever was written, moved and released before", () => {
    const op = fc.record({
      key: fc.nat(400),
      deadline: fc.oneof(fc.nat(1_000), fc.constant(Number.POSITIVE_INFINITY)),
      does: fc.constantFrom("write", "write", "write", "release", "look", "compact", "split"),
    });
    fc.assert(
      fc.property(fc.array(op, { minLength: 200, maxLength: 1_500 }), (ops) => {
        const total = account();
        let shards = [new Shard(0, BUCKETS, true, total)];
        const model = new Map<string, { seq: number; deadline: number }>();
        const of = (key: string): Shard => shards.find(({ end }) => hashKey(key) >>> 20 < end)!;
        ops.forEach(({ key: number, deadline, does }, seq) => {
          const key = `key:${number}`;
          if (does === "write") {
            write(of(key), key, seq, deadline);
            model.set(key, { seq, deadline });
          } else if (does === "release" && model.delete(key)) of(key).release(of(key).find(key));
          else if (does === "compact") shards = shards.map((shard) => shard.compacted());
          else if (does === "split" && shards.length < 8) shards = shards.flatMap((shard) => shard.split());
          else if (does === "look") {
            const to = Number.isFinite(deadline) ? deadline : 500;
            const found = shards.flatMap((shard) =>
              shard.plainWithin(3, seq - 50, to - 200, to).map((slot) => shard.keyAt(slot)),
            );
            const due = [...model].filter(
              ([, held]) => held.seq <= seq - 50 && held.deadline <= to && held.deadline >= to - 200,
            );
            expect(found.sort()).toEqual(due.map(([name]) => name).sort());
          }
        });
        for (const [key, { seq, deadline }] of model) {
          const slot = of(key).find(key);
          expect([of(key).valueAt(slot), of(key).originAt(slot), of(key).seqAt(slot)]).toEqual([
            `value of ${key}`,
            3,
            seq,
          ]);
          expect(of(key).deadlineAt(slot)).toBe(deadline);
          expect(of(key).nextDue(slot, deadline)).toBe(slot);
        }
        expect(total.size).toBe(model.size);
        for (const key of model.keys()) of(key).release(of(key).find(key));
        expect(total).toEqual(account());
      }),
      { numRuns: 100 },
    );
  });

  it("keeps flags and origin apart", () => {
    const shard = new Shard(0, BUCKETS, false, account());
    const slot = shard.allocate("key", hashKey("key"));
    shard.setValue(slot, "x", 70_000, 2 ** 40, 2 ** 50, 5, true, -1);
    for (let i = 0; i < 5; i++) shard.touch(slot);
    shard.tellExpiry(slot);
    expect([shard.originAt(slot), shard.seqAt(slot), shard.stampAt(slot), shard.contentHashAt(slot)]).toEqual(
      [70_000, 2 ** 40, 2 ** 50, -1],
    );
    expect([shard.isText(slot), shard.loadedAt(slot), shard.isState(slot), shard.expiryTold(slot)]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect([shard.takeUse(slot), shard.takeUses(slot), shard.takeUses(slot)]).toEqual([3, 2, 0]);
    shard.setValue(slot, Uint8Array.of(255), 1, 1, 1, 5, false, 0);
    expect([shard.isText(slot), shard.loadedAt(slot), shard.expiryTold(slot)]).toEqual([false, false, false]);
    expect(shard.originAt(slot)).toBe(1);
  });
});
