import { describe, expect, it } from "vitest";
import { Site, START_MS } from "../support/site.ts";

/** Two sites that wrote without hearing of each other, and a watching one that has all of it. */
function conflict(left: (site: Site) => void, right: (site: Site) => void) {
  const clock = { now: START_MS };
  const a = new Site("a", { clock });
  const b = new Site("b", { clock });
  left(a);
  right(b);
  const watcher = new Site("w", { clock, watched: true });
  watcher.receive(a);
  watcher.receive(b);
  watcher.changes.length = 0;
  return { a, b, watcher, clock };
}

describe("a watcher of a key on which two types met", () => {
  it("is not told that elements went which it never saw, when a member is added", () => {
    const { watcher } = conflict(
      (a) => a.writes.setAdd("k", ["member"]),
      (b) => b.writes.listAdd("k", ["hidden"], "tail"),
    );
    watcher.writes.setAdd("k", ["another"]);
    expect(watcher.changes).toMatchObject([{ type: "set", added: ["another"], removed: [] }]);
  });

  it("is not told that elements went which it never saw, when the last member is removed", () => {
    const { watcher } = conflict(
      (a) => a.writes.setAdd("k", ["member"]),
      (b) => b.writes.listAdd("k", ["hidden"], "tail"),
    );
    watcher.writes.setRemove("k", ["member"]);
    expect(watcher.changes).toMatchObject([{ type: "delete", kind: "set", removed: ["member"] }]);
  });

  it("hears once of a member that two hosts had added, when it goes as the last one", () => {
    const { watcher } = conflict(
      (a) => a.writes.setAdd("k", ["member"]),
      (b) => b.writes.setAdd("k", ["member"]),
    );
    watcher.writes.setRemove("k", ["member"]);
    expect(watcher.changes).toMatchObject([{ type: "delete", kind: "set", removed: ["member"] }]);
  });
});

describe("a watcher of a key with two deadlines", () => {
  it("hears of the second one too, when what the first one left expires", () => {
    const { watcher, clock } = conflict(
      (a) => a.writes.set("k", "long", { ttl: 5_000 }),
      (b) => b.writes.set("k", "short", { ttl: 2_000 }),
    );
    expect(watcher.reads.get("k")).toBe("short");
    clock.now = START_MS + 3_000;
    watcher.expiry.step(0, () => false);
    expect(watcher.changes).toMatchObject([{ type: "set", value: "long", previous: "short" }]);
    clock.now = START_MS + 6_000;
    watcher.expiry.step(0, () => false);
    expect(watcher.reads.get("k")).toBeUndefined();
    expect(watcher.changes.slice(1)).toMatchObject([{ type: "expire", previous: "long" }]);
  });
});

describe("a watcher of a set that another host's deadline keeps alive", () => {
  it("hears what was in it when that deadline is taken away and the set is past its own", () => {
    const { b, watcher, clock } = conflict(
      (a) => {
        a.writes.setAdd("k", ["member"]);
        a.writes.expire("k", 1_000);
      },
      (b) => {
        b.writes.listAdd("k", ["hidden"], "tail");
        b.writes.expire("k", 5_000);
      },
    );
    clock.now = START_MS + 2_000;
    expect(watcher.reads.setMembers("k")).toEqual(["member"]);
    watcher.changes.length = 0;
    b.writes.listTake("k", "tail");
    watcher.receive(b);
    expect(watcher.changes).toMatchObject([{ type: "delete", kind: "set", removed: ["member"] }]);
  });
});

describe("a watcher of a key that is written again after it expired and before that was told", () => {
  it("hears that the members of the old set went", () => {
    const clock = { now: START_MS };
    const site = new Site("a", { clock, watched: true });
    site.writes.setAdd("k", ["old"]);
    site.writes.expire("k", 1_000);
    site.changes.length = 0;
    clock.now = START_MS + 1_001;
    site.writes.setAdd("k", ["new"]);
    const members = new Set(["old"]);
    for (const { type, removed, added } of site.changes) {
      for (const gone of removed) members.delete(gone as string);
      if (type !== "set") members.clear();
      for (const came of added) members.add(came as string);
    }
    expect([...members]).toEqual(["new"]);
  });
});
