import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { configSchema, parseConfig, readConfig } from "../../../src/cli/config-file.ts";
import { FLAGS, variableOf } from "../../../src/cli/flag-table.ts";
import { addServeFlags, configFile, serveSettings } from "../../../src/cli/flags.ts";
import { publishedSchema } from "../../support/config-schema.ts";

const FILE = "/etc/tidemark/host.json";

/** Settings from a command line, an environment and what a configuration file holds. */
function settings(args: readonly string[], env: Record<string, string>, content: object) {
  const command = addServeFlags(new Command()).exitOverride();
  command.parse(args, { from: "user" });
  return serveSettings(command.opts(), env, parseConfig(JSON.stringify(content), FILE));
}

/** As `settings`, or the sentence that refuses them. */
function outcome(...given: Parameters<typeof settings>) {
  try {
    return settings(...given);
  } catch (error) {
    return (error as Error).message;
  }
}

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });

/** For every flag two values: as a file holds it, and as the command line does. */
const SAMPLES: Readonly<Record<string, readonly (readonly [inFile: unknown, flag: string])[]>> = {
  nats: [
    ["nats://a:1", "nats://a:1"],
    [["nats://a", "nats://b"], "nats://a,nats://b"],
  ],
  natsCreds: [
    ["natsCreds.pem", "/etc/tidemark/natsCreds.pem"],
    ["/natsCreds", "/natsCreds"],
  ],
  natsNkey: [
    ["natsNkey.pem", "/etc/tidemark/natsNkey.pem"],
    ["/natsNkey", "/natsNkey"],
  ],
  natsCa: [
    ["natsCa.pem", "/etc/tidemark/natsCa.pem"],
    ["/natsCa", "/natsCa"],
  ],
  natsCert: [
    ["natsCert.pem", "/etc/tidemark/natsCert.pem"],
    ["/natsCert", "/natsCert"],
  ],
  natsKey: [
    ["natsKey.pem", "/etc/tidemark/natsKey.pem"],
    ["/natsKey", "/natsKey"],
  ],
  namespace: [
    ["one", "one"],
    ["two", "two"],
  ],
  node: [
    ["n1", "n1"],
    ["n2", "n2"],
  ],
  resp: [
    [7_000, "7000"],
    ["off", "off"],
  ],
  requirepass: [
    ["one", "one"],
    ["two", "two"],
  ],
  respUsers: [
    ["users.json", "/etc/tidemark/users.json"],
    ["/u.json", "/u.json"],
  ],
  respCert: [
    ["c.pem", "/etc/tidemark/c.pem"],
    ["/c", "/c"],
  ],
  respKey: [
    ["k.pem", "/etc/tidemark/k.pem"],
    ["/k", "/k"],
  ],
  respCa: [
    ["a.pem", "/etc/tidemark/a.pem"],
    ["/a", "/a"],
  ],
  allowOpen: [
    [true, "true"],
    [false, "false"],
  ],
  http: [
    ["127.0.0.1:80", "127.0.0.1:80"],
    [0, "0"],
  ],
  httpToken: [
    ["0123456789abcdef", "0123456789abcdef"],
    ["fedcba9876543210", "fedcba9876543210"],
  ],
  httpTokenFile: [
    ["token", "/etc/tidemark/token"],
    ["/t", "/t"],
  ],
  httpCert: [
    ["c.pem", "/etc/tidemark/c.pem"],
    ["/c", "/c"],
  ],
  httpKey: [
    ["k.pem", "/etc/tidemark/k.pem"],
    ["/k", "/k"],
  ],
  allowRemote: [
    [true, "true"],
    [false, "false"],
  ],
  ttl: [
    ["10m", "10m"],
    [1_500, "1500"],
  ],
  ttlFrom: [
    ["write", "write"],
    ["creation", "creation"],
  ],
  maxEntries: [
    [1_000, "1000"],
    [2_000, "2000"],
  ],
  maxBytes: [
    ["512mb", "512mb"],
    [1_000_000, "1000000"],
  ],
  eviction: [
    ["none", "none"],
    ["s3fifo", "s3fifo"],
  ],
  checkpoint: [
    ["kept", "/etc/tidemark/kept"],
    ["/var/kept", "/var/kept"],
  ],
  checkpointEvery: [
    ["5m", "5m"],
    [60_000, "60000"],
  ],
  heartbeat: [
    ["250ms", "250ms"],
    [500, "500"],
  ],
  connectTimeout: [
    ["2s", "2s"],
    [100, "100"],
  ],
  subjectPrefix: [
    ["acme.cache", "acme.cache"],
    ["acme", "acme"],
  ],
  json: [
    [true, "true"],
    [false, "false"],
  ],
};
/** What some of them cannot do without. */
const BESIDE: Readonly<Record<string, object>> = {
  natsCreds: { nats: "a" },
  natsNkey: { nats: "a" },
  natsCa: { nats: "a" },
  natsCert: { nats: "a", natsKey: "/k" },
  natsKey: { nats: "a", natsCert: "/c" },
  respCert: { respKey: "/k" },
  respKey: { respCert: "/c" },
  respCa: { respCert: "/c", respKey: "/k" },
  httpCert: { httpKey: "/k" },
  httpKey: { httpCert: "/c" },
  allowRemote: { http: "0.0.0.0:80" },
  ttlFrom: { ttl: "1h" },
  checkpointEvery: { checkpoint: "/kept" },
};

