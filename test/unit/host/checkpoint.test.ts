/** What a host keeps outlives it, and what cannot be taken is named and harms nobody. */
import { describe, expect, it } from "vitest";
import { createHost, type Host } from "../../../src/host.ts";
import { type OpenOptions, resolveSettings } from "../../../src/options.ts";
import type { ReplicationEvent } from "../../../src/replication/replication-event.ts";
import { Random } from "../../../src/testing/random.ts";
import { VirtualCluster } from "../../../src/testing/virtual-cluster.ts";
import { VirtualTime } from "../../../src/testing/virtual-time.ts";
import { VirtualWorld } from "../../../src/testing/virtual-world.ts";
import { type DiskFaults, VirtualDisk } from "../../simulation/virtual-disk.ts";
import { CountingUpstream } from "../support/counting-upstream.ts";

const PATH = "/data/kept";
const SOUND: DiskFaults = { latencyMs: 1, failure: 0, damage: 0 };

/** A machine with one disk on which one standalone host runs at a time. */
class Machine {
  readonly time = new VirtualTime();
  readonly #random = new Random(1);
  readonly #after = (delayMs: number, task: () => void): void => void this.time.after(delayMs, task);
  #world: VirtualWorld | undefined;
  disk = this.diskWith(SOUND);

  diskWith(faults: DiskFaults): VirtualDisk {
    return new VirtualDisk(this.#after, this.#random.fork(), faults);
  }

  async start(options: OpenOptions = {}): Promise<Host> {
    this.#world?.kill();
    this.#world = new VirtualWorld(this.time, this.#random.fork());
    const settings = resolveSettings({ node: "alone", checkpoint: { path: PATH, every: "10s" }, ...options });
    const host = createHost(settings, this.#world, undefined, {}, this.disk.boot());
    await this.until(host.opened());
    return host;
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left--) {
      this.time.run(1);
      for (let turn = 0; turn < 20; turn++) await null;
    }
  }

  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    for (let ms = 0; ms < 60_000 && !settled; ms++) await this.pass(1);
    return promise;
  }

  get file(): Uint8Array | undefined {
    return this.disk.files.get(PATH)?.bytes;
  }
}

function told(host: Host): ReplicationEvent[] {
  const events: ReplicationEvent[] = [];
  host.on("replication", (batch) => events.push(...batch));
  return events;
}

