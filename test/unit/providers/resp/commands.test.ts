/** What clients are answered, byte for byte. Redis 7 answers the same (`docs/REDIS.md` has the exceptions). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RawClient, type Served, served } from "./client.ts";

let host: Served;
let client: RawClient;
beforeAll(async () => {
  host = await served();
  client = await host.connect();
});
afterAll(() => host.close());
beforeEach(() => {
  host.host.clear();
});

const WRONG_TYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
const NO_INTEGER = "-ERR value is not an integer or out of range\r\n";
const SYNTAX = "-ERR syntax error\r\n";
const bulks = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

/** One line after the other, each with its reply. */
type Talk = [request: string, reply: string][];

describe.each<[what: string, talk: Talk]>([
  [
    "strings",
    [
      ["SET a 1", "+OK\r\n"],
      ["GET a", "$1\r\n1\r\n"],
      ["GET none", "$-1\r\n"],
      ["SET a 2 NX", "$-1\r\n"],
      ["SET b 2 XX", "$-1\r\n"],
      ["SET a 2 XX GET", "$1\r\n1\r\n"],
      ["SET a 3 NX GET", "$1\r\n2\r\n"],
      ["GET a", "$1\r\n2\r\n"],
      ["SET a 1 NX XX", SYNTAX],
      ["SET a 1 EX 1 PX 1", SYNTAX],
      ["SET a 1 EX 1 EX 1", SYNTAX],
      ["SET a 1 KEEPTTL EX 1", SYNTAX],
      ["SET a 1 EX", SYNTAX],
      ["SET a 1 EX 0", "-ERR invalid expire time in 'set' command\r\n"],
      ["SET a 1 EX x", NO_INTEGER],
      ["SET a 1 EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"],
      ["SET a v EX 10", "+OK\r\n"],
      ["TTL a", ":10\r\n"],
      ["SET a v KEEPTTL", "+OK\r\n"],
      ["PTTL a", ":10000\r\n"],
      ["SET a v", "+OK\r\n"],
      ["TTL a", ":-1\r\n"],
      ["SETNX a x", ":0\r\n"],
      ["SETEX a 0 v", "-ERR invalid expire time in 'setex' command\r\n"],
      ["PSETEX a 1500 v", "+OK\r\n"],
      ["PTTL a", ":1500\r\n"],
      ["GETSET a w", "$1\r\nv\r\n"],
      ["TTL a", ":-1\r\n"],
      ["GETEX a EX 5", "$1\r\nw\r\n"],
      ["GETEX a PERSIST", "$1\r\nw\r\n"],
      ["TTL a", ":-1\r\n"],
      ["GETDEL a", "$1\r\nw\r\n"],
      ["GETDEL a", "$-1\r\n"],
      ["MSET a 1 b 2", "+OK\r\n"],
      ["MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"],
      ["MSETNX b 1 c 2", ":0\r\n"],
      ["SADD s x", ":1\r\n"],
      ["MGET a b s none", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$-1\r\n"],
      ["GET s", WRONG_TYPE],
      ["SET s x GET", WRONG_TYPE],
    ],
  ],
  [
    "parts of strings",
    [
      ["APPEND a ab", ":2\r\n"],
      ["APPEND a cd", ":4\r\n"],
      ["STRLEN a", ":4\r\n"],
      ["STRLEN none", ":0\r\n"],
      ["GETRANGE a 1 2", "$2\r\nbc\r\n"],
      ["GETRANGE a -2 -1", "$2\r\ncd\r\n"],
      ["GETRANGE a 3 1", "$0\r\n\r\n"],
      ["GETRANGE a -1 -100", "$0\r\n\r\n"],
      ["GETRANGE none 0 -1", "$0\r\n\r\n"],
      ["SETRANGE a 1 XY", ":4\r\n"],
      ["GET a", "$4\r\naXYd\r\n"],
      ["SETRANGE z 2 x", ":3\r\n"],
      ["GET z", "$3\r\n\0\0x\r\n"],
      ["SETRANGE a -1 x", "-ERR offset is out of range\r\n"],
      ["SETRANGE a 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"],
      ["SETRANGE none 9 ''", ":0\r\n"],
      ["EXISTS none", ":0\r\n"],
    ],
  ],
  [
    "counters",
    [
      ["INCR n", ":1\r\n"],
      ["INCRBY n 9007199254740991", ":9007199254740992\r\n"],
      ["INCR n", ":9007199254740993\r\n"],
      ["DECRBY n 9007199254740993", ":0\r\n"],
      ["DECR n", ":-1\r\n"],
      ["GET n", "$2\r\n-1\r\n"],
      ["SET n 9223372036854775807", "+OK\r\n"],
      ["INCR n", "-ERR increment or decrement would overflow\r\n"],
      ["DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n"],
      ["SET n x", "+OK\r\n"],
      ["INCR n", NO_INTEGER],
      ["INCRBY n 1.5", NO_INTEGER],
      ["INCRBYFLOAT n 1", "-ERR value is not a valid float\r\n"],
      ["SET n 10.5", "+OK\r\n"],
      ["INCRBYFLOAT n 0.1", "$4\r\n10.6\r\n"],
      ["INCRBYFLOAT n +inf", "-ERR increment would produce NaN or Infinity\r\n"],
      ["RPUSH l x", ":1\r\n"],
      ["INCR l", WRONG_TYPE],
    ],
  ],
  [
    "keys",
    [
      ["MSET a 1 b 2", "+OK\r\n"],
      ["EXISTS a a none", ":2\r\n"],
      ["TOUCH a none", ":1\r\n"],
      ["TYPE a", "+string\r\n"],
      ["TYPE none", "+none\r\n"],
      ["DBSIZE", ":2\r\n"],
      ["RENAME a c", "+OK\r\n"],
      ["RENAME a c", "-ERR no such key\r\n"],
      ["RENAMENX b c", ":0\r\n"],
      ["COPY b c", ":0\r\n"],
      ["COPY b b", "-ERR source and destination objects are the same\r\n"],
      ["COPY b c REPLACE", ":1\r\n"],
      ["COPY b c DB 1", "-ERR DB index is out of range\r\n"],
      ["GET c", "$1\r\n2\r\n"],
      ["KEYS c*", bulks("c")],
      ["SCAN 0 MATCH c", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n"],
      ["SCAN 0 TYPE hash", "*2\r\n$1\r\n0\r\n*0\r\n"],
      ["SCAN x", "-ERR invalid cursor\r\n"],
      ["SCAN 0 COUNT 0", SYNTAX],
      ["DEL b c none", ":2\r\n"],
      ["UNLINK none", ":0\r\n"],
      ["RANDOMKEY", "$-1\r\n"],
      ["OBJECT ENCODING none", "$-1\r\n"],
      ["SET a 12", "+OK\r\n"],
      ["OBJECT ENCODING a", "$3\r\nint\r\n"],
      ["OBJECT FREQ a", "-ERR unknown subcommand 'FREQ'. Try OBJECT HELP.\r\n"],
      ["FLUSHALL ASYNC", "+OK\r\n"],
      ["FLUSHDB never", SYNTAX],
      ["DBSIZE", ":0\r\n"],
    ],
  ],
  [
    "expiry",
    [
      ["EXPIRE none 10", ":0\r\n"],
      ["TTL none", ":-2\r\n"],
      ["SET a 1", "+OK\r\n"],
      ["EXPIRE a 10 XX", ":0\r\n"],
      ["EXPIRE a 10 NX", ":1\r\n"],
      ["EXPIRE a 5 GT", ":0\r\n"],
      ["EXPIRE a 20 LT", ":0\r\n"],
      ["EXPIRE a 20 GT", ":1\r\n"],
      ["TTL a", ":20\r\n"],
      ["EXPIRE a 1 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"],
      ["EXPIRE a 1 LT GT", "-ERR GT and LT options at the same time are not compatible\r\n"],
      ["EXPIRE a 1 AB", "-ERR Unsupported option AB\r\n"],
      ["EXPIRE a ''", NO_INTEGER],
      ["EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"],
      ["PEXPIREAT a 9223372036854770000", ":1\r\n"],
      ["PERSIST a", ":1\r\n"],
      ["PERSIST a", ":0\r\n"],
      ["PEXPIREAT a 4102444800123", ":1\r\n"],
      ["PEXPIRETIME a", ":4102444800123\r\n"],
      ["EXPIRETIME a", ":4102444800\r\n"],
      ["EXPIRE a -1", ":1\r\n"],
      ["EXISTS a", ":0\r\n"],
    ],
  ],
  [
    "sets",
    [
      ["SADD s a b a", ":2\r\n"],
      ["SADD s a", ":0\r\n"],
      ["SCARD s", ":2\r\n"],
      ["SISMEMBER s a", ":1\r\n"],
      ["SMISMEMBER s a x", "*2\r\n:1\r\n:0\r\n"],
      ["SADD t b c", ":2\r\n"],
      ["SINTER s t", bulks("b")],
      ["SDIFF s t", bulks("a")],
      ["SUNION s none", bulks("b", "a")],
      ["SINTERCARD 2 s t", ":1\r\n"],
      ["SINTERCARD 0 s", "-ERR numkeys should be greater than 0\r\n"],
      ["SINTERCARD 3 s t", "-ERR Number of keys can't be greater than number of args\r\n"],
      ["SINTERCARD 2 s t LIMIT -1", "-ERR LIMIT can't be negative\r\n"],
      ["SUNIONSTORE u s t", ":3\r\n"],
      ["SINTERSTORE u s none", ":0\r\n"],
      ["EXISTS u", ":0\r\n"],
      ["SMOVE s t a", ":1\r\n"],
      ["SMOVE s t a", ":0\r\n"],
      ["SREM t a b c x", ":3\r\n"],
      ["SPOP s", "$1\r\nb\r\n"],
      ["SPOP s", "$-1\r\n"],
      ["SPOP s 2", "*0\r\n"],
      ["SPOP s -1", "-ERR value is out of range, must be positive\r\n"],
      ["SRANDMEMBER s", "$-1\r\n"],
      ["SRANDMEMBER s 2", "*0\r\n"],
      ["SADD s x", ":1\r\n"],
      ["SRANDMEMBER s -3", bulks("x", "x", "x")],
      ["SSCAN s 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nx\r\n"],
      ["SET str v", "+OK\r\n"],
      ["SINTER none str", WRONG_TYPE],
      ["SADD str x", WRONG_TYPE],
    ],
  ],
  [
    "lists",
    [
      ["RPUSHX l a", ":0\r\n"],
      ["RPUSH l a b c", ":3\r\n"],
      ["LPUSH l x y", ":5\r\n"],
      ["LRANGE l 0 -1", bulks("y", "x", "a", "b", "c")],
      ["LRANGE l 5 9", "*0\r\n"],
      ["LLEN l", ":5\r\n"],
      ["LINDEX l -1", "$1\r\nc\r\n"],
      ["LINDEX l 9", "$-1\r\n"],
      ["LSET l 0 z", "+OK\r\n"],
      ["LSET l 9 z", "-ERR index out of range\r\n"],
      ["LSET none 0 z", "-ERR no such key\r\n"],
      ["LINSERT l BEFORE a n", ":6\r\n"],
      ["LINSERT l AFTER none n", ":-1\r\n"],
      ["LINSERT l BESIDE a n", SYNTAX],
      ["LPOS l n", ":2\r\n"],
      ["LPOS l n COUNT 0", "*1\r\n:2\r\n"],
      ["LPOS l none", "$-1\r\n"],
      ["LREM l 1 n", ":1\r\n"],
      ["LTRIM l 0 2", "+OK\r\n"],
      ["LRANGE l 0 -1", bulks("z", "x", "a")],
      ["LMOVE l m LEFT RIGHT", "$1\r\nz\r\n"],
      ["RPOPLPUSH l m", "$1\r\na\r\n"],
      ["LRANGE m 0 -1", bulks("a", "z")],
      ["LPOP m 0", "*0\r\n"],
      ["LPOP m 5", bulks("a", "z")],
      ["LPOP m", "$-1\r\n"],
      ["LPOP m 1", "*-1\r\n"],
      ["RPOP l 1", bulks("x")],
      ["RPUSH l 1 2 3", ":3\r\n"],
      ["RPOP l 2", bulks("3", "2")],
      ["LMPOP 2 none l LEFT COUNT 5", "*2\r\n$1\r\nl\r\n*1\r\n$1\r\n1\r\n"],
      ["LMPOP 1 none LEFT", "*-1\r\n"],
      ["LPOP l -1", "-ERR value is out of range, must be positive\r\n"],
    ],
  ],
  [
    "the connection",
    [
      ["PING", "+PONG\r\n"],
      ["ping hello", "$5\r\nhello\r\n"],
      ["PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"],
      ["ECHO x", "$1\r\nx\r\n"],
      ["SELECT 0", "+OK\r\n"],
      ["SELECT 1", "-ERR DB index is out of range\r\n"],
      ["SELECT x", "-ERR invalid DB index\r\n"],
      [
        "AUTH x",
        "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n",
      ],
      ["CLIENT GETNAME", "$-1\r\n"],
      ["CLIENT SETNAME me", "+OK\r\n"],
      ["CLIENT GETNAME", "$2\r\nme\r\n"],
      [
        "CLIENT SETNAME 'a b'",
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
      ],
      ["CLIENT SETINFO LIB-NAME test", "+OK\r\n"],
      ["CLIENT NO-EVICT on", "+OK\r\n"],
      ["CLIENT", "-ERR wrong number of arguments for 'client' command\r\n"],
      ["CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n"],
      ["HELLO 4", "-NOPROTO unsupported protocol version\r\n"],
      ["HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"],
      ["RESET", "+RESET\r\n"],
      ["CLIENT GETNAME", "$-1\r\n"],
    ],
  ],
  [
    "the server",
    [
      ["CONFIG GET databases", bulks("databases", "1")],
      ["CONFIG SET none 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'none'\r\n"],
      [
        "CONFIG SET timeout 5 timeout 6",
        "-ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter\r\n",
      ],
      [
        "CONFIG SET timeout 5 maxclients x",
        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer\r\n",
      ],
      ["CONFIG GET timeout", bulks("timeout", "0")],
      [
        "CONFIG SET port 1",
        "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config\r\n",
      ],
      ["COMMAND GETKEYS MSET a 1 b 2", bulks("a", "b")],
      ["COMMAND GETKEYS LMPOP 2 a b LEFT", bulks("a", "b")],
      ["COMMAND GETKEYS ECHO x", "-ERR The command has no key arguments\r\n"],
      ["COMMAND LIST FILTERBY PATTERN msetn*", bulks("msetnx")],
      ["COMMAND INFO none", "*1\r\n*-1\r\n"],
      ["FUNCTION LIST", "*0\r\n"],
      ["WAIT 1 1", ":0\r\n"],
      ["WAIT 1 -1", "-ERR timeout is negative\r\n"],
      ["SHUTDOWN NOSAVE", "-ERR this host is not for clients to end\r\n"],
      ["NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"],
      [
        "EVAL x 0",
        "-ERR unknown command 'EVAL', with args beginning with: 'x' '0' (not served here: there are no scripts; send the commands themselves, pipelined)\r\n",
      ],
    ],
  ],
])("%s", (_what, talk) => {
  it("answer", async () => {
    for (const [request, reply] of talk) {
      expect({ request, reply: await client.ask(request, reply) }).toEqual({ request, reply });
    }
    expect(await client.ask("PING end", "$3\r\nend\r\n")).toBe("$3\r\nend\r\n");
  });
});

describe("RESP3", () => {
  it("has maps, sets and its own null", async () => {
    const three = await host.connect();
    const hello = `%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n`;
    expect(await three.ask("HELLO 3", hello)).toBe(hello);
    expect(await three.until("modules\r\n*0\r\n")).toContain("$4\r\nmode\r\n$10\r\nstandalone\r\n");
    host.host.setAdd("s", "a");
    for (const [request, reply] of [
      ["SMEMBERS s", "~1\r\n$1\r\na\r\n"],
      ["GET none", "_\r\n"],
      ["LPOP none 1", "_\r\n"],
      ["CONFIG GET databases", "%1\r\n$9\r\ndatabases\r\n$1\r\n1\r\n"],
    ] as const)
      expect(await three.ask(request, reply)).toBe(reply);
  });
});

describe("values and keys", () => {
  it("are any bytes, and any UTF-8", async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const request = Buffer.concat([
      Buffer.from("*3\r\n$3\r\nSET\r\n$3\r\n\u20ac\r\n$256\r\n"),
      all,
      Buffer.from("\r\n"),
    ]);
    expect(await client.ask(request, "+OK\r\n")).toBe("+OK\r\n");
    expect(host.host.getBytes("€")).toEqual(new Uint8Array(all));
    const reply = `$256\r\n${all.toString("latin1")}\r\n`;
    expect(await client.ask(Buffer.from("GET €\r\n"), reply)).toBe(reply);
    const refused = await client.ask("GET \xff", "-ERR a key is not valid UTF-8");
    expect(refused).toBe("-ERR a key is not valid UTF-8");
    await client.read("; Tidemark takes any UTF-8 as a key, and any bytes as a value\r\n".length);
  });

  it("come back from DUMP by RESTORE, whatever they are", async () => {
    const { host: kv } = host;
    kv.set("a", new Uint8Array([0xff]));
    kv.setAdd("b", "x", "y");
    kv.listPush("c", "1", "1");
    const { dump, restore } = await import("../../../../src/providers/resp/dump.ts");
    for (const key of ["a", "b", "c"]) restore(kv, `${key}2`, dump(kv, key)!, Number.POSITIVE_INFINITY);
    expect([kv.getValue("a2"), kv.setMembers("b2"), kv.listRange("c2")]).toEqual([
      new Uint8Array([0xff]),
      ["x", "y"],
      ["1", "1"],
    ]);
    const bytes = dump(kv, "b")!;
    for (let at = 0; at < bytes.length; at++) {
      const broken = Buffer.from(bytes);
      broken[at]! ^= 1;
      expect(() => restore(kv, "z", broken, Number.POSITIVE_INFINITY)).toThrow(/^ERR DUMP payload/);
    }
    expect(dump(kv, "none")).toBeUndefined();
  });
});