const flags = FLAGS.filter(({ name }) => name !== "config");

describe("the configuration file", () => {
  it("has a key for every flag", () => {
    expect(Object.keys(SAMPLES).sort()).toEqual(flags.map(({ name }) => name).sort());
  });

  it.each(flags)("$name means what $flag means", (flag) => {
    const beside = BESIDE[flag.name] ?? {};
    const byFile = SAMPLES[flag.name]!.map(([value]) => outcome([], {}, { ...beside, [flag.name]: value }));
    const byVariable = SAMPLES[flag.name]!.map(([, text]) =>
      outcome([], { [variableOf(flag)]: text }, beside),
    );
    expect(byFile).toEqual(byVariable);
    expect(byFile[0]).not.toEqual(byFile[1]);
  });

  it.each(flags)("$name in the file goes behind its variable, and that behind its flag", (flag) => {
    const beside = BESIDE[flag.name] ?? {};
    const [[inFile, first], [, second]] = SAMPLES[flag.name] as [[unknown, string], [unknown, string]];
    const file = { ...beside, [flag.name]: inFile };
    const env = { [variableOf(flag)]: second };
    expect(outcome([], env, file)).toEqual(outcome([], env, beside));
    if (flag.takes === "switch") return;
    expect(outcome([`${flag.flag.split(" ")[0]}=${first}`], env, beside)).toEqual(
      outcome([], { [variableOf(flag)]: first }, beside),
    );
  });

  it("is named by a flag, else by a variable", () => {
    expect(configFile({ config: "a" }, { TIDEMARK_CONFIG: "b" })).toBe("a");
    expect(configFile({}, { TIDEMARK_CONFIG: "b" })).toBe("b");
    expect(configFile({}, { TIDEMARK_CONFIG: "" })).toBeUndefined();
  });

  it("has named users, unless another file is named for them, and limits", () => {
    const users = [{ name: "app", password: "p", keys: ["app:*"], rights: "write" }];
    const content = { users, respLimits: { maxClients: 10, idleTimeoutMs: 0 } };
    expect(settings([], {}, content).resp).toMatchObject({
      users,
      limits: content.respLimits,
      usersFile: undefined,
    });
    expect(settings(["--resp-users", "u"], {}, content).resp).toMatchObject({
      users: undefined,
      usersFile: "u",
    });
    expect(settings(["--resp", "0.0.0.0:1"], {}, { users }).resp).toMatchObject({ host: "0.0.0.0" });
    expect(() => settings(["--resp", "0.0.0.0:1"], {}, {})).toThrow(refused(/--requirepass/));
  });
});

