/**
 * Hosts on servers that let nobody in without more ado: with the permissions that `docs/SECURITY.md` prints,
 * over TLS, and with every way to log in. Each server is a real one, configured so.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
} from "@nats-io/jwt";
import { connect, credsAuthenticator, type NatsConnection, nkeyAuthenticator } from "nats";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { jwtAuthenticator } from "../../src/cli/nats-jwt.ts";
import type { OpenOptions } from "../../src/options.ts";
import { open, type Tidemark } from "../../src/tidemark.ts";
import { natsServerForTests } from "./support/nats.ts";
import { grantsOf, userOf } from "./support/permissions.ts";
import { endWhatRuns, run, Served } from "./support/program.ts";

endWhatRuns();

const folder = mkdtempSync(join(tmpdir(), "tidemark-security-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string): string => join(folder, name);

/** An authority, and certificates that it signed, by the openssl of this machine. */
function authority(name: string, ...signed: string[]): void {
  const run = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = [
    "-keyout",
    file(`${name}.key`),
    "-out",
    file(`${name}.pem`),
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
  ];
  run("req", "-x509", ...key, ...ca);
  for (const each of signed) {
    writeFileSync(file(`${each}.ext`), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    run("req", ...key, "-keyout", file(`${each}.key`), "-out", file(`${each}.csr`), "-subj", `/CN=${each}`);
    const by = ["-CA", file(`${name}.pem`), "-CAkey", file(`${name}.key`), "-CAcreateserial", "-days", "2"];
    const made = ["-in", file(`${each}.csr`), "-out", file(`${each}.pem`), "-extfile", file(`${each}.ext`)];
    run("x509", "-req", ...by, ...made);
  }
}
authority("ours", "server", "client");
authority("theirs");
const tls = `cert_file: "${file("server.pem")}", key_file: "${file("server.key")}", timeout: 5`;

const operator = createOperator();
const account = createAccount();
const unlimited = { subs: -1, conn: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true };
const issued = await encodeAccount("shop", account, { limits: unlimited }, { signer: operator });
const nkey = createUser();
const seedOf = (key: { getSeed(): Uint8Array }): string => new TextDecoder().decode(key.getSeed());

/** A user of the account with the permissions of the template in its JWT. */
async function issue(node: string) {
  const { publish, subscribe } = grantsOf(node, "shop");
  const user = createUser();
  const claims = { pub: { allow: [...publish], deny: [] }, sub: { allow: [...subscribe], deny: [] } };
  const jwt = await encodeUser(node, user, account, claims);
  writeFileSync(file(`${node}.creds`), fmtCreds(jwt, user));
  return { jwt, seed: seedOf(user) };
}

const names = ["left", "right", "late"];
const guarded = await natsServerForTests({
  config: `authorization { users: [ ${names.map((node) => userOf(node, "shop")).join(",\n")} ] }`,
});
const secured = await natsServerForTests({ config: `tls { ${tls} }` });
const mutual = await natsServerForTests({
  config: `tls { ${tls}, ca_file: "${file("ours.pem")}", verify: true }`,
});
const tokened = await natsServerForTests({ config: `authorization { token: "s3cr%t" }` });
const keyed = await natsServerForTests({
  config: `authorization { users: [ ${userOf("left", "shop").replace(/user: .*\n/, `nkey: "${nkey.getPublicKey()}"\n`)} ] }`,
});
const issuing = await natsServerForTests({
  config: `operator: "${await encodeOperator("tests", operator)}"
    resolver: MEMORY
    resolver_preload: { ${account.getPublicKey()}: "${issued}" }`,
});
const servers = [guarded, secured, mutual, tokened, keyed, issuing];
const missing = servers.includes(undefined);

let hosts: Tidemark[] = [];
const connections: NatsConnection[] = [];
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.close()));
  hosts = [];
  await Promise.all(connections.splice(0).map((connection) => connection.close()));
});

async function begun(options: OpenOptions): Promise<Tidemark> {
  const timing = { joinWait: 150, heartbeat: 100, connectTimeout: "10s" } as const;
  const host = await open({ namespace: "shop", ...timing, ...options });
  hosts.push(host);
  return host;
}

async function started(options: OpenOptions): Promise<Tidemark> {
  const host = await begun(options);
  await host.ready({ timeout: "10s" });
  return host;
}

/** Whether a host opened so has what another one, opened so, writes. */
async function replicates(left: OpenOptions, right: OpenOptions = left): Promise<void> {
  const one = await started({ node: "left", ...left });
  const two = await started({ node: "right", ...right });
  one.set("greeting", "hello");
  expect(await one.replicated({ timeout: "10s" })).toBe(1);
  expect(two.get("greeting")).toBe("hello");
}