describe("a standalone host", () => {
  it("commits after a crash what its last checkpoint says was due", async () => {
    const machine = new Machine();
    const upstream = new CountingUpstream();
    const before = await machine.start({ upstream });
    await machine.until(before.update("key", () => "value", { commit: { within: "1m" } }));
    await machine.until(before.update("gone", () => undefined, { commit: { within: "1m" } }));
    upstream.rows.set("gone", "old");
    await machine.pass(15_000);
    expect(before.status().loader).toMatchObject({ dirty: 2, commits: 0 });
    const after = await machine.start({ upstream });
    expect(after.get("key")).toBe("value");
    expect(after.status().loader!.dirty).toBe(2);
    await machine.pass(60_000);
    expect([...upstream.rows]).toEqual([["key", "value"]]);
    expect(after.status().loader!.dirty).toBe(0);
    await machine.until(after.close());
  });

  it("holds after close and a new start what it held, as another incarnation", async () => {
    const machine = new Machine();
    const before = await machine.start();
    before.set("text", "v");
    before.set("soon", "gone", { ttl: "1s" });
    before.set("later", "here", { ttl: "1h" });
    before.setAdd("set", "a", "b");
    before.listPush("list", "x", "y");
    before.increment("counter", 7);
    before.delete("text");
    before.set("text", "w");
    await machine.until(before.close());
    await machine.pass(2_000);
    const after = await machine.start();
    expect(after.get("text")).toBe("w");
    expect([after.get("soon"), after.has("soon")]).toEqual([undefined, false]);
    expect(after.ttl("later")).toBeLessThan(3_600_000 - 2_000);
    expect(after.setMembers("set").sort()).toEqual(["a", "b"]);
    expect(after.listRange("list")).toEqual(["x", "y"]);
    expect(after.increment("counter", 1)).toBe(8);
    expect(after.incarnation).not.toBe(before.incarnation);
    expect(after.token()).toEqual({ incarnation: after.incarnation, seq: 1 });
    expect(after.inspect().keys.get("counter")!.cells).toHaveLength(2);
    expect(after.status().checkpoint).toMatchObject({ loadedEvents: 10, refused: undefined, failures: 0 });
  });

  it("holds after kill -9 what it held at the last checkpoint", async () => {
    const machine = new Machine();
    const before = await machine.start();
    before.set("early", "v");
    await machine.pass(10_200);
    expect(before.status().checkpoint).toMatchObject({ saved: 1, failures: 0 });
    before.set("late", "v");
    before.crash();
    const after = await machine.start();
    expect([...after.keys()]).toEqual(["early"]);
  });

  it("writes nothing as long as nothing changes", async () => {
    const machine = new Machine();
    const host = await machine.start();
    host.set("key", "v");
    await machine.pass(35_000);
    expect(host.status().checkpoint!.saved).toBe(1);
    await machine.until(host.close());
    const again = await machine.start();
    await machine.pass(25_000);
    expect(again.status().checkpoint!.saved).toBe(0);
  });

  it("is empty before its checkpoint is loaded, and writes nothing", async () => {
    const machine = new Machine();
    const before = await machine.start();
    for (let i = 0; i < 50; i++) before.set(`key-${i}`, "v");
    await machine.until(before.close());
    const world = new VirtualWorld(machine.time, new Random(9));
    const settings = resolveSettings({ node: "alone", checkpoint: { path: PATH } });
    const host = createHost(settings, world, undefined, {}, machine.disk.boot());
    expect(host.status()).toMatchObject({ state: "loading", reason: "it is reading its checkpoint" });
    expect(() => host.set("key-1", "w")).toThrow(expect.objectContaining({ code: "NOT_READY" }));
    await machine.until(host.ready());
    expect([host.size, host.status().state]).toEqual([50, "standalone"]);
  });

  it("moves a damaged file aside, names it, and begins with nothing", async () => {
    const machine = new Machine();
    const before = await machine.start();
    for (let i = 0; i < 50; i++) before.set(`key-${i}`, "v");
    await machine.until(before.close());
    machine.file![machine.file!.length - 30]! ^= 1;
    const after = await machine.start();
    expect([after.size, after.status().digest]).toEqual([0, "0".repeat(16)]);
    const { refused, loadedEvents } = after.status().checkpoint!;
    expect(refused).toMatchObject({ code: "CHECKPOINT_REFUSED" });
    expect(refused!.message).toMatch(
      /the checkpoint \/data\/kept is not taken: .*moved to \/data\/kept.damaged/,
    );
    expect([loadedEvents, [...machine.disk.files.keys()]]).toEqual([undefined, [`${PATH}.damaged`]]);
    after.set("new", "v");
    await machine.until(after.close());
    expect((await machine.start()).get("new")).toBe("v");
  });

  it("leaves the file of another namespace alone, and says so for as long as it cannot keep anything", async () => {
    const machine = new Machine();
    const other = await machine.start({ namespace: "other" });
    other.set("theirs", "v");
    await machine.until(other.close());
    const theirs = machine.file;
    const host = await machine.start();
    const events = told(host);
    expect(host.status().checkpoint!.refused!.message).toMatch(
      /it is of the namespace other; it is left where/,
    );
    host.set("ours", "v");
    await machine.pass(12_000);
    expect(host.status().checkpoint!.error).toMatchObject({ code: "CHECKPOINT_FAILED" });
    expect(events).toContainEqual(expect.objectContaining({ type: "checkpoint-failed", path: PATH }));
    await expect(machine.until(host.close())).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });
    expect(machine.file).toEqual(theirs);
    expect((await machine.start({ namespace: "other" })).get("theirs")).toBe("v");
  });

  it("refuses what holds more than it may take, whole, and leaves it", async () => {
    const machine = new Machine();
    const before = await machine.start();
    before.set("a", "small");
    before.set("b", "x".repeat(2_000));
    await machine.until(before.close());
    const after = await machine.start({ maxValueBytes: 1_000 });
    expect([after.size, after.status().checkpoint!.refused!.message]).toEqual([
      0,
      expect.stringContaining("maxValueBytes"),
    ]);
    expect(machine.file).toBeDefined();
  });

  it("goes on with a disk that is full, says what to do, and writes when there is room again", async () => {
    const machine = new Machine();
    machine.disk = machine.diskWith({ ...SOUND, failure: 1 });
    const host = await machine.start();
    const events = told(host);
    host.set("key", "v");
    await machine.pass(15_000);
    const { failures, error } = host.status().checkpoint!;
    expect(failures).toBeGreaterThan(1);
    expect(error).toMatchObject({ code: "CHECKPOINT_FAILED" });
    expect(error!.message).toMatch(/let this process write in that folder. It is tried again/);
    expect(events.filter(({ type }) => type === "checkpoint-failed")).toHaveLength(failures);
    expect(host.get("key")).toBe("v");
    expect([...machine.disk.files.keys()]).toEqual([]);
    await expect(machine.until(host.close())).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });
  });

  it("tells of every checkpoint", async () => {
    const machine = new Machine();
    const host = await machine.start();
    const events = told(host);
    host.set("key", "v");
    await machine.pass(10_200);
    expect(events).toMatchObject([{ type: "checkpoint", path: PATH, bytes: machine.file!.length }]);
  });

  it("removes what an earlier start left unfinished", async () => {
    const machine = new Machine();
    const left = `${PATH}.01ABC.writing`;
    machine.disk.files.set(left, { bytes: Uint8Array.of(1), synced: 1 });
    await machine.start();
    expect([...machine.disk.files.keys()]).toEqual([]);
  });
});

