/** The promise as it can be observed: each thing that `status()` and the event stream tell of is provoked here. */
import { afterEach, describe, expect, it } from "vitest";
import type { ReplicationEvent } from "../../../src/replication/replication-event.ts";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import type { Tidemark } from "../../../src/tidemark.ts";

let cluster: VirtualCluster;
let events: ReplicationEvent[];

function begin(hosts: number, settings = {}): Tidemark[] {
  cluster = new VirtualCluster({ options: { heartbeat: "1s" }, settings });
  const these = Array.from({ length: hosts }, () => cluster.add());
  cluster.settle();
  events = [];
  these[0]!.on("replication", (batch) => events.push(...batch));
  return these;
}

afterEach(() => cluster[Symbol.asyncDispose]());

type Type = ReplicationEvent["type"];
const told = <T extends Type>(type: T) =>
  events.filter((event): event is ReplicationEvent & { type: T } => event.type === type);
const silence = (from: number, to: number) =>
  cluster.network.links.change(
    { loss: 1, lossOn: ["ev"] },
    { from: `host-${from + 1}`, to: `host-${to + 1}` },
  );
const hear = (from: number, to: number) =>
  cluster.network.links.change(
    { loss: 0, lossOn: ["ev"] },
    { from: `host-${from + 1}`, to: `host-${to + 1}` },
  );

describe("a host tells", () => {
  it("of a gap, and of the replay that closed it", () => {
    const [reader, writer] = begin(2);
    silence(1, 0);
    writer!.set("a", "1");
    writer!.set("b", "2");
    cluster.run("3s");
    expect(told("gap")).toEqual([
      { type: "gap", at: expect.any(Number), origin: writer!.incarnation, applied: 0, known: 2 },
    ]);
    expect(told("replay")).toEqual([
      expect.objectContaining({
        origin: writer!.incarnation,
        from: writer!.incarnation,
        events: 2,
        tookMs: expect.any(Number),
      }),
    ]);
    expect(reader!.status()).toMatchObject({
      counts: { gaps: 1, replaysRequested: 1 },
      lastRepair: { kind: "replay", events: 2 },
    });
    expect(writer!.status().counts.replaysServed).toBe(1);
  });

  it("of a snapshot, where no log reaches back", () => {
    const [reader, writer] = begin(2, { logBytes: 100 });
    silence(1, 0);
    for (let i = 0; i < 50; i++) {
      writer!.set(`key-${i}`, "x".repeat(50));
      cluster.run(1);
    }
    cluster.run("3s");
    expect(told("snapshot")).toEqual([expect.objectContaining({ from: writer!.incarnation, events: 50 })]);
    expect(reader!.status()).toMatchObject({
      counts: { snapshotsInstalled: 1 },
      lastRepair: { kind: "snapshot" },
    });
    expect(writer!.status().counts.snapshotsServed).toBeGreaterThan(0);
  });

  it("how far behind each host is, in events and in milliseconds", () => {
    const [writer] = begin(2);
    cluster.oneWay(0, 1);
    for (let i = 0; i < 7; i++) writer!.set("key", `${i}`);
    cluster.run("2500ms");
    const behind = writer!.status().hosts[0]!;
    expect(behind.behindEvents).toBe(7);
    expect(behind.behindMs).toBeGreaterThan(1_400);
    expect(behind.behindMs).toBeLessThan(2_600);
    cluster.heal();
    cluster.run("3s");
    expect(writer!.status().hosts[0]).toMatchObject({ behindEvents: 0, behindMs: 0 });
  });

  it("that a host died with a hole in its events, and what is given up for it", () => {
    const [reader, , writer] = begin(3);
    silence(2, 0);
    silence(2, 1);
    writer!.set("lost", "1");
    cluster.run(5);
    hear(2, 0);
    hear(2, 1);
    writer!.set("beyond", "2");
    cluster.run(5);
    cluster.crash(2);
    cluster.run("22m");
    expect(reader!.get("beyond")).toBeUndefined();
    expect(told("final")).toEqual([
      expect.objectContaining({ origin: writer!.incarnation, applied: 0, known: 2 }),
    ]);
    expect(reader!.status()).toMatchObject({ counts: { finals: 1 }, inboxBytes: 0 });
  });

  it("that a clock is far off, and that it is near again", () => {
    const [reader, other] = begin(2);
    cluster.skewClock(1, 60_000);
    cluster.run("30s");
    expect(reader!.status().hosts[0]!.clockOffsetMs).toBeGreaterThan(59_000);
    expect(told("clock")).toEqual([expect.objectContaining({ node: other!.node, far: true })]);
    cluster.skewClock(1, 0);
    cluster.run("40s");
    expect(told("clock").at(-1)).toMatchObject({ node: other!.node, far: false });
    expect(Math.abs(reader!.status().hosts[0]!.clockOffsetMs)).toBeLessThan(100);
  });

  it("at the end of a turn and in one batch; of too many only how many there were", () => {
    const [reader] = begin(2);
    const batches: number[] = [];
    reader!.on("replication", (batch) => batches.push(batch.length));
    const evil = cluster.network.transport("evil");
    const nothing = (): void => undefined;
    const self = { node: "evil", incarnation: "01EVIL" };
    evil.start(self, { connected: nothing, disconnected: nothing, refused: nothing, received: nothing });
    cluster.run(10);
    for (let i = 0; i < 1_500; i++) evil.publish("ev", { ...self, node: `evil-${i}` }, Uint8Array.of(0xff));
    cluster.run(10);
    expect(batches).toEqual([1_000]);
    expect(events.at(-1)).toMatchObject({ type: "missed", count: 501 });
    expect(reader!.status().quarantine).toHaveLength(128);
    expect(reader!.status().counts.rejected).toBe(1_500);
  });
});

it("a listener that throws harms nobody: it is reported, and the others hear", async () => {
  const [reader, writer] = begin(2);
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  reader!.on("replication", () => {
    throw new Error("a listener's own trouble");
  });
  silence(1, 0);
  writer!.set("a", "1");
  cluster.run("3s");
  expect(told("gap")).toHaveLength(1);
  expect((await warned).message).toBe("a listener's own trouble");
  expect(reader!.get("a")).toBe("1");
});

it("who stops listening hears no more", () => {
  const [reader, writer] = begin(2);
  let calls = 0;
  const stop = reader!.on("replication", () => calls++);
  stop();
  silence(1, 0);
  writer!.set("a", "1");
  cluster.run("3s");
  expect(told("gap")).toHaveLength(1);
  expect(calls).toBe(0);
});
