import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { refusals } from "../../../../src/providers/resp/commands/refused.ts";
import { COMMANDS, everyCommand } from "../../../../src/providers/resp/table.ts";
import { documented, readDocument } from "../../../redis/document.ts";

describe("docs/REDIS.md", () => {
  it("has the commands and the tests left out as they are; else: npm run docs:redis", () => {
    const text = readDocument();
    expect(text).toBe(documented(text));
  });
});

describe("the table", () => {
  const asked = (
    "ping echo hello auth select quit reset client command info config time dbsize flushdb flushall shutdown memory " +
    "object get set setnx setex psetex getset getdel getex mget mset msetnx append strlen getrange setrange incr decr " +
    "incrby decrby incrbyfloat del unlink exists type ttl pttl expire pexpire expireat pexpireat expiretime " +
    "pexpiretime persist keys scan randomkey rename renamenx copy touch dump restore sadd srem smembers sismember " +
    "smismember scard spop srandmember smove sinter sintercard sunion sdiff sinterstore sunionstore sdiffstore sscan " +
    "lpush rpush lpushx rpushx lpop rpop llen lrange lindex lset linsert lrem ltrim lpos lmove rpoplpush lmpop wait"
  ).split(" ");

  it("has what it should", () => {
    expect(asked.filter((name) => !COMMANDS.some((command) => command.name === name))).toEqual([]);
  });

  it("has every name once, and refuses nothing that it serves", () => {
    const names = Array.from(everyCommand(), ({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => refusals.has(name))).toEqual([]);
  });

  it("says of each command what a client needs to know", () => {
    for (const { name, arity, flags, keys, group, summary, run, subcommands } of everyCommand()) {
      expect(name).toBe(name.toLowerCase());
      expect(summary, name).toMatch(/^[A-Z].*\.$/);
      expect(run !== undefined || subcommands !== undefined, name).toBe(true);
      const data = group !== "connection" && group !== "server" && group !== "scripting";
      if (
        data &&
        run !== undefined &&
        flags.length > 0 &&
        !/^(keys|scan|randomkey|wait|object\|help)$/.test(name)
      )
        expect(keys, name).toBeDefined();
      if (keys !== undefined) expect(flags.includes("write") || flags.includes("readonly"), name).toBe(true);
      if (keys !== undefined && !("numkeysAt" in keys))
        expect(Math.abs(arity), name).toBeGreaterThan(keys.first);
    }
  });

  it("is of the arity that Redis's is", () => {
    const source = readFileSync(new URL("../../../redis/arities.json", import.meta.url), "utf8");
    const arities = JSON.parse(source) as Record<string, number>;
    const ours = Array.from(everyCommand()).filter(({ name }) => arities[name] !== undefined);
    expect(ours.length).toBeGreaterThan(90);
    expect(Object.fromEntries(ours.map(({ name, arity }) => [name, arity]))).toEqual(
      Object.fromEntries(ours.map(({ name }) => [name, arities[name]])),
    );
  });
});
