/** What drivers refuse before they connect to anything, and packages that are not there. */
import { describe, expect, it } from "vitest";
import { cassandra } from "../../../src/upstream/cassandra.ts";
import { jetstreamKv } from "../../../src/upstream/jetstream-kv.ts";
import { keyv } from "../../../src/upstream/keyv.ts";
import { isNetworkError, once, optionalPackage } from "../../../src/upstream/optional-package.ts";
import { postgres } from "../../../src/upstream/postgres.ts";
import { sqlite } from "../../../src/upstream/sqlite.ts";

const refused = expect.objectContaining({ name: "TidemarkError", code: "INVALID_ARGUMENT" });

describe("a driver refuses", () => {
  it.each<[string, () => unknown]>([
    ["postgres without a connection", () => postgres({} as never)],
    ["postgres with a table that is none", () => postgres({ connection: "x", table: "a; drop table b" })],
    ["postgres with a misspelt option", () => postgres({ connection: "x", tabel: "a" } as never)],
    ["cassandra without a connection", () => cassandra({ keyspace: "k" } as never)],
    ["cassandra without a keyspace", () => cassandra({ connection: {} } as never)],
    ["sqlite without a file", () => sqlite({} as never)],
    ["sqlite with a table of three parts", () => sqlite({ file: "x", table: "a.b.c" })],
    ["a bucket with a dot", () => jetstreamKv({ connection: "x", bucket: "a.b" })],
    ["keyv without a store", () => keyv({} as never)],
    ["keyv with a time that is none", () => keyv({ store: {}, keepDeleted: "soon" as never })],
  ])("%s", (_, make) => {
    expect(make).toThrow(refused);
  });
});

describe("a package that is not there", () => {
  it("is named, with what installs it", async () => {
    const missing = optionalPackage(
      "a-package-that-is-not",
      "3",
      () => import("a-package-that-is-not" as string),
    );
    await expect(missing).rejects.toMatchObject({
      code: "MISSING_PACKAGE",
      message: expect.stringContaining("npm install a-package-that-is-not@3"),
    });
  });
});

describe("a connection that is made once", () => {
  it("is tried again after a failure, and not made twice", async () => {
    let tries = 0;
    const connection = once(async () => {
      tries++;
      if (tries === 1) throw new Error("refused");
      return tries;
    });
    expect(await connection.made()).toBeUndefined();
    await expect(connection.get()).rejects.toThrow("refused");
    expect(await Promise.all([connection.get(), connection.get()])).toEqual([2, 2]);
    expect(await connection.made()).toBe(2);
  });
});

describe("errors of a network", () => {
  it.each([
    [Object.assign(new Error(), { code: "ECONNREFUSED" }), true],
    [Object.assign(new Error(), { code: "ENOENT" }), false],
    [new Error(), false],
    [undefined, false],
  ])("%s: %s", (error, is) => {
    expect(isNetworkError(error)).toBe(is);
  });
});
