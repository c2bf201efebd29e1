import { describe, expect, it } from "vitest";
import { Site } from "../support/site.ts";

describe("a step of the scrub", () => {
  it.each<[what: string, fill: (site: Site, key: string) => void]>([
    ["values", (site, key) => site.writes.set(key, "v", undefined)],
    ["counters", (site, key) => site.writes.increment(key, 1)],
    ["sets", (site, key) => site.writes.setAdd(key, ["a", "b"])],
  ])("is bounded, whatever keys hold: %s", (_what, fill) => {
    const site = new Site("a");
    const keys = 4_000;
    for (let i = 0; i < keys; i++) fill(site, `key:${i}`);
    const { scrub } = site.store;
    scrub.step(keys / 10);
    expect(scrub.passes).toBe(0);
    for (let i = 0; i < 40; i++) scrub.step(keys / 10);
    expect(scrub.passes).toBeGreaterThan(0);
    expect(scrub.found).toBe(0);
  });
});
