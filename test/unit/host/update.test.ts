/** Write-behind on one host: when commits happen, what they coalesce, what failures and closing do. */
import { describe, expect, it } from "vitest";
import type { TidemarkError } from "../../../src/errors.ts";
import type { Host } from "../../../src/host.ts";
import type { OpenOptions } from "../../../src/options.ts";
import { CountingUpstream, passing } from "../support/counting-upstream.ts";
import { pass, passUntil, turns } from "../support/passing.ts";
import { standalone } from "../support/standalone.ts";

const refused = (code: string) => expect.objectContaining({ name: "TidemarkError", code });
const plusOne = (value: string | Uint8Array | undefined) => String(Number(value ?? 0) + 1);

function behind(loading: OpenOptions["loading"] = {}) {
  const upstream = new CountingUpstream();
  const alone = standalone({ upstream, loading });
  return { upstream, ...alone, counts: () => alone.host.status().loader! };
}

describe("update", () => {
  it("loads the key if need be and runs its function once on what it holds", async () => {
    const { host, upstream, time } = behind();
    upstream.rows.set("n", "41");
    let runs = 0;
    const value = await host.update("n", (current) => {
      runs++;
      return plusOne(current);
    });
    expect([value, host.get("n"), runs]).toEqual(["42", "42", 1]);
    expect(upstream.rows.get("n")).toBe("41");
    await pass(time, 5_000);
    expect(upstream.rows.get("n")).toBe("42");
  });

  it("keeps what the upstream has not yet, however little room there is, and lets it go afterwards", async () => {
    const upstream = new CountingUpstream();
    const { host, time } = standalone({ upstream, maxEntries: 2 });
    for (const key of ["a", "b", "c"]) await host.update(key, () => `${key}!`, { commit: { within: "10s" } });
    for (let i = 0; i < 20; i++) host.set(`other${i}`, "x");
    expect(["a", "b", "c"].map((key) => host.get(key))).toEqual(["a!", "b!", "c!"]);
    await pass(time, 11_000);
    expect(["a", "b", "c"].map((key) => upstream.rows.get(key))).toEqual(["a!", "b!", "c!"]);
    expect(host.size).toBe(2);
  });

  it("runs updates of one key one after the other, in the order of asking", async () => {
    const { host, upstream } = behind();
    upstream.held = true;
    const seen: unknown[] = [];
    const all = Array.from({ length: 5 }, (_, i) =>
      host.update("k", (current) => {
        seen.push(current);
        return String(i);
      }),
    );
    await turns();
    upstream.pending[0]!.answer();
    expect(await Promise.all(all)).toEqual(["0", "1", "2", "3", "4"]);
    expect(seen).toEqual([undefined, "0", "1", "2", "3"]);
    expect(upstream.loads).toEqual(["k"]);
  });

  it.each([
    ["deleted", (host: Host) => host.delete("k")],
    ["invalidated", (host: Host) => host.invalidate("k")],
    ["cleared", (host: Host) => host.clear()],
  ])("never brings back what was %s between the end of a load and its turn", async (_, remove) => {
    const outcomes = new Set<string>();
    for (let turnsLater = 0; turnsLater < 12; turnsLater++) {
      const upstream = new CountingUpstream();
      upstream.rows.set("k", "row");
      upstream.held = true;
      const { host } = standalone({ upstream });
      let seen: unknown;
      const updated = host.update<string>("k", (value) => {
        seen = value;
        return "new";
      });
      await turns();
      upstream.held = false;
      upstream.pending[0]!.answer();
      await turns(turnsLater);
      const loaded = host.has("k");
      remove(host);
      await updated;
      if (loaded) outcomes.add(`saw ${seen}, holds ${host.get("k")}`);
    }
    // After the update, and between.
    expect(outcomes).toEqual(new Set(["saw row, holds undefined", "saw undefined, holds new"]));
  });

  it("changes nothing when its function throws, returns a promise, or the load fails", async () => {
    const { host, upstream, counts } = behind();
    upstream.rows.set("k", "1");
    await expect(
      host.update("k", () => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    await expect(host.update("k", (async () => "2") as never)).rejects.toEqual(refused("INVALID_ARGUMENT"));
    upstream.loadErrors.push(new Error("down"));
    await expect(host.update("other", plusOne)).rejects.toEqual(refused("UPSTREAM_FAILED"));
    expect(host.get("k")).toBe("1");
    expect(counts().dirty).toBe(0);
    expect(await host.update("other", plusOne)).toBe("1");
  });

  it("commits now before it resolves", async () => {
    const { host, upstream, time } = behind();
    await passUntil(
      time,
      host.update("k", () => "1", { commit: "now" }),
    );
    expect(upstream.rows.get("k")).toBe("1");
    await passUntil(
      time,
      host.update("k", () => undefined, { commit: "now" }),
    );
    expect(upstream.rows.has("k")).toBe(false);
    expect(host.has("k")).toBe(false);
  });

  it("says with a failed commit what memory holds, and tries on", async () => {
    const { host, upstream, time, counts } = behind();
    upstream.commitErrors.push(new Error("disk full"));
    const failed = passUntil(
      time,
      host.update("k", () => "1", { commit: "now" }),
    );
    await expect(failed).rejects.toMatchObject({
      code: "UPSTREAM_FAILED",
      message: expect.stringMatching(/disk full.*Memory holds the new value/),
      cause: expect.objectContaining({ message: "disk full" }),
    });
    expect(host.get("k")).toBe("1");
    expect(counts()).toMatchObject({ dirty: 1, failedCommits: 1 });
    await pass(time, 1_000);
    expect(upstream.rows.get("k")).toBe("1");
    expect(counts().dirty).toBe(0);
  });

  it("waits through retryable failures, as often as tries allows", async () => {
    const { host, upstream, time } = behind({ tries: 3 });
    upstream.commitErrors.push(passing(), passing());
    await passUntil(
      time,
      host.update("k", () => "1", { commit: "now" }),
    );
    expect(upstream.batches).toHaveLength(3);
    upstream.commitErrors.push(passing(), passing(), passing());
    await expect(
      passUntil(
        time,
        host.update("k", () => "2", { commit: "now" }),
      ),
    ).rejects.toEqual(refused("UPSTREAM_FAILED"));
    await pass(time, 3_000);
    expect(upstream.rows.get("k")).toBe("2");
  });

  it("makes one commit of many updates, of the newest value, by the earliest deadline", async () => {
    const { host, upstream, time } = behind();
    await host.update("k", plusOne, { commit: { within: "10s" } });
    for (let i = 0; i < 99; i++)
      await host.update("k", plusOne, { commit: { within: i === 50 ? "1s" : "1m" } });
    await host.update("k", plusOne, { commit: "never" });
    await pass(time, 800);
    expect(upstream.batches).toHaveLength(0);
    await pass(time, 200);
    expect(upstream.batches.map((batch) => batch.map((m) => m.type === "put" && m.value))).toEqual([["101"]]);
    await pass(time, 60_000);
    expect(upstream.batches).toHaveLength(1);
  });

  it("lets the strictest wish win: now takes what waits along", async () => {
    const { host, upstream, time } = behind();
    await host.update("k", () => "1", { commit: { within: "1m" } });
    await passUntil(
      time,
      host.update("k", () => "2", { commit: "now" }),
    );
    await pass(time, 60_000);
    expect(upstream.batches).toHaveLength(1);
    expect(upstream.rows.get("k")).toBe("2");
  });

  it("never commits what nobody wants committed", async () => {
    const { host, upstream, time, counts } = behind();
    await host.update("k", () => "1", { commit: "never" });
    await pass(time, 60_000);
    expect(upstream.batches).toHaveLength(0);
    expect(counts().dirty).toBe(0);
  });

  it("sends different keys in batches, and one key once at a time, in order", async () => {
    const { host, upstream, time, counts } = behind({ maxBatch: 40, maxConcurrentCommits: 2 });
    for (let i = 0; i < 100; i++) await host.update(`k${i}`, () => "x", { commit: { within: "1s" } });
    await pass(time, 1_000);
    expect(upstream.batches.map((batch) => batch.length)).toEqual([40, 40, 20]);
    expect(counts()).toMatchObject({ commits: 3, committedKeys: 100, largestBatch: 40, dirty: 0 });
    let open!: () => void;
    upstream.commitGate = new Promise((resolve) => {
      open = resolve;
    });
    const first = host.update("k", () => "1", { commit: "now" });
    await pass(time, 20);
    const second = host.update("k", () => "2", { commit: "now" });
    await pass(time, 20);
    expect(upstream.batches).toHaveLength(4);
    open();
    upstream.commitGate = undefined;
    await passUntil(time, Promise.all([first, second]));
    const values = upstream.batches.slice(3).flat();
    expect(values.map((m) => m.type === "put" && m.value)).toEqual(["1", "2"]);
    expect(values[0]!.stamp).toBeLessThan(values[1]!.stamp);
  });

  it("does not let one key the upstream cannot take hold up the others", async () => {
    const { host, upstream, time, counts } = behind();
    const commit = upstream.commit.bind(upstream);
    upstream.commit = async (batch) => {
      if (batch.some(({ key }) => key === "bad")) throw new Error("value too long for column");
      return commit(batch);
    };
    for (const key of ["a", "bad", "b"]) await host.update(key, () => "x", { commit: { within: 100 } });
    await pass(time, 200);
    expect([...upstream.rows.keys()]).toEqual(["a", "b"]);
    expect(counts().dirty).toBe(1);
  });

  it("refuses a further key at the bound of what may wait, and only that", async () => {
    const { host, time, counts } = behind({ maxDirty: 2 });
    await host.update("a", () => "1");
    await host.update("b", () => "1");
    let ran = false;
    const third = host.update("c", () => {
      ran = true;
      return "1";
    });
    await expect(third).rejects.toEqual(refused("DIRTY_LIMIT"));
    expect([ran, host.has("c")]).toEqual([false, false]);
    await host.update("a", () => "2");
    await host.update("c", () => "1", { commit: "never" });
    expect(counts().dirty).toBe(2);
    expect(counts().oldestDirtyMs).toBe(0);
    await pass(time, 5_000);
    await host.update("d", () => "1");
  });

  it("answers what waits for its commit though memory has let it go", async () => {
    const { host, upstream } = behind();
    upstream.rows.set("k", "old");
    upstream.rows.set("gone", "old");
    await host.update("k", () => "new");
    await host.update("gone", () => undefined);
    host.invalidate({ prefix: "" });
    expect(await host.getOrLoad("k")).toBe("new");
    expect(await host.getOrLoad("gone")).toBeUndefined();
    expect(upstream.loads).toEqual(["k", "gone"]);
  });

  it("carries a ttl to the upstream", async () => {
    const { host, upstream, time } = behind();
    const now = host.fleetNow();
    await passUntil(
      time,
      host.update("k", () => "1", { ttl: "1m", commit: "now" }),
    );
    expect(host.ttl("k")).toBeGreaterThan(59_000);
    expect(upstream.batches[0]![0]).toMatchObject({ expiresAt: now + 60_000 });
    await passUntil(
      time,
      host.update("k", () => "1", { commit: "now" }),
    );
    expect(upstream.batches[1]![0]).toMatchObject({ expiresAt: Number.POSITIVE_INFINITY });
  });

  it("says that a read-only upstream takes no commits", async () => {
    const { host } = standalone({ upstream: () => "1" });
    await expect(host.update("k", plusOne)).rejects.toEqual(refused("INVALID_ARGUMENT"));
    expect(await host.update("k", plusOne, { commit: "never" })).toBe("2");
  });

  it.each([[{ commit: "soon" }], [{ commit: { within: "x" } }], [{ comit: "now" }], [{ ttl: 0 }]])(
    "refuses %j",
    async (options) => {
      const { host } = behind();
      await expect(host.update("k", plusOne, options as never)).rejects.toEqual(refused("INVALID_ARGUMENT"));
    },
  );
});

describe("close", () => {
  it("commits what waits, at once", async () => {
    const { host, upstream, time } = behind();
    for (let i = 0; i < 10; i++) await host.update(`k${i}`, () => "x", { commit: { within: "1h" } });
    const before = time.now;
    await passUntil(time, host.close());
    expect(time.now - before).toBeLessThan(100);
    expect(upstream.rows.size).toBe(10);
    expect(upstream.closed).toBe(1);
  });

  it("names the keys that the upstream would not take in time", async () => {
    const { host, upstream, time } = behind({ drainTimeout: "500ms" });
    upstream.commit = async () => {
      throw new Error("down");
    };
    await host.update("a", () => "1");
    await host.update("b", () => "1");
    const error = (await passUntil(time, host.close()).catch((thrown) => thrown)) as TidemarkError;
    expect(error).toEqual(refused("UNCOMMITTED"));
    expect([...error.keys].sort()).toEqual(["a", "b"]);
    expect(host.status().state).toBe("closed");
  });
});