const login = (node: string): OpenOptions => ({
  nats: { servers: guarded!.url, user: node, pass: node },
  node,
});

describe.skipIf(missing)("a host with the permissions of the documentation", () => {
  it("joins, takes over a snapshot, replays what was lost, and is watched", async () => {
    const connection = await connect({ servers: guarded!.url, user: "left", pass: "left" });
    connections.push(connection);
    let losing = false;
    // Events vanish on their way as a server may lose them; heartbeats tell of them.
    const lossy = new Proxy(connection, {
      get(target, name) {
        const member = target[name as keyof NatsConnection];
        if (typeof member !== "function") return member;
        if (name !== "publish") return member.bind(target);
        return (subject: string, payload: Uint8Array) => {
          if (!losing || !subject.includes(".ev.")) target.publish(subject, payload);
        };
      },
    });
    const left = await started({ nats: lossy, node: "left" });
    left.set("early", "1");
    left.setAdd("set", "a", "b");
    const right = await started(login("right"));
    expect(right.get("early")).toBe("1");
    expect(right.status().counts.snapshotsInstalled).toBe(1);

    const watched = right.watch({ prefix: "lost" });
    expect((await watched.next()).value).toEqual({ type: "synced" });
    losing = true;
    left.set("lost", "and found");
    await left.flush();
    losing = false;
    expect((await watched.next()).value).toMatchObject({ type: "set", key: "lost", value: "and found" });
    expect(right.status()).toMatchObject({ lastRepair: { kind: "replay", from: left.incarnation } });

    const late = await started(login("late"));
    expect([...late.entries()].sort()).toEqual([...left.entries()].sort());
    for (const host of [left, right, late]) {
      expect(host.status()).toMatchObject({ state: "ready", reason: undefined, counts: { rejected: 0 } });
    }
  });

  it("cannot be another host: the server refuses, and it says so", async () => {
    const right = await started(login("right"));
    const fake = await begun({ ...login("left"), node: "right" });
    await expect(fake.ready({ timeout: "10s" })).rejects.toMatchObject({ code: "FENCED" });
    expect(fake.status().reason).toMatch(/Grant its user: subscribe "tidemark\.shop\.r[qp]\.right\.>"/);
    expect(() => fake.set("key", "value")).toThrow(expect.objectContaining({ code: "FENCED" }));

    // Nor by publishing past the library.
    const raw = await connect({ servers: guarded!.url, user: "left", pass: "left" });
    connections.push(raw);
    const before = right.status().counts.bytesReceived;
    for (const channel of ["ev", "hb"])
      raw.publish(`tidemark.shop.${channel}.late.${fake.incarnation}`, Uint8Array.of(0x80));
    await raw.flush();
    await right.flush();
    expect(right.status().counts).toMatchObject({ bytesReceived: before, rejected: 0 });
  });

  it("cannot read another namespace, nor what is meant for another host", async () => {
    const stranger = await begun({ ...login("left"), namespace: "bank" });
    await expect(stranger.ready({ timeout: "10s" })).rejects.toMatchObject({
      code: "FENCED",
      message: expect.stringContaining("tidemark.bank."),
    });
    const raw = await connect({ servers: guarded!.url, user: "left", pass: "left" });
    connections.push(raw);
    for (const subject of ["tidemark.bank.>", "tidemark.>", ">", "tidemark.shop.rp.right.>", "_INBOX.>"]) {
      const answer = new Promise((resolve) => {
        raw.subscribe(subject, { callback: (error) => resolve(error?.message ?? "heard something") });
      });
      expect(await answer, subject).toMatch(/Permissions Violation/i);
    }
  });
});

