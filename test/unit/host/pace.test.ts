/** A writer and receivers that do not keep up with it, in virtual time. */
import { describe, expect, it } from "vitest";
import { startCluster } from "../../../src/testing/index.ts";
import type { Tidemark } from "../../../src/tidemark.ts";

const MIB = 1024 * 1024;
const LARGE = "x".repeat(128 * 1024);
/** Values of this many fill what a writer sends ahead of a receiver, and twice that. */
const MANY = 128;

type Three = readonly [Tidemark, Tidemark, Tidemark];

function writeMany(host: Tidemark): void {
  for (let i = 0; i < MANY; i++) host.set(`k${i}`, LARGE);
}

describe("a writer", () => {
  it("waits for a receiver that falls behind, but not for one that does not come on", () => {
    const cluster = startCluster({ hosts: 3 });
    const [writer, other] = cluster.hosts as Three;
    writer.set("begin", "");
    cluster.settle();
    // It is heard, and hears nothing.
    cluster.oneWay("host-1", "host-3");
    cluster.oneWay("host-2", "host-3");
    writeMany(writer);
    cluster.run("2s");
    const { slowedBy, unsentBytes } = writer.status().flow;
    expect(slowedBy).toBe("host-3");
    expect(unsentBytes).toBeGreaterThan(6 * MIB);
    // What is held back is not had by asking either, or it would travel twice.
    expect(other.has(`k${MANY - 1}`)).toBe(false);
    cluster.run("5s");
    expect(writer.status().flow).toMatchObject({ slowedBy: undefined, unsentBytes: 0, queuedBytes: 0 });
    expect(other.has(`k${MANY - 1}`)).toBe(true);
    cluster.heal();
    cluster.settle();
  });

  it("does not wait for a receiver that is dead or stopped longer than that passes for alive", () => {
    const cluster = startCluster({ hosts: 3 });
    const [writer, other] = cluster.hosts as Three;
    writer.set("begin", "");
    cluster.settle();
    cluster.pause("host-3");
    writeMany(writer);
    cluster.run("6s");
    expect(writer.status().flow.unsentBytes).toBe(0);
    expect(other.has(`k${MANY - 1}`)).toBe(true);
    writeMany(writer);
    cluster.run("500ms");
    expect(writer.status().flow.unsentBytes).toBe(0);
    cluster.resume("host-3");
    cluster.settle();
  });

  it("is refused with BACKPRESSURE at its bound, and counts it", () => {
    const cluster = startCluster({ hosts: 2, options: { maxUnconfirmedBytes: "1mb" } });
    const [writer] = cluster.hosts as unknown as [Tidemark];
    cluster.disconnect("host-1");
    let written = 0;
    expect(() => {
      for (;;) {
        writer.set(`k${written}`, LARGE);
        written++;
      }
    }).toThrow(expect.objectContaining({ code: "BACKPRESSURE" }));
    expect(written).toBeGreaterThan(6);
    const { counts, unconfirmedBytes } = writer.status();
    expect(counts.backpressure).toBe(1);
    expect(unconfirmedBytes).toBeLessThan(MIB + 2 * LARGE.length);
    cluster.reconnect("host-1");
    cluster.settle();
    expect([...cluster.hosts[1]!.keys()]).toHaveLength(written);
  });
});
