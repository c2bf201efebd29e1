/** Hosts over a real nats-server of which one comes to hold other data: found, told, mended. */
import { afterEach, describe, expect, it } from "vitest";
import type { ReplicationEvent } from "../../src/replication/replication-event.ts";
import { open, type Tidemark } from "../../src/tidemark.ts";
import { flipValue, loseKey } from "../unit/support/damage.ts";
import { natsServerForTests } from "./support/nats.ts";

const server = await natsServerForTests();
let hosts: Tidemark[] = [];
let fleets = 0;

afterEach(async () => {
  await Promise.all(hosts.map((host) => host.close()));
  hosts = [];
});

async function fleet(size: number): Promise<Tidemark[]> {
  const namespace = `audit${process.pid}-${++fleets}`;
  for (let i = 1; i <= size; i++) {
    const host = await open({ nats: server!.url, namespace, node: `n${i}`, joinWait: 150, heartbeat: 100 });
    hosts.push(host);
    await host.ready({ timeout: "10s" });
  }
  for (let i = 0; i < 5_000; i++) hosts[i % size]!.set(`key-${i}`, `value ${i}`);
  hosts[0]!.setAdd("set", ..."abcdefghij");
  for (const host of hosts) host.increment("count", 10);
  await level();
  return hosts;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function level(): Promise<void> {
  const same = (field: "vectorHash" | "digest") =>
    new Set(hosts.map((host) => host.status()[field])).size === 1;
  const ready = () => hosts.every((host) => host.status().state === "ready");
  await until(() => ready() && same("vectorHash") && same("digest"), "all hosts hold the same");
}

describe.skipIf(server === undefined)("a host that holds other data than two others", () => {
  it("takes over theirs, and says which keys differed", async () => {
    const [one, odd, three] = await fleet(3);
    const told: ReplicationEvent[] = [];
    odd!.on("replication", (batch) => told.push(...batch));
    const healed = new Promise<ReplicationEvent>((resolve) => {
      odd!.on("replication", (batch) => {
        for (const event of batch) if (event.type === "healed") resolve(event);
      });
    });
    loseKey(odd!, "key-77");
    loseKey(odd!, "set");
    expect(await healed).toMatchObject({
      node: "n2",
      differing: 2,
      keys: expect.arrayContaining(["key-77", "set"]),
    });
    await level();
    expect([odd!.get("key-77"), odd!.setSize("set"), odd!.get("count")]).toEqual(["value 77", 10, "30"]);
    expect(told.find(({ type }) => type === "divergence")).toMatchObject({ foundBy: "heartbeat" });
    expect(odd!.status().counts).toMatchObject({ healed: 1 });
    expect(three!.status().counts).toMatchObject({ healed: 0 });
    odd!.increment("count");
    odd!.set("key-77", "again");
    await level();
    expect(one!.get("count")).toBe("31");
    expect(one!.get("key-77")).toBe("again");
  });

  it("does so while everybody writes", async () => {
    const [, odd] = await fleet(3);
    loseKey(odd!, "key-78");
    let written = 0;
    await until(() => odd!.status().state !== "ready", "it is found");
    await until(() => {
      for (const host of hosts) {
        try {
          host.increment("busy");
          written++;
        } catch (error) {
          expect(error).toMatchObject({ code: "NOT_READY" });
        }
      }
      return odd!.status().counts.healed === 1 && odd!.status().state === "ready" && written > 300;
    }, "it is mended");
    await level();
    for (const host of hosts) expect(host.get("busy")).toBe(`${written}`);
    expect(odd!.get("key-78")).toBe("value 78");
  });
});

describe.skipIf(server === undefined)("a host whose memory is damaged", () => {
  it("finds it by itself and takes the data of another", async () => {
    const [one, odd] = await fleet(2);
    flipValue(odd!, "key-4321", "damaged");
    expect(odd!.status().digest).toBe(one!.status().digest);
    await until(() => odd!.status().counts.healed === 1, "it is mended");
    await level();
    expect(odd!.get("key-4321")).toBe("value 4321");
    expect(odd!.status()).toMatchObject({ reason: undefined, counts: { divergences: 1 } });
  });
});
