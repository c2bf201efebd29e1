/**
 * Whatever arrives at a host, made of what hosts say to each other and damaged: nothing is thrown past the
 * door, no message takes long, and what is kept of them is bounded.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VersionVector } from "../../src/causality/version-vector.ts";
import { BUCKETS } from "../../src/crdt/digest.ts";
import { TidemarkError } from "../../src/errors.ts";
import { DEFAULTS } from "../../src/options.ts";
import { Assemblies } from "../../src/replication/fragments.ts";
import { readFrameEvents, readFrameHeader } from "../../src/replication/frame.ts";
import { readChunkHeader } from "../../src/replication/image-codec.ts";
import { decodeDigests } from "../../src/replication/state-sync.ts";
import { VirtualCluster } from "../../src/testing/virtual-cluster.ts";
import { CHANNELS, NatsSubjects } from "../../src/transport/nats-subjects.ts";
import type { Channel, HostAddress } from "../../src/transport/transport.ts";
import { dump, NAMESPACE, Site } from "../unit/support/site.ts";
import { wired } from "../unit/support/wired.ts";
import { check, parameters } from "./support/check.ts";
import { damaged, damages, framesOf, imageOf, sealed } from "./support/damage.ts";
import { allSteps, play } from "./support/history.ts";

/** A message may take so long, milliseconds; some hundred times what the largest here takes. */
const LONG_MS = 2_000;
const CRC_BYTES = 5;

/** Runs `act`; anything but success or `MALFORMED_MESSAGE`, and soon, is thrown. True: it was refused. */
function refused(act: () => void): boolean {
  const begun = performance.now();
  try {
    act();
    return false;
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== "MALFORMED_MESSAGE") throw error;
    return true;
  } finally {
    if (performance.now() - begun > LONG_MS) expect.fail("a message took seconds");
  }
}

const histories = fc
  .sample(fc.tuple(fc.constant(3), allSteps), { numRuns: 60, seed: 4 })
  .map(([count, steps]) => play(count, steps));

describe("events and images that were forged", () => {
  const frames = histories.flatMap((history) => framesOf(history, 5));
  const images = histories.flatMap(({ sites }) => sites.map(imageOf));

  it("are refused, or applied as any other", () => {
    fc.assert(
      fc.property(fc.constantFrom(...frames), damages, (sample, changes) => {
        const forged = sealed(damaged(sample.subarray(0, sample.length - CRC_BYTES), changes));
        const site = new Site("honest", { watched: true });
        refused(() => {
          const header = readFrameHeader(forged, NAMESPACE);
          const events = readFrameEvents(header, site.origins, DEFAULTS);
          if (events[0] !== undefined) site.store.vector.raise(events[0].origin, header.first - 1);
          for (const event of events) site.replica.apply(event);
          site.sweep(0, true);
          dump(site);
        });
      }),
      parameters(20),
    );
  });

  it("are refused, or installed as any other, and if refused then whole", () => {
    fc.assert(
      fc.property(fc.constantFrom(...images), damages, (sample, changes) => {
        const forged = sealed(damaged(sample.subarray(0, sample.length - CRC_BYTES), changes));
        const site = new Site("honest");
        site.writes.set("key", "value", {});
        const before = JSON.stringify(dump(site));
        const wasRefused = refused(() => {
          site.replica.installImage([readChunkHeader(forged, NAMESPACE)], new VersionVector());
        });
        const after = JSON.stringify(dump(site));
        if (wasRefused) expect(after).toBe(before);
      }),
      parameters(5),
    );
  });
});

describe("subjects", () => {
  const subjects = new NatsSubjects("shop");
  const token = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    fc.string({ maxLength: 70 }),
    fc.constantFrom("", "*", ">", "$SYS", "tidemark", "shop", "ev", "__proto__", "..", "é"),
  );
  const subject = fc.oneof(
    fc.array(token, { maxLength: 7 }).map((tokens) => tokens.join(".")),
    fc
      .tuple(fc.constantFrom(...CHANNELS), fc.array(token, { minLength: 1, maxLength: 4 }))
      .map(([channel, rest]) => `tidemark.shop.${channel}.${rest.join(".")}`),
  );

  it("name a host that has exactly that subject, or nobody", () => {
    fc.assert(
      fc.property(fc.constantFrom(...CHANNELS), subject, (channel, text) => {
        const address = subjects.parse(channel, text);
        if (address !== undefined) {
          expect(subjects.of(channel, address)).toBe(text);
          expect(subjects.channelOf(text)).toBe(channel);
          expect(new NatsSubjects("bank").parse(channel, text)).toBeUndefined();
        }
      }),
      parameters(20),
    );
  });

  it("come back as they were made, and are made only of what can be a name", () => {
    fc.assert(
      fc.property(fc.constantFrom(...CHANNELS), token, token, (channel, node, incarnation) => {
        const made = subjects.of(channel, { node, incarnation });
        const plain = /^[A-Za-z0-9_-]{1,64}$/;
        expect(made !== undefined).toBe(plain.test(node) && plain.test(incarnation));
        if (made !== undefined) expect(subjects.parse(channel, made)).toEqual({ node, incarnation });
      }),
      parameters(20),
    );
  });
});

