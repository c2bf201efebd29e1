/** The NATS transport where the server does not allow everything: nothing refused goes unsaid. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectNewer } from "@nats-io/transport-node";
import { connect } from "nats";
import { afterAll, describe, expect, it } from "vitest";
import { connectNats } from "../../src/transport/nats.ts";
import type { HostAddress, Transport } from "../../src/transport/transport.ts";
import { bytes, count, heard, recorder, type Station, until } from "../conformance/transport.ts";
import { natsServerForTests, say } from "./support/nats.ts";
import { grantsOf } from "./support/permissions.ts";

const PREFIX = "tidemark.shop";

/** A user of the server's configuration, allowed the template except for what `denied` names. */
function user(name: string, denied: { publish?: string; subscribe?: string } = {}): string {
  const { publish, subscribe } = grantsOf(name, "shop");
  const permissions = {
    publish: { allow: publish.filter((subject) => !subject.includes(denied.publish ?? "nothing")) },
    subscribe: { allow: subscribe.filter((subject) => !subject.includes(denied.subscribe ?? "nothing")) },
  };
  return `{ user: ${name}, password: "${name}", permissions: ${JSON.stringify(permissions)} }`;
}

const folder = mkdtempSync(join(tmpdir(), "tidemark-permissions-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pidFile = join(folder, "nats.pid");

const users = [
  user("a"),
  user("b"),
  user("mute", { publish: ".ev." }),
  user("deaf", { subscribe: ".hb." }),
  user("helpless", { publish: ".rq." }),
  // For the test that has its permissions changed while it runs:
  user("late", { publish: ".hb.", subscribe: ".ev." }),
];
const server = await natsServerForTests({
  config: `pid_file: ${JSON.stringify(pidFile)}\nauthorization { users: [ ${users.join(", ")} ] }`,
});
const small = await natsServerForTests({ config: "max_payload: 1024" });
const missing = server === undefined || small === undefined;

const options = (node: string) => ({ namespace: "shop", node, connectTimeoutMs: 5_000 });
const login = (node: string) => ({ servers: server!.url, user: node, pass: node });
const address = (node: string): HostAddress => ({ node, incarnation: `${node}-1` });

function begun(transport: Transport, node: string): Station {
  const station: Station = { transport, address: address(node), told: [] };
  transport.start(station.address, recorder(station.told));
  return station;
}

async function started(node: string): Promise<Station> {
  const station = begun(await connectNats(login(node), options(node)), node);
  await until(() => station.transport.connected, `${node} is connected`);
  return station;
}

function refusals(station: Station): { code: string; message: string }[] {
  return station.told.flatMap((told) => (told.type === "refused" ? [told.error] : []));
}

async function flushed(station: Station): Promise<string | undefined> {
  return new Promise((resolve) => station.transport.flush((error) => resolve(error?.code)));
}

describe.skipIf(missing)("a host under the documented permissions", () => {
  it("does everything it needs, and cannot speak for another", async () => {
    const [a, b] = [await started("a"), await started("b")];
    a.transport.publish("ev", a.address, bytes("1"));
    a.transport.publish("hb", a.address, bytes("2"));
    a.transport.publish("rq", b.address, bytes("3"));
    a.transport.publish("rp", b.address, bytes("4"));
    expect(await flushed(a)).toBeUndefined();
    await until(() => heard(b).length === 4, "all are there");
    expect(heard(b, true)).toEqual(["ev a/a-1 1", "hb a/a-1 2", "rq b/b-1 3", "rp b/b-1 4"]);
    expect([...refusals(a), ...refusals(b)]).toEqual([]);
    await Promise.all([a.transport.close(), b.transport.close()]);

    // Speaking as b with a's credentials is stopped by the server, and said.
    const fake = begun(await connectNats(login("a"), options("b")), "b");
    await until(() => refusals(fake).length === 2, "its subscriptions are refused");
    expect(
      refusals(fake)
        .map(({ message }) => message)
        .join(),
    ).toContain(`${PREFIX}.rq.b.>`);
    expect(fake.transport.connected).toBe(false);
    await fake.transport.close();
  });
});

const clients = {
  "a connection of our own": (node: string) => login(node),
  "a connection of nats 2": (node: string) => connect(login(node)),
  "a connection of @nats-io/transport-node 3": (node: string) => connectNewer(login(node)),
};

describe.skipIf(missing).each(Object.entries(clients))("without a permission, over %s", (_name, open) => {
  const withHost = async (node: string, act: (station: Station) => Promise<void>) => {
    const given = await open(node);
    const station = begun(await connectNats(given, options(node)), node);
    await act(station);
    await station.transport.close();
    if ("isClosed" in given) {
      // The user's own trouble is none of ours.
      const told = station.told.length;
      given.publish("elsewhere", bytes("x"));
      given.subscribe("elsewhere", { callback: () => undefined });
      await given.flush();
      expect(station.told).toHaveLength(told);
      await given.close();
    }
  };

  it("to publish events, the first one fences the host, and no flush says it is safe", async () => {
    await withHost("mute", async (mute) => {
      await until(() => mute.transport.connected, "it is connected");
      expect(await flushed(mute)).toBeUndefined();
      for (let i = 0; i < 3; i++) mute.transport.publish("ev", mute.address, bytes(`${i}`));
      expect(await flushed(mute)).toBe("TRANSPORT");
      expect(refusals(mute)).toEqual([
        expect.objectContaining({
          code: "FENCED",
          message:
            `The NATS server does not let this host publish to "${PREFIX}.ev.mute.mute-1". ` +
            `Grant its user: publish "${PREFIX}.ev.mute.>".`,
        }),
      ]);
      expect(await flushed(mute)).toBe("TRANSPORT");
    });
  });

  it("to send requests, it is fenced as well", async () => {
    await withHost("helpless", async (helpless) => {
      await until(() => helpless.transport.connected, "it is connected");
      helpless.transport.publish("rq", address("a"), bytes("ask"));
      await until(() => refusals(helpless).length > 0, "it is told");
      expect(refusals(helpless)[0]?.message).toContain(`Grant its user: publish "${PREFIX}.rq.>".`);
    });
  });

  it("to subscribe to heartbeats, it is never connected", async () => {
    await withHost("deaf", async (deaf) => {
      await until(() => refusals(deaf).length > 0, "it is told");
      expect(refusals(deaf)).toEqual([
        expect.objectContaining({
          code: "FENCED",
          message:
            `The NATS server does not let this host subscribe to "${PREFIX}.hb.>". ` +
            `Grant its user: subscribe "${PREFIX}.hb.>".`,
        }),
      ]);
      expect(await flushed(deaf)).toBe("TRANSPORT");
      expect(count(deaf, "connected")).toBe(0);
      expect(deaf.transport.connected).toBe(false);
    });
  });
});

describe.skipIf(missing)("permissions that change", () => {
  /** Has the server read a changed configuration; false where it cannot be reached, in a container. */
  const reload = (change: (text: string) => string): boolean => {
    try {
      const file = join(server!.directory!, "nats.conf");
      const text = change(readFileSync(file, "utf8"));
      writeFileSync(file, text);
      return process.kill(Number(readFileSync(pidFile, "utf8")), "SIGHUP");
    } catch {
      say("skipped: the server's process cannot be signalled from here");
      return false;
    }
  };

  it("are noticed without a restart, both ways", async () => {
    const a = await started("a");
    const late = begun(await connectNats(login("late"), options("late")), "late");
    await until(() => refusals(late).length > 0, "the subscription is refused");
    expect(count(late, "connected")).toBe(0);

    const forbidden = user("late", { publish: ".hb.", subscribe: ".ev." });
    if (!reload((text) => text.replace(forbidden, user("late", { publish: ".hb." })))) return;
    await until(() => count(late, "connected") === 1, "the granted subscription is found");
    a.transport.publish("ev", a.address, bytes("hello"));
    await until(() => heard(late).includes("ev hello"), "it hears events");

    late.transport.publish("hb", late.address, bytes("unheard"));
    await until(() => refusals(late).length === 2, "publishing is refused");
    reload((text) => text.replace(user("late", { publish: ".hb." }), user("late")));
    await until(() => count(late, "connected") === 2, "the granted publishing is found");
    expect(await flushed(late)).toBeUndefined();
    late.transport.publish("hb", late.address, bytes("heard"));
    await until(() => heard(a).includes("hb heard"), "it is heard");
    // What asked for the permission again was heard by nobody.
    expect(heard(a)).toEqual(["hb heard"]);
    expect(count(late, "disconnected") + count(a, "disconnected")).toBe(0);

    reload((text) => text.replace(user("late"), forbidden));
    await until(() => refusals(late).length === 3, "what is taken away is told");
    expect(refusals(late).at(-1)?.message).toContain("subscribe");
    await Promise.all([a.transport.close(), late.transport.close()]);
  }, 60_000);

  it("to log in at all: a host whose password changed says so, and comes back with the old one", async () => {
    const b = await started("b");
    const change = (from: string, to: string) => (text: string) =>
      text.replace(`password: "${from}"`, `password: "${to}"`);
    if (!reload(change("b", "changed"))) return;
    await until(() => refusals(b).length > 0, "it is told");
    expect(refusals(b)[0]).toMatchObject({ code: "FENCED", message: expect.stringContaining("credentials") });
    await until(() => count(b, "disconnected") === 1, "the loss is told");
    reload(change("changed", "b"));
    await until(() => count(b, "connected") === 2, "it is back");
    // The client tells of the loss and the return once more for every refused attempt.
    for (let i = 0; i < 3; i++) expect(await flushed(b)).toBeUndefined();
    expect([count(b, "connected"), count(b, "disconnected")]).toEqual([2, 1]);
    await b.transport.close();
  });
});

describe.skipIf(missing)("a server that takes small messages only", () => {
  it("is asked for its limit, and no larger message is sent", async () => {
    const transport = await connectNats(small!.url, options("a"));
    expect(transport.maxMessageBytes).toBe(1_024);
    const a = begun(transport, "a");
    await until(() => transport.connected, "it is connected");
    transport.publish("ev", a.address, new Uint8Array(1_025));
    expect(refusals(a)).toEqual([
      expect.objectContaining({ code: "TRANSPORT", message: expect.stringContaining("1025 bytes") }),
    ]);
    transport.publish("ev", a.address, new Uint8Array(1_024));
    expect(await flushed(a)).toBeUndefined();
    expect(transport.connected).toBe(true);
    await transport.close();
  });
});
