import { describe, expect, it } from "vitest";
import { inspect } from "../../../src/inspection.ts";
import { dump, Site, START_MS, Transfer } from "../support/site.ts";

describe("taking over an image", () => {
  it("removes an orphaned deadline that the giver had removed, also when nothing else is here", () => {
    const clock = { now: START_MS };
    const [author, giver, taker, reader] = ["author", "giver", "taker", "reader"].map(
      (name) => new Site(name, { clock }),
    ) as [Site, Site, Site, Site];
    author.writes.setAdd("l", ["m"]);
    giver.receive(author);
    giver.writes.expire("l", 20);
    taker.receive(giver, 1);
    giver.writes.set("l", "v", undefined);
    new Transfer(giver, taker).finish();
    for (const site of [author, giver]) reader.receive(site);
    expect(dump(taker)).toEqual(dump(reader));
  });

  it("takes what the giver let go for missing, not for removed, where its removal is still to come", () => {
    const [author, remover, writer] = sites("author", "remover", "writer");
    const [giver, taker] = partialSites("giver", "taker");
    tellOfAnUnseenRemoval(author, remover, writer, giver);
    taker.receive(author);
    new Transfer(giver, taker).finish();
    expect(taker.reads.get("k")).toBe("new");
    // By the events applied here the old value is still there, behind the new one.
    const { evicted } = inspect(taker.store, undefined);
    expect(evicted.get("author")).toBe(1);
  });

  it("takes for removed what a giver lacks of a key that it let nothing go of", () => {
    const [author] = sites("author");
    const [giver, taker] = partialSites("giver", "taker");
    author.writes.setMany(
      [
        ["gone", "old"],
        ["k", "old"],
      ],
      undefined,
    );
    giver.receive(author);
    taker.receive(author);
    giver.evict("gone");
    giver.writes.delete(["k"]);
    new Transfer(giver, taker).finish();
    const { evicted } = inspect(taker.store, undefined);
    expect(taker.reads.get("k")).toBe(undefined);
    expect(evicted.get("author")).toBe(1);
  });
});

describe("a site that has let a key go", () => {
  it("names that in what it writes there, also where it shows what came later", () => {
    const [author, remover, writer, reader] = sites("author", "remover", "writer", "reader");
    const [giver] = partialSites("giver");
    tellOfAnUnseenRemoval(author, remover, writer, giver);
    giver.writes.set("k", "newest", undefined);
    for (const site of [author, writer, giver]) reader.receive(site);
    expect(
      inspect(reader.store, undefined)
        .keys.get("k")
        ?.entries.map(({ value }) => value),
    ).toEqual(["newest"]);
  });
});

function sites<N extends string[]>(...names: N): { [I in keyof N]: Site } {
  return names.map((name) => new Site(name)) as { [I in keyof N]: Site };
}

function partialSites<N extends string[]>(...names: N): { [I in keyof N]: Site } {
  return names.map((name) => new Site(name, { evicts: true })) as { [I in keyof N]: Site };
}

/** The giver let the old value go; the writer of the new one knew it removed, by an event that has not come. */
function tellOfAnUnseenRemoval(author: Site, remover: Site, writer: Site, giver: Site): void {
  author.writes.set("k", "old", undefined);
  for (const site of [remover, writer, giver]) site.receive(author);
  remover.writes.delete(["k"]);
  writer.receive(remover);
  writer.writes.set("k", "new", undefined);
  giver.evict("k");
  giver.receive(writer);
}
