import { describe, expect, it } from "vitest";
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
});
