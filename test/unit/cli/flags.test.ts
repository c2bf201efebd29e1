import { Command } from "commander";
import { nkeys } from "nats";
import { describe, expect, it } from "vitest";
import { addServeFlags, serveSettings } from "../../../src/cli/flags.ts";
import { isLoopback } from "../../../src/providers/listening/listen.ts";

type Environment = Record<string, string>;

/** Settings from a command line, given as one string, and an environment. */
function settings(line: string, env: Environment = {}) {
  const command = addServeFlags(new Command()).exitOverride();
  command.parse(line === "" ? [] : line.split(" "), { from: "user" });
  return serveSettings(command.opts(), env);
}

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });

describe("the flags of serve", () => {
  it("stand alone on the loopback address without any", () => {
    expect(settings("")).toEqual({
      open: {},
      resp: {
        host: "127.0.0.1",
        port: 7379,
        password: undefined,
        usersFile: undefined,
        users: undefined,
        limits: {},
        allowOpen: false,
        tls: undefined,
      },
      http: { host: "127.0.0.1", port: 7380, token: undefined, tokenFile: undefined, tls: undefined },
      json: false,
    });
  });

  it.each<[line: string, open: object]>([
    ["--nats nats://a:4222", { nats: "nats://a:4222" }],
    ["--nats a,nats://b:1,,tls://c", { nats: ["a", "nats://b:1", "tls://c"] }],
    ["--namespace sessions --node n1", { namespace: "sessions", node: "n1" }],
    ["--ttl 10m --heartbeat 250ms", { ttl: "10m", heartbeat: "250ms" }],
    ["--ttl 1500 --connect-timeout 2s", { ttl: 1_500, connectTimeout: "2s" }],
    ["--ttl 1h --ttl-from write", { ttl: "1h", ttlFrom: "write" }],
    ["--max-entries 1000 --max-bytes 512mb", { maxEntries: 1_000, maxBytes: "512mb" }],
    ["--max-bytes 100000 --eviction s3fifo", { maxBytes: 100_000, eviction: "s3fifo" }],
    ["--checkpoint /var/kept", { checkpoint: { path: "/var/kept" } }],
    ["--checkpoint kept --checkpoint-every 5m", { checkpoint: { path: "kept", every: "5m" } }],
    ["--subject-prefix acme.cache", { subjectPrefix: "acme.cache" }],
  ])("%s", (line, open) => {
    expect(settings(line).open).toEqual(open);
  });

  it("take a checkpoint's interval only with its file, and say by which name it is wrong", () => {
    const env = { TIDEMARK_CHECKPOINT: "kept", TIDEMARK_CHECKPOINT_EVERY: "90s" };
    expect(settings("", env).open).toEqual({ checkpoint: { path: "kept", every: "90s" } });
    expect(() => settings("--checkpoint-every 1m")).toThrow(refused(/^--checkpoint-every .*--checkpoint$/));
    const wrong = () => settings("", { ...env, TIDEMARK_CHECKPOINT_EVERY: "often" });
    expect(wrong).toThrow(refused(/^TIDEMARK_CHECKPOINT_EVERY takes/));
  });

  it.each<[text: string, place: object | undefined]>([
    ["off", undefined],
    ["0", { host: "127.0.0.1", port: 0 }],
    ["8080", { host: "127.0.0.1", port: 8080 }],
    ["localhost:8080", { host: "localhost", port: 8080 }],
    ["127.0.0.2:80", { host: "127.0.0.2", port: 80 }],
    ["[::1]:8080", { host: "::1", port: 8080 }],
  ])("--http %s", (text, place) => {
    expect(settings(`--http ${text}`).http).toEqual(place && expect.objectContaining(place));
    expect(settings("", { TIDEMARK_HTTP: text }).http).toEqual(place && expect.objectContaining(place));
  });

  it.each<[line: string, resp: object | undefined]>([
    ["--resp off", undefined],
    ["--resp 0", { host: "127.0.0.1", port: 0 }],
    ["--resp 0.0.0.0:1 --allow-open", { host: "0.0.0.0", port: 1, allowOpen: true }],
    ["--resp 0.0.0.0:1 --requirepass secret", { password: "secret" }],
    ["--resp 0.0.0.0:1 --resp-users u.json", { usersFile: "u.json" }],
    ["--resp-cert c --resp-key k", { tls: { cert: "c", key: "k", ca: undefined } }],
    ["--resp-cert c --resp-key k --resp-ca a", { tls: { cert: "c", key: "k", ca: "a" } }],
  ])("%s", (line, resp) => {
    const { resp: found } = settings(line);
    if (resp === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(resp);
  });

  it.each<[line: string, message: RegExp]>([
    ["--resp a:b", /^--resp takes host:port/],
    ["--resp 0.0.0.0:7379", /^--resp would let other machines .*--requirepass.*--allow-open/],
    ["--resp-cert c", /^TLS takes both --resp-cert and --resp-key/],
    ["--resp-ca a", /^TLS takes both/],
  ])("refuse %s", (line, message) => {
    expect(() => settings(line)).toThrow(refused(message));
  });

  it.each(["on", "host", ":80", "a:b", "65536", "::1:80", "http://a:80", "1.2.3.4:999999", "-1"])(
    "refuse %s as an address",
    (text) => {
      expect(() => settings(`--http=${text}`)).toThrow(refused(/^--http takes host:port/));
    },
  );

  it.each<[line: string, message: RegExp]>([
    ["--namespace a.b", /^--namespace takes 1 to 64/],
    ["--node ä", /^--node takes/],
    ["--ttl 0", /^--ttl takes a duration above 0/],
    ["--ttl 5x", /^--ttl takes milliseconds/],
    ["--ttl-from now", /^--ttl-from takes/],
    ["--max-entries many", /^--max-entries takes/],
    ["--max-bytes 5q", /^--max-bytes takes/],
    ["--eviction mru", /^--eviction takes/],
    ["--heartbeat 1ms", /^--heartbeat takes a duration from 20 ms/],
    ["--connect-timeout never", /^--connect-timeout takes/],
    ["--subject-prefix a.*", /^--subject-prefix takes a NATS subject/],
    ["--nats ftp://a", /^--nats takes a URL/],
  ])("refuse %s with the flag's name", (line, message) => {
    expect(() => settings(line)).toThrow(refused(message));
  });
});

describe("the environment of serve", () => {
  it("sets every flag", () => {
    const env = {
      TIDEMARK_NATS: "nats://a",
      TIDEMARK_NAMESPACE: "sessions",
      TIDEMARK_NODE: "n1",
      TIDEMARK_HTTP: "0.0.0.0:0",
      TIDEMARK_ALLOW_REMOTE: "true",
      TIDEMARK_TTL: "10m",
      TIDEMARK_TTL_FROM: "write",
      TIDEMARK_MAX_ENTRIES: "10",
      TIDEMARK_MAX_BYTES: "1gb",
      TIDEMARK_EVICTION: "none",
      TIDEMARK_HEARTBEAT: "500",
      TIDEMARK_CONNECT_TIMEOUT: "3s",
      TIDEMARK_SUBJECT_PREFIX: "acme",
      TIDEMARK_JSON: "1",
    };
    expect(settings("", env)).toEqual({
      open: {
        nats: "nats://a",
        namespace: "sessions",
        node: "n1",
        ttl: "10m",
        ttlFrom: "write",
        maxEntries: 10,
        maxBytes: "1gb",
        eviction: "none",
        heartbeat: 500,
        connectTimeout: "3s",
        subjectPrefix: "acme",
      },
      resp: expect.objectContaining({ host: "127.0.0.1", port: 7379 }),
      http: { host: "0.0.0.0", port: 0 },
      json: true,
    });
  });

  it("comes after the flags, and before the provider's names", () => {
    const env = { TIDEMARK_NATS: "nats://b", NATS_URL: "nats://c" };
    expect(settings("--nats nats://a", env).open.nats).toBe("nats://a");
    expect(settings("", env).open.nats).toBe("nats://b");
    expect(settings("", { ...env, TIDEMARK_NATS: "" }).open.nats).toBe("nats://c");
  });

  it("takes an empty variable as not set", () => {
    const env = { TIDEMARK_NATS: "", NATS_URL: "", TIDEMARK_HTTP: "", TIDEMARK_JSON: "", CLIENT_JWT: "" };
    expect(settings("", { ...env, REPLAY_REQ_SUBJECT: "", CLIENT_SEED: "" })).toEqual(settings(""));
  });

  it.each(["0", "false", "no", "OFF"])("reads %s as no", (text) => {
    expect(settings("", { TIDEMARK_JSON: text }).json).toBe(false);
  });

  it("refuses what is neither yes nor no, and names the variable that is wrong", () => {
    expect(() => settings("", { TIDEMARK_JSON: "maybe" })).toThrow(refused(/^TIDEMARK_JSON takes true/));
    expect(() => settings("", { TIDEMARK_TTL: "5x" })).toThrow(refused(/^TIDEMARK_TTL takes/));
    expect(() => settings("", { TIDEMARK_HTTP: "x" })).toThrow(refused(/^TIDEMARK_HTTP takes/));
  });

  it("takes the provider's names", () => {
    const env = { NATS_URL: "nats://a", STATE_REPL_SUBJECT: "state.repl", REPLAY_HEARTBEAT_SECS: "5" };
    expect(settings("", env).open).toEqual({
      nats: "nats://a",
      subjectPrefix: "state.repl",
      heartbeat: "5s",
    });
    expect(() => settings("", { REPLAY_HEARTBEAT_SECS: "soon" })).toThrow(
      refused(/^REPLAY_HEARTBEAT_SECS takes/),
    );
  });

  it("refuses the provider's one subject for all replays, and says why", () => {
    expect(() => settings("", { REPLAY_REQ_SUBJECT: "replay" })).toThrow(
      refused(/^REPLAY_REQ_SUBJECT .* made every host repair/),
    );
  });

  it("logs in with CLIENT_JWT and CLIENT_SEED", () => {
    const env = {
      NATS_URL: "nats://a,nats://b",
      CLIENT_JWT: "a.jwt",
      CLIENT_SEED: new TextDecoder().decode(nkeys.createUser().getSeed()),
    };
    const nats = settings("", env).open.nats as { authenticator: (nonce: string) => { jwt: string } };
    expect(nats).toEqual({ servers: ["nats://a", "nats://b"], authenticator: expect.any(Function) });
    expect(nats.authenticator("nonce").jwt).toBe("a.jwt");
    expect(() => settings("", { ...env, CLIENT_JWT: "" })).toThrow(refused(/CLIENT_SEED is set without/));
    expect(() => settings("", { ...env, CLIENT_SEED: "" })).toThrow(refused(/CLIENT_JWT is set without/));
    expect(() => settings("", { ...env, NATS_URL: "" })).toThrow(refused(/no server/));
    expect(() => settings("", { ...env, CLIENT_SEED: "SUX" })).toThrow(refused(/^CLIENT_SEED is not/));
  });
});

describe("logging in to NATS", () => {
  it("takes files, which go together or not", () => {
    expect(settings("--nats a --nats-creds c --nats-ca a").natsFiles).toMatchObject({ creds: "c", ca: "a" });
    expect(() => settings("--nats-creds c")).toThrow(refused(/^--nats-creds is set, and no server/));
    expect(() => settings("--nats a --nats-creds c --nats-nkey n")).toThrow(
      refused(/^give one way to log in/),
    );
    const env = { CLIENT_JWT: "a.jwt", CLIENT_SEED: new TextDecoder().decode(nkeys.createUser().getSeed()) };
    expect(() => settings("--nats a --nats-nkey n", env)).toThrow(refused(/^give one way to log in/));
    expect(() => settings("--nats a --nats-cert c")).toThrow(refused(/--nats-cert and --nats-key/));
  });
});

describe("listening beyond this machine", () => {
  it.each(["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.org:80", "[::ffff:127.0.0.1]:80"])(
    "to %s takes consent",
    (address) => {
      expect(() => settings(`--http ${address}`)).toThrow(refused(/^--http .*--allow-remote/));
      expect(() => settings("", { TIDEMARK_HTTP: address, TIDEMARK_ALLOW_REMOTE: "false" })).toThrow(
        refused(/^TIDEMARK_HTTP /),
      );
      expect(settings(`--http ${address} --allow-remote`).http).toBeDefined();
    },
  );

  it("is no question where callers have to log in", () => {
    const beyond = "--http 0.0.0.0:80";
    expect(settings(`${beyond} --http-token-file t`).http).toMatchObject({ tokenFile: "t" });
    expect(settings(beyond, { TIDEMARK_HTTP_TOKEN: "secret" }).http).toMatchObject({ token: "secret" });
    expect(settings("--http-cert c --http-key k").http).toMatchObject({ tls: { cert: "c", key: "k" } });
    expect(() => settings("--http-cert c")).toThrow(refused(/both --http-cert and --http-key/));
    expect(() => settings("--http-token a --http-token-file b")).toThrow(
      refused(/^--http-token and --http-token-file are both set/),
    );
  });

  it("is told from this machine's own addresses", () => {
    expect(["localhost", "127.0.0.1", "127.9.9.9", "::1"].filter(isLoopback)).toHaveLength(4);
    expect(["127.0.0.1.example.org", "127.1", "0.0.0.0", "::", ""].filter(isLoopback)).toEqual([]);
  });
});
