/** What Redis has and is not served here, with what to use instead: said in the error, and in `docs/REDIS.md`. */

const SCRIPTS = "there are no scripts; send the commands themselves, pipelined";
const TRANSACTIONS = "transactions come later; MSET and MSETNX write several keys at once";
const HASHES = "hashes come later; keep fields in keys of their own, with a common prefix";
const SORTED = "there are no sorted sets; sort what SMEMBERS answers";
const STREAMS = "there are no streams; use NATS JetStream, which is there already";
const PUBSUB = "publish/subscribe comes later; use NATS, which is there already";
const BLOCKING = "blocking list commands come later; ask again after a while";
const BITS = "there are no bit operations; use GETRANGE and SETRANGE";
const GEO = "there is no geography; keep positions as values";
const SKETCHES = "there are no sketches; use SADD and SCARD, or a counter";
const PERSISTENCE = "hosts keep their data in each other's memory; there is nothing to save here";
const REPLICAS = "every host takes reads and writes; hosts find each other over NATS";
const ACCESS = "users come from the configuration of the host";
const DIAGNOSTICS = "see INFO, and /status over HTTP";

export const refusals: ReadonlyMap<string, string> = new Map(
  (
    [
      [SCRIPTS, "eval eval_ro evalsha evalsha_ro script fcall fcall_ro"],
      [TRANSACTIONS, "multi exec discard watch unwatch"],
      [
        HASHES,
        "hset hsetnx hget hmset hmget hgetall hdel hexists hincrby hincrbyfloat hkeys hlen hrandfield hscan hstrlen hvals",
      ],
      [
        SORTED,
        "zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax " +
          "zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex " +
          "zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion " +
          "zunionstore bzmpop bzpopmax bzpopmin sort sort_ro",
      ],
      [
        STREAMS,
        "xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim",
      ],
      [
        PUBSUB,
        "subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe publish spublish pubsub",
      ],
      [BLOCKING, "blpop brpop blmove brpoplpush blmpop"],
      [BITS, "setbit getbit bitcount bitpos bitop bitfield bitfield_ro"],
      [GEO, "geoadd geodist geohash geopos georadius georadiusbymember geosearch geosearchstore"],
      [SKETCHES, "pfadd pfcount pfmerge pfdebug pfselftest"],
      [PERSISTENCE, "save bgsave bgrewriteaof lastsave"],
      [
        REPLICAS,
        "replicaof slaveof psync sync replconf role failover migrate cluster readonly readwrite asking restore-asking",
      ],
      [ACCESS, "acl"],
      [DIAGNOSTICS, "monitor slowlog latency lolwut debug module"],
      ["there is only database 0", "move swapdb"],
      ["compare what GET answers", "lcs"],
    ] as const
  ).flatMap(([instead, names]) => names.split(" ").map((name) => [name, instead] as const)),
);
