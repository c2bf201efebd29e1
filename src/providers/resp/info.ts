/** INFO: the host in lines, under the names that Redis has for them where it has one. */
import type { RespCounts, Service } from "./service.ts";
import { REDIS_VERSION } from "./version.ts";

type Fields = Record<string, string | number>;

const SECTIONS: Readonly<Record<string, (service: Service) => Fields>> = {
  server: ({ kv, port, startedAt }) => {
    const seconds = Math.floor((Date.now() - startedAt) / 1_000);
    return {
      redis_version: REDIS_VERSION,
      redis_mode: "standalone",
      os: `${process.platform} ${process.arch}`,
      arch_bits: 64,
      process_id: process.pid,
      run_id: kv.incarnation,
      tcp_port: port,
      uptime_in_seconds: seconds,
      uptime_in_days: Math.floor(seconds / 86_400),
      node_version: process.versions.node,
    };
  },
  clients: ({ clients, limits }) => ({
    connected_clients: clients.size,
    maxclients: limits.maxClients,
    blocked_clients: 0,
  }),
  memory: () => {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    return {
      used_memory: heapUsed + external,
      used_memory_human: `${((heapUsed + external) / 1_048_576).toFixed(2)}M`,
      used_memory_rss: rss,
      heap_total: heapTotal,
      maxmemory: 0,
      maxmemory_policy: "noeviction",
    };
  },
  persistence: ({ kv }) => ({ loading: isReady(kv.status().state) ? 0 : 1, aof_enabled: 0 }),
  stats: ({ counts }) => statsOf(counts),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return { used_cpu_sys: (system / 1e6).toFixed(6), used_cpu_user: (user / 1e6).toFixed(6) };
  },
  replication: ({ kv }) => {
    return {
      role: "master",
      connected_slaves: 0,
      master_repl_offset: kv.token().seq,
      hosts: kv.status().hosts.length + 1,
    };
  },
  tidemark: ({ kv }) => {
    const { state, node, namespace, incarnation, keys, counts } = kv.status();
    return {
      state,
      node,
      namespace,
      incarnation,
      keys,
      divergences: counts.divergences,
      gaps: counts.gaps,
      replays_requested: counts.replaysRequested,
      snapshots_installed: counts.snapshotsInstalled,
    };
  },
  commandstats: ({ byCommand }) =>
    Object.fromEntries(
      [...byCommand].map(([{ name }, { calls, rejected, failed }]) => [
        `cmdstat_${name}`,
        `calls=${calls},rejected_calls=${rejected},failed_calls=${failed}`,
      ]),
    ),
  errorstats: ({ errorWords }) =>
    Object.fromEntries([...errorWords].map(([word, count]) => [`errorstat_${word}`, `count=${count}`])),
  keyspace: ({ kv }): Fields => (kv.size === 0 ? {} : { db0: `keys=${kv.size}` }),
};

/** Left out unless they are asked for. */
const ON_REQUEST = new Set(["commandstats"]);
const EVERYTHING = new Set(["all", "everything"]);

export function infoText(service: Service, asked: readonly string[]): string {
  const everything = asked.some((name) => EVERYTHING.has(name));
  const usual = asked.length === 0 || asked.includes("default");
  let text = "";
  for (const [name, fieldsOf] of Object.entries(SECTIONS)) {
    if (!everything && !asked.includes(name) && !(usual && !ON_REQUEST.has(name))) continue;
    text += `${text === "" ? "" : "\r\n"}# ${name.charAt(0).toUpperCase()}${name.slice(1)}\r\n`;
    for (const [field, value] of Object.entries(fieldsOf(service))) text += `${field}:${value}\r\n`;
  }
  return text;
}

function isReady(state: string): boolean {
  return state === "ready" || state === "standalone";
}

function statsOf(counts: RespCounts): Fields {
  return {
    total_connections_received: counts.connections,
    total_commands_processed: counts.commands,
    total_net_input_bytes: counts.bytesIn,
    total_net_output_bytes: counts.bytesOut,
    rejected_connections: counts.refusedConnections,
    keyspace_hits: counts.hits,
    keyspace_misses: counts.misses,
    total_error_replies: counts.errors,
    wrong_passwords: counts.wrongPasswords,
    protocol_errors: counts.protocolErrors,
    slow_readers: counts.slowReaders,
    idle_clients: counts.idle,
    throttled: counts.throttled,
  };
}