describe("a replicated host", () => {
  it("asks the others for nothing but what is newer", async () => {
    const disks: VirtualDisk[] = [];
    const random = new Random(4);
    const cluster: VirtualCluster = new VirtualCluster({
      seed: 3,
      options: { checkpoint: { path: PATH, every: "1s" }, joinWait: "100ms" },
      disk: (index) => {
        const after = (delayMs: number, task: () => void): void => void cluster.time.after(delayMs, task);
        disks[index] ??= new VirtualDisk(after, random.fork(), SOUND);
        return disks[index].boot();
      },
    });
    const settled = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 5) {
        cluster.time.run(5);
        for (let turn = 0; turn < 20; turn++) await null;
      }
    };
    cluster.add();
    cluster.add();
    await settled(1_000);
    for (let i = 0; i < 500; i++) cluster.hosts[0]!.set(`key-${i}`, "v");
    cluster.hosts[1]!.increment("counter", 3);
    await settled(4_000);
    cluster.crash(1);
    for (let i = 0; i < 10; i++) cluster.hosts[0]!.set(`new-${i}`, "v");
    cluster.hosts[0]!.delete("key-0");
    cluster.restart(1);
    await settled(4_000);
    const back = cluster.hosts[1]!;
    expect(back.status()).toMatchObject({ state: "ready", checkpoint: { loadedEvents: 501 } });
    const { eventsApplied, snapshotsInstalled } = back.status().counts;
    expect({ eventsApplied, snapshotsInstalled }).toEqual({ eventsApplied: 11, snapshotsInstalled: 0 });
    expect([back.size, back.get("counter")]).toEqual([510, "3"]);
    expect(cluster.settled()).toBe(true);
    await cluster[Symbol.asyncDispose]();
  });
});
