/** When a fully reset counter segment may be forgotten: replication.md 5.4, the planted bug `eagerClose`. */
import { describe, expect, it } from "vitest";
import { FrameBuilder } from "../../../src/replication/frame.ts";
import type { Heartbeat } from "../../../src/replication/messages.ts";
import { Site } from "../support/site.ts";
import { type Wired, wired } from "../support/wired.ts";

const owner = { node: "owner", incarnation: "OWNER" };

/** A host that has reset a counter of five increments, whose owner goes on counting. */
function begun() {
  const me = wired();
  const site = new Site(owner.incarnation);
  for (let i = 0; i < 5; i++) site.writes.increment("n", 1);
  const frames = new FrameBuilder("default", site.origins);
  for (const event of site.made) frames.add(event);
  me.connect();
  let counter = 0;
  const heartbeat = (seq: number, rows: Heartbeat["rows"] = []): Heartbeat => ({
    type: "heartbeat",
    ...owner,
    counter: ++counter,
    seq,
    wallMs: Date.UTC(2026, 0, 1),
    state: "ready",
    vectorHash: "0",
    digest: "0",
    keys: 1,
    serves: "none",
    settled: 0,
    partial: false,
    complete: false,
    rows,
  });
  me.say("hb", owner, heartbeat(0));
  me.say("ev", owner, frames.finish(0, 0).bytes);
  me.time.run(2_000);
  expect(me.host.get("n")).toBe("5");
  me.host.delete("n");
  expect(me.host.inspect().zeroCells).toBe(1);
  return { me, heartbeat, reset: [me.host.incarnation, 1] as const };
}

const left = (me: Wired): number => me.host.inspect().zeroCells;

describe("a fully reset counter segment", () => {
  it("is kept while its owner has not said to have seen the reset", () => {
    const { me, heartbeat } = begun();
    me.say("hb", owner, heartbeat(5));
    me.time.run(60_000);
    expect(left(me)).toBe(1);
  });

  it("is kept while events of its owner are missing that may have extended it", () => {
    const { me, heartbeat, reset } = begun();
    me.say("hb", owner, heartbeat(6, [reset]));
    expect(left(me)).toBe(1);
  });

  it("is closed by a heartbeat of its owner that covers the reset and no more of its own than is here", () => {
    const { me, heartbeat, reset } = begun();
    me.say("hb", owner, heartbeat(5, [reset]));
    expect(left(me)).toBe(0);
  });

  it("is not closed by a heartbeat from before the owner saw the reset, overtaken by its acknowledgement", () => {
    const { me, heartbeat } = begun();
    const late = heartbeat(5);
    me.say("rp", owner, { type: "acknowledgement", incarnation: owner.incarnation, seq: 1 });
    me.say("hb", owner, late);
    expect(left(me)).toBe(1);
  });
});
