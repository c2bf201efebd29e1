import { describe, expect, it } from "vitest";
import { parseDuration, parseSize } from "../../src/arguments.ts";
import { resolveLoading } from "../../src/loader/settings.ts";
import { DEFAULTS, defaultNode, type OpenOptions, resolveSettings } from "../../src/options.ts";

const invalid = (message: RegExp) =>
  expect.objectContaining({
    name: "TidemarkError",
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(message),
  });

describe("parseDuration", () => {
  it.each<[unknown, number]>([
    [0, 0],
    [250, 250],
    [1.6, 2],
    [0.1, 1],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ["0s", 0],
    ["250ms", 250],
    ["0.2ms", 1],
    ["10s", 10_000],
    ["1.5s", 1_500],
    ["2.3h", 8_280_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
  ])("%j is %s ms", (given, ms) => {
    expect(parseDuration(given as never, "ttl")).toBe(ms);
  });

  it.each<[unknown]>([
    [-1],
    [Number.NaN],
    [Number.NEGATIVE_INFINITY],
    [1e300],
    [""],
    ["10"],
    ["s"],
    ["10 s"],
    [" 10s"],
    ["-1s"],
    ["+1s"],
    ["1e3s"],
    [".5s"],
    ["1.s"],
    ["10S"],
    ["10w"],
    ["Infinityms"],
    [`${"9".repeat(400)}d`],
    [null],
    [undefined],
    [{}],
    [10n],
    [true],
  ])("refuses %s", (given) => {
    expect(() => parseDuration(given as never, "ttl")).toThrow(invalid(/^ttl takes milliseconds .*"10s"/));
  });
});

describe("parseSize", () => {
  it.each<[unknown, number]>([
    [0, 0],
    [1_000, 1_000],
    ["10b", 10],
    ["64kb", 65_536],
    ["1.5kb", 1_536],
    ["512mb", 536_870_912],
    ["2gb", 2_147_483_648],
  ])("%j is %s bytes", (given, size) => {
    expect(parseSize(given as never, "logBytes")).toBe(size);
  });

  it.each<[unknown]>([
    [-1],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    ["10"],
    ["64KB"],
    ["64 kb"],
    ["1tb"],
    [null],
  ])("refuses %s", (given) => {
    expect(() => parseSize(given as never, "logBytes")).toThrow(invalid(/^logBytes takes bytes .*"64kb"/));
  });
});

describe("resolveSettings", () => {
  it("has a default for everything", () => {
    const { node, ...rest } = resolveSettings({});
    expect(node).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect(rest).toEqual({
      namespace: "default",
      subjectPrefix: "tidemark.default",
      checkpoint: undefined,
      sliceEntries: 1_000,
      ttlMs: Number.POSITIVE_INFINITY,
      ttlFrom: "creation",
      maxEntries: Number.POSITIVE_INFINITY,
      maxBytes: Number.POSITIVE_INFINITY,
      eviction: "lru",
      upstream: undefined,
      loading: resolveLoading(),
      maxKeyBytes: 65_536,
      maxValueBytes: 8_388_608,
      logBytes: 67_108_864,
      maxUnconfirmedBytes: 67_108_864,
      heartbeatMs: undefined,
      joinWaitMs: 1_000,
      connectTimeoutMs: 10_000,
      frameBytes: 32_768,
      chunkBytes: 262_144,
      inboxBytes: 16_777_216,
      imageBytes: expect.any(Number),
    });
    expect(resolveSettings()).toEqual({ node, ...rest });
  });

  it("takes every option", () => {
    const settings = resolveSettings({
      nats: ["nats://a:4222", "tls://b", "c:4222"],
      namespace: "carts",
      subjectPrefix: "acme.cache-1",
      node: "host_1",
      ttl: "10m",
      maxKeyBytes: "1kb",
      maxValueBytes: "1mb",
      logBytes: "1gb",
      maxUnconfirmedBytes: 1,
      heartbeat: "200ms",
      joinWait: 0,
      connectTimeout: "3s",
    });
    expect(settings).toMatchObject({
      namespace: "carts",
      subjectPrefix: "acme.cache-1",
      node: "host_1",
      ttlMs: 600_000,
      maxKeyBytes: 1_024,
      maxValueBytes: 1_048_576,
      logBytes: 1_073_741_824,
      maxUnconfirmedBytes: 1,
      heartbeatMs: 200,
      joinWaitMs: 0,
      connectTimeoutMs: 3_000,
      frameBytes: DEFAULTS.frameBytes,
    });
  });

  it("draws the subject prefix from the namespace", () => {
    expect(resolveSettings({ namespace: "carts" }).subjectPrefix).toBe("tidemark.carts");
  });

  it("takes undefined for absent, as JavaScript callers write it", () => {
    const loose = { ttl: undefined, node: undefined, nats: undefined } as unknown as OpenOptions;
    expect(resolveSettings(loose).ttlMs).toBe(Number.POSITIVE_INFINITY);
  });

  it.each<[option: keyof OpenOptions, value: unknown, says: RegExp]>([
    ["namespace", "", /^namespace takes 1 to 64 of the characters/],
    ["namespace", "a.b", /not "a\.b"/],
    ["namespace", "a*", /namespace/],
    ["namespace", "x".repeat(65), /namespace/],
    ["namespace", "ok\n", /namespace/],
    ["namespace", 7, /not 7/],
    ["node", "my host", /^node takes/],
    ["subjectPrefix", "", /^subjectPrefix takes a NATS subject/],
    ["subjectPrefix", "a..b", /no empty part/],
    ["subjectPrefix", ".a", /subjectPrefix/],
    ["subjectPrefix", "a.", /subjectPrefix/],
    ["subjectPrefix", "a.*", /subjectPrefix/],
    ["subjectPrefix", "a.>", /subjectPrefix/],
    ["subjectPrefix", "a b", /subjectPrefix/],
    ["subjectPrefix", "a.b\n", /subjectPrefix/],
    ["subjectPrefix", "é", /subjectPrefix/],
    ["subjectPrefix", "$SYS.a", /no \$ at the start/],
    ["subjectPrefix", "a".repeat(257), /at most 256/],
    ["ttl", 0, /^ttl takes a duration above 0/],
    ["ttl", "soon", /^ttl takes milliseconds/],
    ["maxKeyBytes", 0, /^maxKeyBytes takes a size from 1 to 524288 bytes, not 0/],
    ["maxKeyBytes", "1mb", /maxKeyBytes/],
    ["maxValueBytes", "1gb", /^maxValueBytes takes a size from 1/],
    ["logBytes", "0b", /^logBytes/],
    ["maxUnconfirmedBytes", "much", /^maxUnconfirmedBytes/],
    ["heartbeat", 10, /^heartbeat takes a duration from 20 ms to 1 day/],
    ["heartbeat", Number.POSITIVE_INFINITY, /^heartbeat/],
    ["joinWait", "2d", /^joinWait/],
    ["connectTimeout", 0, /^connectTimeout takes a duration from 1 ms/],
    ["nats", "", /^nats takes a URL such as/],
    ["nats", "http://a", /^nats/],
    ["nats", "nats://a b", /^nats/],
    ["nats", [], /^nats/],
    ["nats", ["nats://a", 7], /^nats/],
    ["nats", null, /leave it out to run standalone/],
    ["nats", 4222, /^nats/],
  ])("refuses %s: %j", (option, value, says) => {
    expect(() => resolveSettings({ [option]: value } as OpenOptions)).toThrow(invalid(says));
  });

  it.each<[given: string, hint: RegExp]>([
    ["Namespace", /open has no option "Namespace": did you mean "namespace"\?/],
    ["namspace", /"namespace"/],
    ["maxValueByte", /"maxValueBytes"/],
    ["max_value_bytes", /"maxValueBytes"/],
    ["TTL", /"ttl"/],
    ["heartBeatMs", /"heartbeat"/],
    ["frobnicate", /known are nats, namespace, /],
    ["__proto", /known are/],
    ["toString", /open has no option/],
  ])("refuses an unknown option %s with a hint", (given, hint) => {
    expect(() => resolveSettings({ [given]: 1 } as OpenOptions)).toThrow(invalid(hint));
  });

  it.each([[null], ["nats://127.0.0.1"], [[]], [7]])("refuses %j for options", (given) => {
    expect(() => resolveSettings(given as never)).toThrow(invalid(/^open takes an object/));
  });

  it("never shows what an object holds", () => {
    const options = { ttl: { password: "secret" } } as unknown as OpenOptions;
    expect(() => resolveSettings(options)).toThrow(invalid(/not an object$/));
  });
});

describe("defaultNode", () => {
  it.each<[string, string]>([
    ["web-7", "web-7"],
    ["web-7.example.com", "web-7-example-com"],
    ["Jörg's Mac", "J-rg-s-Mac"],
    ["..a..", "a"],
    ["", "node"],
    ["...", "node"],
    [`${"x".repeat(63)}.y`, "x".repeat(63)],
  ])("%j becomes %s", (machine, node) => {
    expect(defaultNode(machine)).toBe(node);
  });
});
