/** The doors, the Redis protocol and HTTP, with what their limits have kept out; and the process. */
import { counter, gauge, type Metric } from "./metric.ts";

export const doorMetrics: readonly Metric[] = [
  gauge("tidemark_redis_clients", "Clients connected.", ({ redis }) => redis?.clients),
  gauge("tidemark_redis_clients_limit", "How many may be.", ({ redis }) => redis?.maxClients),
  counter("tidemark_redis_connections_total", "Connections taken.", ({ redis }) => redis?.connections),
  counter(
    "tidemark_redis_refused_connections_total",
    "Connections refused because there were too many.",
    ({ redis }) => redis?.refusedConnections,
  ),
  counter("tidemark_redis_commands_total", "Commands run.", ({ redis }) => redis?.commands),
  counter("tidemark_redis_errors_total", "Replies that were errors.", ({ redis }) => redis?.errors),
  counter(
    "tidemark_redis_wrong_passwords_total",
    "Log-ins that failed.",
    ({ redis }) => redis?.wrongPasswords,
  ),
  counter(
    "tidemark_redis_protocol_errors_total",
    "Connections closed because what came was not the protocol, or beyond its limits.",
    ({ redis }) => redis?.protocolErrors,
  ),
  counter(
    "tidemark_redis_slow_readers_total",
    "Clients cut off because they did not read their replies.",
    ({ redis }) => redis?.slowReaders,
  ),
  counter(
    "tidemark_redis_idle_clients_total",
    "Clients cut off because they were silent.",
    ({ redis }) => redis?.idle,
  ),
  counter(
    "tidemark_redis_throttled_total",
    "Times a client had to wait because it asked too fast.",
    ({ redis }) => redis?.throttled,
  ),
  counter("tidemark_redis_received_bytes_total", "Bytes of requests.", ({ redis }) => redis?.bytesIn),
  counter("tidemark_redis_sent_bytes_total", "Bytes of replies.", ({ redis }) => redis?.bytesOut),
  counter(
    "tidemark_redis_keyspace_hits_total",
    "Values that GET, GETEX and MGET found.",
    ({ redis }) => redis?.hits,
  ),
  counter(
    "tidemark_redis_keyspace_misses_total",
    "Values that they did not find.",
    ({ redis }) => redis?.misses,
  ),
  counter(
    "tidemark_http_requests_total",
    "Requests answered, by path and status code.",
    ({ http }) =>
      http.answers.map(({ path, code, count }) => ({ labels: { path, code: String(code) }, value: count })),
    ["path", "code"],
  ),
  gauge("tidemark_http_connections", "Connections open.", ({ http }) => http.connections),
  gauge("tidemark_http_connections_limit", "How many may be.", ({ http }) => http.maxConnections),
  counter(
    "tidemark_http_refused_connections_total",
    "Connections refused because there were too many.",
    ({ http }) => http.refusedConnections,
  ),
  counter(
    "tidemark_http_bad_requests_total",
    "Connections closed because what came was no request, too large or too slow.",
    ({ http }) => http.badRequests,
  ),
  counter(
    "tidemark_http_unauthorized_total",
    "Requests without the token, or with a wrong one.",
    ({ http }) => http.unauthorized,
  ),
  counter(
    "tidemark_http_throttled_total",
    "Requests put off because there were too many in a second.",
    ({ http }) => http.throttled,
  ),
  gauge("tidemark_http_streams", "Event streams open.", ({ http }) => http.streams),
  gauge("tidemark_http_streams_limit", "How many may be.", ({ http }) => http.maxStreams),
  counter(
    "tidemark_http_refused_streams_total",
    "Streams refused because there were too many.",
    ({ http }) => http.refusedStreams,
  ),
  counter(
    "tidemark_http_slow_readers_total",
    "Readers of streams cut off because they did not read.",
    ({ http }) => http.slowReaders,
  ),
];

export const processMetrics: readonly Metric[] = [
  gauge("process_resident_memory_bytes", "Memory of the process.", ({ process }) => process.residentBytes),
  gauge("nodejs_heap_size_used_bytes", "JavaScript heap in use.", ({ process }) => process.heapUsedBytes),
  gauge("nodejs_heap_size_total_bytes", "JavaScript heap.", ({ process }) => process.heapTotalBytes),
  gauge(
    "nodejs_external_memory_bytes",
    "Memory outside of the heap.",
    ({ process }) => process.externalBytes,
  ),
  counter(
    "process_cpu_seconds_total",
    "Processor time, user and system.",
    ({ process }) => process.cpuSeconds,
  ),
  counter(
    "nodejs_eventloop_busy_seconds_total",
    "Time in which the event loop had something to do.",
    ({ process }) => process.busySeconds,
  ),
  counter(
    "nodejs_eventloop_idle_seconds_total",
    "Time in which it had not.",
    ({ process }) => process.idleSeconds,
  ),
  gauge("process_start_time_seconds", "When the process was started.", ({ process }) => process.startedAt),
];