describe.skipIf(missing)("over TLS", () => {
  const ours = { caFile: file("ours.pem") };
  const at = (url: string): string => url.replace("nats:", "tls:");

  it("hosts replicate when they know the authority", async () => {
    await replicates({ nats: { servers: at(secured!.url), tls: ours } });
  });

  it.each([
    ["none is named", {}],
    ["another is named", { caFile: file("theirs.pem") }],
  ])("a server is not believed when %s as its authority, and that is said at once", async (_, given) => {
    const begin = performance.now();
    await expect(begun({ nats: { servers: at(secured!.url), tls: given } })).rejects.toMatchObject({
      code: "CONNECT_FAILED",
      message: expect.stringMatching(/certificate .* is not to be trusted .*caFile/),
    });
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  it("a file that is not there is named at once", async () => {
    const nats = { servers: at(secured!.url), tls: { caFile: file("none.pem") } };
    await expect(begun({ nats })).rejects.toMatchObject({
      code: "CONNECT_FAILED",
      message: expect.stringContaining("none.pem"),
    });
  });

  it("a server that asks for it is shown the host's own certificate", async () => {
    const own = { certFile: file("client.pem"), keyFile: file("client.key") };
    await replicates({ nats: { servers: at(mutual!.url), tls: { ...ours, ...own } } });
    const nats = { servers: at(mutual!.url), tls: ours };
    await expect(begun({ nats, connectTimeout: "1s" })).rejects.toMatchObject({ code: "CONNECT_FAILED" });
  });
});

describe.skipIf(missing)("logging in", () => {
  const wrong = { code: "CONNECT_FAILED", message: expect.stringContaining("refuses the credentials") };

  it("by user and password, in options or in the URL", async () => {
    const { host } = new URL(guarded!.url);
    await replicates(login("left"), { nats: `nats://right:right@${host}` });
    await expect(begun({ nats: `nats://right:wr0ng@${host}` })).rejects.toMatchObject({
      ...wrong,
      message: expect.not.stringContaining("wr0ng"),
    });
  });

  it("by token, in options or in the URL", async () => {
    const { host } = new URL(tokened!.url);
    const nats = { servers: tokened!.url, token: "s3cr%t" };
    await replicates({ nats }, { nats: `nats://s3cr%25t@${host}` });
    await expect(begun({ nats: { ...nats, token: "wrong" } })).rejects.toMatchObject(wrong);
  });

  it("by nkey, with the permissions of its user", async () => {
    const nats = (key: { getSeed(): Uint8Array }) => ({
      servers: keyed!.url,
      authenticator: nkeyAuthenticator(key.getSeed()),
    });
    const left = await started({ nats: nats(nkey), node: "left" });
    left.set("key", "value");
    await left.flush({ timeout: "10s" });
    const fake = await begun({ nats: nats(nkey), node: "right" });
    await expect(fake.ready({ timeout: "10s" })).rejects.toMatchObject({ code: "FENCED" });
    await expect(begun({ nats: nats(createUser()) })).rejects.toMatchObject(wrong);
  });

  it("by credentials file, or by JWT and seed, with the permissions in the JWT", async () => {
    const servers = issuing!.url;
    const { jwt, seed } = await issue("right");
    await issue("left");
    const creds = credsAuthenticator(readFileSync(file("left.creds")));
    await replicates(
      { nats: { servers, authenticator: creds } },
      { nats: { servers, authenticator: jwtAuthenticator(jwt, seed) } },
    );
    const fake = await begun({ nats: { servers, authenticator: creds }, node: "right" });
    await expect(fake.ready({ timeout: "10s" })).rejects.toMatchObject({ code: "FENCED" });
    const other = jwtAuthenticator(jwt, seedOf(createUser()));
    await expect(begun({ nats: { servers, authenticator: other } })).rejects.toMatchObject(wrong);
  });
});

describe.skipIf(missing)("serve", () => {
  const served = async (server: string, ...args: string[]): Promise<string> => {
    const flags = [
      "--nats",
      server,
      "--namespace",
      "shop",
      "--node",
      "left",
      "--resp",
      "off",
      "--http",
      "off",
    ];
    const host = new Served([...flags, ...args]);
    const ready = await host.next("ready");
    host.child.kill("SIGTERM");
    await host.ended;
    return ready.state as string;
  };

  it("logs in with the files that its flags name", async () => {
    await issue("left");
    writeFileSync(file("left.nk"), `${seedOf(nkey)}\n`);
    const tlsFlags = [
      "--nats-ca",
      file("ours.pem"),
      "--nats-cert",
      file("client.pem"),
      "--nats-key",
      file("client.key"),
    ];
    expect(await served(issuing!.url, "--nats-creds", file("left.creds"))).toBe("ready");
    expect(await served(keyed!.url, "--nats-nkey", file("left.nk"))).toBe("ready");
    expect(await served(mutual!.url.replace("nats:", "tls:"), ...tlsFlags)).toBe("ready");
  });

  it("says which file is none, and shows no secret", async () => {
    writeFileSync(file("odd.creds"), "SUSECRET");
    const refused = async (...args: string[]) => {
      const { code, err } = await run([
        "serve",
        "--nats",
        issuing!.url,
        "--resp",
        "off",
        "--http",
        "off",
        ...args,
      ]);
      expect({ code, secret: err.includes("SECRET") }).toEqual({ code: 2, secret: false });
      return err;
    };
    expect(await refused("--nats-creds", file("odd.creds"))).toMatch(
      /INVALID_ARGUMENT: --nats-creds: .* is no credentials file/,
    );
    expect(await refused("--nats-nkey", file("odd.creds"))).toMatch(
      /INVALID_ARGUMENT: --nats-nkey: .* is not the seed/,
    );
    expect(await refused("--nats-ca", file("none.pem"))).toMatch(/INVALID_ARGUMENT: --nats-ca: ENOENT/);
  });
});
