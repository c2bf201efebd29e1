import { describe, expect, it } from "vitest";
import { isReady, statusLines, type ToldStatus } from "../../../src/cli/commands/status-report.ts";
import { shownBytes, shownTtl, shownWord } from "../../../src/cli/output.ts";
import { progressLine } from "../../../src/cli/progress.ts";
import { startCluster } from "../../../src/testing/cluster.ts";

describe("the report on a host", () => {
  const cluster = startCluster({ hosts: 3, seed: 5 });
  cluster.settle();
  cluster.hosts[1]!.set("k", "v");
  cluster.settle();
  // Until heartbeats have told so.
  cluster.run("3s");
  // As it comes over HTTP.
  const status = JSON.parse(JSON.stringify(cluster.hosts[0]!.status())) as ToldStatus;
  const now = Date.now();

  it("has a line for each host, and says that all hold the same", () => {
    const lines = statusLines(status, now);
    expect(lines.filter((line) => /\bready\b.* same$/.test(line))).toHaveLength(2);
    expect(lines.some((line) => line.startsWith("!"))).toBe(false);
    expect(lines.join("\n")).toMatch(/^repairs {4}gaps 0, replays 0/m);
  });

  it("says of a host that it lags, is gone, or holds other data", () => {
    const [first, second] = status.hosts;
    const hosts = [
      { ...first!, behindEvents: 1_200, behindMs: 3_400, vectorHash: "other" },
      { ...second!, live: false, digest: "0".repeat(16) },
    ];
    const lines = statusLines({ ...status, hosts, state: "fenced", reason: "NATS refuses" }, now).join("\n");
    expect(lines).toMatch(/ready .* 1,200 \(3s\) .* not level$/m);
    expect(lines).toMatch(/gone .* DIFFERS$/m);
    expect(lines).toMatch(/^! +\S+ has applied the same and holds other data$/m);
    expect(lines).toMatch(/^NATS refuses$/m);
    expect([isReady(status), isReady({ ...status, state: "fenced" })]).toEqual([true, false]);
  });

  it("shows names as they are, and nothing that moves the cursor", () => {
    const odd = { ...status, hosts: [{ ...status.hosts[0]!, node: "a\u001b[2Jb" }] };
    expect(statusLines(odd, now).join("")).toContain("a\\x1b[2Jb");
  });
});

describe("amounts", () => {
  it("are short", () => {
    expect([0, 1_023, 1_024, 1_536, 512 * 1_024 ** 2, 3 * 1_024 ** 4].map(shownBytes)).toEqual([
      ...["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "512 MiB", "3.0 TiB"],
    ]);
    expect([-1, 0, 999, 1_000, 90_000, 3 * 3_600_000, 48 * 3_600_000].map(shownTtl)).toEqual([
      ...["none", "0ms", "999ms", "1s", "90s", "3h", "2d"],
    ]);
    expect(shownWord("a\nb\u009b\u2028")).toBe("a\\x0ab\\x9b\\u2028");
  });
});

describe("progress", () => {
  it("is a bar with rate and time left, which an estimate that was too low does not break", () => {
    const at = { total: 1_000, bytes: 2_097_152, unit: "keys", tookMs: 2_000 };
    expect(progressLine({ ...at, done: 250 })).toBe(
      "[######··················]  25 %  250 keys  1.0 MiB/s  6s left",
    );
    expect(progressLine({ ...at, done: 1_200 })).toBe(
      `[${"#".repeat(24)}] 100 %  1,200 keys  1.0 MiB/s  0ms left`,
    );
    expect(progressLine({ ...at, done: 0 })).toMatch(/ {3}0 % .* \? left$/);
    expect(progressLine({ ...at, done: 0, total: 0 })).toMatch(/100 %/);
  });
});
