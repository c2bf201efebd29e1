/**
 * Damage after damage, one host at a time, while all of them write and the network loses messages: every time
 * the odd one takes over what the others hold, and nothing of what was accepted is lost or counted twice.
 */
import { expect, it } from "vitest";
import type { Host } from "../../../src/host.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import { flipValue, loseKey, storeOf } from "../support/damage.ts";
import { digestsFromScratch } from "../support/site.ts";

const KEYS = ["a", "b", "c", "d", "e"];
const SEEDS = Number(process.env.TIDEMARK_SEEDS ?? 4);

/** One write of any kind; increments of `sum` are counted, and that key is never deleted. */
function write(host: Host, random: Random): number {
  const key = KEYS[random.integer(0, KEYS.length - 1)]!;
  const value = `${random.integer(0, 20)}`;
  try {
    switch (random.integer(0, 9)) {
      case 0:
        host.delete(`n${key}`, `s${key}`);
        break;
      case 1:
        host.setRemove(`s${key}`, value);
        break;
      case 2:
      case 3:
        host.setAdd(`s${key}`, value);
        break;
      case 4:
        host.listPush(`l${key}`, value);
        if (host.listLength(`l${key}`) > 20) host.listTrim(`l${key}`, 5, -1);
        break;
      case 5:
        host.increment(`n${key}`, random.integer(-5, 5));
        break;
      case 6:
        host.expire(`v${key}`, random.integer(100, 5_000));
        break;
      case 7:
        host.clear({ prefix: `v${key}` });
        break;
      case 8:
        host.set(`v${key}`, value, random.chance(0.3) ? { ttl: random.integer(50, 4_000) } : {});
        break;
      default:
        host.increment("sum");
        return 1;
    }
  } catch (error) {
    // Between its damage and its discovery a host may see a key otherwise than the others.
    expect(["NOT_READY", "WRONG_TYPE"]).toContain((error as { code: string }).code);
  }
  return 0;
}

function damage(host: Host, random: Random): void {
  const keys = [...host.keys()].filter((key) => key !== "sum" || random.chance(0.5));
  if (keys.length === 0) return;
  const key = keys[random.integer(0, keys.length - 1)]!;
  const store = storeOf(host);
  const shard = store.shards.of(key);
  if (random.chance(0.4) && !shard.isState(shard.find(key))) flipValue(host, key, "damaged");
  else loseKey(host, key);
  if (random.chance(0.3)) loseKey(host, keys[0]!);
}

it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
  "seed %i",
  (seed) => {
    const random = new Random(seed);
    const cluster = new VirtualCluster({
      seed,
      options: { heartbeat: "500ms" },
      settings: { chunkBytes: 200, ...(random.chance(0.5) ? { logBytes: 4_000 } : {}) },
    });
    for (let i = 0; i < 3; i++) cluster.add();
    cluster.settle();
    let sum = 0;
    const busy = (steps: number): void => {
      for (let step = 0; step < steps; step++) {
        for (const host of cluster.hosts) if (random.chance(0.4)) sum += write(host, random);
        cluster.run(random.integer(1, 60));
      }
    };
    let healed = 0;
    const healedBy = (): number =>
      cluster.hosts.reduce((total, host) => total + host.status().counts.healed, 0);
    for (let round = 0; round < 6; round++) {
      cluster.loss(random.chance(0.5) ? 0.1 : 0);
      busy(40);
      cluster.heal();
      cluster.run("3s");
      cluster.settle();
      damage(cluster.hosts[random.integer(0, 2)]!, random);
      const before = healedBy();
      // The load begins with the damage, or with its discovery, or not at all.
      const load = random.pick(["at once", "on discovery", "none"]);
      const allReady = (): boolean => cluster.hosts.every((host) => host.status().state === "ready");
      if (load !== "at once") for (let step = 0; step < 200 && allReady(); step++) cluster.run(20);
      if (load !== "none") {
        cluster.loss(0.1);
        busy(60);
        cluster.heal();
      }
      // A host rests a minute, then two, … between two takeovers.
      cluster.run("20s");
      if (!cluster.settled()) cluster.run("35m");
      cluster.settle();
      // None where a write had mended it before; a second one would mend what the first one spoilt.
      expect(healedBy() - before).toBeLessThanOrEqual(1);
      healed = healedBy();
    }
    expect(healed).toBeGreaterThan(2);
    for (const host of cluster.hosts) {
      expect(host.get("sum")).toBe(`${sum}`);
      expect(digestsFromScratch(storeOf(host)).root()).toBe(host.status().digest);
      expect(host.status().counts.rejected).toBe(0);
      expect(host.inspect()).toMatchObject({ needs: 0, inboxFrames: 0 });
    }
    for (let index = 0; index < 3; index++) cluster.crash(index);
  },
  120_000,
);
