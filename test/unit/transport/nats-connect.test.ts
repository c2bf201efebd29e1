/** What may be given as `nats`, what becomes of it, and that no password is ever shown. */
import { describe, expect, it } from "vitest";
import { parseServer, planDial } from "../../../src/transport/nats-connect.ts";

describe("a server URL", () => {
  it.each([
    ["nats://h", "h:4222", false, undefined],
    ["h:5", "h:5", false, undefined],
    ["tls://h:5/", "h:5", true, undefined],
    ["nats://[::1]:5", "[::1]:5", false, undefined],
    ["nats://s3cret@h:5", "h:5", false, { token: "s3cret" }],
    ["nats://ann:1234@h:5", "h:5", false, { user: "ann", pass: "1234" }],
    ["nats://ann:p%40s%3A@h", "h:4222", false, { user: "ann", pass: "p@s:" }],
    ["nats://ann:100%@h", "h:4222", false, { user: "ann", pass: "100%" }],
    ["nats://ann:p@ss@h", "h:4222", false, { user: "ann", pass: "p@ss" }],
  ] as const)("%s is taken apart", (url, address, tls, credentials) => {
    expect(parseServer(url)).toEqual({ address, tls, credentials });
  });

  it.each([
    "ws://u:s3cret@h",
    "https://u:s3cret@h",
    "nats://",
    "nats://u:s3cret@",
    "u:s3cret@h:70000",
    "u:s3cret@h:x",
  ])("%s is refused, without its password", (url) => {
    let failure: unknown;
    try {
      parseServer(url);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(String((failure as Error).message)).not.toContain("s3cret");
  });
});

describe("a plan to connect", () => {
  it("shows the servers and no password", () => {
    const plan = planDial("nats://ann:s3cret@one:1, tls://two", "a");
    expect(plan.shown).toBe("nats://one:1, tls://two:4222");
    expect(plan.options).toMatchObject({
      servers: ["one:1", "two:4222"],
      user: "ann",
      pass: "s3cret",
      tls: {},
    });
    expect(planDial({}, "a").shown).toBe("nats://127.0.0.1:4222");
    expect(planDial({ port: 7 }, "a").shown).toBe("nats://127.0.0.1:7");
  });

  it("has the user's options win, but for coming back", () => {
    const given = { servers: "h", name: "mine", pingInterval: 9, reconnect: false, maxReconnectAttempts: 3 };
    const { options } = planDial(given, "a");
    expect(options).toMatchObject({
      name: "mine",
      pingInterval: 9,
      reconnect: true,
      maxReconnectAttempts: -1,
    });
    expect(options).toMatchObject({ noEcho: true, maxPingOut: 2, ignoreAuthErrorAbort: true });
    expect(given.servers).toBe("h");
    expect(planDial("h", "a").options).toMatchObject({ name: "tidemark/a", pingInterval: 2_000 });
  });

  it("prefers credentials given as options to those in a URL", () => {
    const { options } = planDial({ servers: ["nats://ann:x@h"], token: "t" }, "a");
    expect(options).toMatchObject({ token: "t" });
    expect(options).not.toHaveProperty("user");
  });

  it("is not talked out of TLS by an option that is undefined", () => {
    expect(planDial({ servers: ["tls://h"], tls: undefined }, "a").options.tls).toEqual({});
  });

  it.each(
    [
      ["", []],
      [" , ", [""]],
      [{ servers: "" }, { servers: [] }],
      [{ servers: 5 }, { servers: [5] }],
    ].flat(),
  )("is not made of %j", (nats) => {
    expect(() => planDial(nats, "a")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