it("digests of a request are read whole or not at all", () => {
  check(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc.uint8Array({ minLength: BUCKETS * 4, maxLength: BUCKETS * 4 }),
      ),
      (bytes) => {
        const digests = decodeDigests(bytes, BUCKETS);
        if (bytes.length !== BUCKETS * 4) expect(digests).toBeUndefined();
        else expect(digests).toHaveLength(BUCKETS);
      },
    ),
    0.2,
  );
});

it("pieces of anything, in any order, cost no more than their bound", () => {
  const piece = fc.record({
    type: fc.constant("fragment" as const),
    incarnation: fc.constantFrom("a", "b", "c"),
    id: fc.nat({ max: 5 }),
    index: fc.oneof(fc.nat({ max: 4 }), fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER)),
    count: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 1_000_000 }), fc.constant(Number.MAX_SAFE_INTEGER)),
    bytes: fc.uint8Array({ maxLength: 40 }),
  });
  check(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const assemblies = new Assemblies(2_000);
      for (const each of pieces) {
        refused(() => void assemblies.add(each));
        // One message alone may be larger than the bound.
        if (assemblies.size > 1) expect(assemblies.bytes).toBeLessThanOrEqual(2_000);
      }
      assemblies.expire(60_000);
      expect([assemblies.size, assemblies.bytes]).toEqual([0, 0]);
    }),
  );
});

/** Everything that three hosts said to each other while one joined, one lost messages and one left. */
function conversation(): { channel: Channel; bytes: Uint8Array }[] {
  const said: { channel: Channel; bytes: Uint8Array }[] = [];
  const cluster = new VirtualCluster({
    settings: { logBytes: 2_000, chunkBytes: 400 },
    network: { maxMessageBytes: 1_500 },
    onDelivery: ({ channel, bytes }) => void said.push({ channel, bytes: bytes.slice() }),
  });
  const [one, two] = [cluster.add(), cluster.add()];
  cluster.settle();
  for (let i = 0; i < 40; i++) {
    one.set(`key-${i % 7}`, "x".repeat(i * 5), { ttl: "10m" });
    two.increment("count");
    two.setAdd("set", `${i}`);
    one.listPush("list", `${i}`);
    if (i === 20) cluster.loss(0.5);
    cluster.run(20);
  }
  one.clear({ prefix: "key-1" });
  cluster.run("3s");
  cluster.heal();
  cluster.add();
  cluster.settle();
  return said;
}

it("a host that hears damaged talk of others goes on, and keeps little of it", () => {
  const said = conversation();
  const kinds = new Set(said.map(({ channel }) => channel));
  expect([...kinds].sort()).toEqual(["ev", "hb", "rp", "rq"]);
  const me = wired({ heartbeat: "1s" });
  me.connect();
  me.time.run(2_000);
  const from: HostAddress = { node: "host-1", incarnation: "01SOMEBODY" };
  let count = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...said),
      damages,
      fc.constantFrom(...CHANNELS),
      fc.boolean(),
      (sample, changes, elsewhere, there) => {
        const broken = damaged(sample.bytes, changes);
        const channel = there ? sample.channel : elsewhere;
        refused(() => {
          me.say(channel, from, broken);
          me.say(channel, from, sealed(broken.subarray(0, Math.max(0, broken.length - CRC_BYTES))));
        });
        if (count++ % 20 === 0) me.time.run(20);
        me.transport.sent.length = 0;
      },
    ),
    parameters(20),
  );
  const { inboxBytes, fragmentBytes, hosts, quarantine, counts } = me.host.status();
  expect(inboxBytes).toBeLessThan(64 * 1024 * 1024);
  expect(fragmentBytes).toBeLessThan(64 * 1024 * 1024);
  expect(hosts.length).toBeLessThanOrEqual(1_024);
  expect(quarantine.length).toBeLessThanOrEqual(128);
  expect(counts.rejected).toBeGreaterThan(1_000);
  me.host.set("still", "alive");
  expect(me.host.get("still")).toBe("alive");
});