/** What is refused, and how the error names it. The schema refuses it, too. */
const WRONG: readonly (readonly [content: unknown, message: RegExp])[] = [
  [[], /^\/etc\/tidemark\/host\.json takes an object of options, not an array$/],
  [{ maxEntrys: 1 }, /^\/etc\/tidemark\/host\.json has no option "maxEntrys": did you mean "maxEntries"\?$/],
  [{ config: "other.json" }, /has no option "config"/],
  [
    { maxEntries: "1000" },
    /^\/etc\/tidemark\/host\.json: maxEntries takes a whole number from 1, not "1000"$/,
  ],
  [{ maxEntries: 0 }, /: maxEntries takes a whole number from 1, not 0$/],
  [{ maxBytes: "5q" }, /: maxBytes takes bytes, or text such as/],
  [{ ttl: "soon" }, /: ttl takes milliseconds, or text such as .*, not "soon"$/],
  [{ ttl: -1 }, /: ttl takes milliseconds/],
  [{ eviction: "mru" }, /: eviction takes "lru", "s3fifo" or "none", not "mru"$/],
  [{ allowOpen: "yes" }, /: allowOpen takes true or false, not "yes"$/],
  [{ http: 65_536 }, /: http takes "host:port", a port, or "off", not 65536$/],
  [{ http: "host" }, /: http takes/],
  [{ nats: [] }, /: nats takes a URL such as .*, not an array$/],
  [{ node: "ä" }, /: node takes 1 to 64 of/],
  [{ requirepass: "" }, /: requirepass takes a text that is not empty$/],
  [{ checkpoint: "" }, /: checkpoint takes the name of a file/],
  [{ users: [] }, /: users takes a list such as/],
  [{ users: ["app"] }, /: users\[0\] takes an object/],
  [
    { users: [{ name: "a", password: "p", key: [] }] },
    /: users\[0\] has no option "key": did you mean "keys"\?$/,
  ],
  [{ users: [{ name: "a b", password: "p" }] }, /: users\[0\]\.name takes 1 to 64 characters/],
  [{ users: [{ name: "a" }] }, /: users\[0\]\.password takes a text/],
  [{ users: [{ name: "a", password: "p", keys: [] }] }, /: users\[0\]\.keys takes a list of patterns/],
  [
    { users: [{ name: "a", password: "p", rights: "all" }] },
    /: users\[0\]\.rights takes "read", "write" or "admin", not "all"$/,
  ],
  [{ respLimits: [] }, /: respLimits takes an object of maxClients/],
  [{ respLimits: { maxClient: 1 } }, /: respLimits has no option "maxClient": did you mean "maxClients"\?$/],
  [{ respLimits: { maxClients: 0 } }, /: respLimits\.maxClients takes a whole number from 1, not 0$/],
];

describe("a mistake in the file", () => {
  it.each(WRONG)("%j is named with its key and what it takes", (content, message) => {
    expect(() => parseConfig(JSON.stringify(content), FILE)).toThrow(refused(message));
  });

  it("is named by its key where only the whole can tell", () => {
    expect(() => settings([], {}, { heartbeat: "1ms" })).toThrow(
      refused(/^\/etc\/tidemark\/host\.json: heartbeat takes a duration from 20 ms/),
    );
    expect(() => settings([], {}, { http: "0.0.0.0:80" })).toThrow(
      refused(/^\/etc\/tidemark\/host\.json: http would let other machines/),
    );
    const twice = [1, 2].map(() => ({ name: "app", password: "p" }));
    expect(() => settings([], {}, { users: twice })).toThrow(
      refused(/: users\[1\]\.name: there is another user "app"/),
    );
  });

  it("never repeats a password", () => {
    for (const text of [
      '{"requirepass": secret}',
      '{"requirepass": 5ecret}',
      '{"requirepass": "secret" "x"}',
    ]) {
      const wrong = (() => {
        try {
          return parseConfig(text, FILE);
        } catch (error) {
          return (error as Error).message;
        }
      })();
      expect(wrong).toMatch(/^\/etc\/tidemark\/host\.json is no JSON/);
      expect(wrong).not.toContain("ecret");
    }
    expect(() => parseConfig('{"requirepass": 12345}', FILE)).toThrow(refused(/not empty$/));
    expect(() => parseConfig('{\n  "ttl": "1s",\n}', FILE)).toThrow(refused(/no JSON: line 3, column 1/));
  });

  it("is a file that is not there", async () => {
    await expect(readConfig("/none/such.json")).rejects.toThrow(
      refused(/cannot be read: ENOENT.*\/none\/such\.json/),
    );
  });
});

describe("the published schema", () => {
  const allows = new Ajv({ allErrors: true, strict: true, strictTypes: false }).compile(publishedSchema());

  it("is that of the table of flags; npm run docs:config writes it", () => {
    expect(publishedSchema()).toEqual(configSchema());
  });

  it("allows what docs/CLI.md shows, which is taken", () => {
    const page = readFileSync(new URL("../../../docs/CLI.md", import.meta.url), "utf8");
    const [, shown] = /```json\n([\s\S]*?)```/.exec(page)!;
    const content = JSON.parse(shown!) as object;
    expect(allows(content)).toBe(true);
    expect(settings([], {}, content)).toMatchObject({
      open: { namespace: "sessions" },
      resp: { port: 7379 },
    });
  });

  it("allows what is taken, and refuses what is refused", () => {
    for (const [name, samples] of Object.entries(SAMPLES))
      for (const [value] of samples) expect(allows({ [name]: value }), `${name}: ${value}`).toBe(true);
    const users = [{ name: "app", password: "p", keys: ["app:*"], rights: "write" }];
    expect(allows({ $schema: "./config.schema.json", users, respLimits: { idleTimeoutMs: 0 } })).toBe(true);
    for (const [content] of WRONG) expect(allows(content), JSON.stringify(content)).toBe(false);
  });
});
