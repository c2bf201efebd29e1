import { afterEach, describe, expect, it } from "vitest";
import type { Figures, HttpFigures, RedisFigures } from "../../../../src/providers/http/figures.ts";
import { processFigures } from "../../../../src/providers/http/figures.ts";
import { type HttpDoor, serveHttp } from "../../../../src/providers/http/http.ts";
import { expose, METRICS } from "../../../../src/providers/http/metrics/exposition.ts";
import { samplesOf } from "../../../../src/providers/http/metrics/metric.ts";
import { serveResp } from "../../../../src/providers/resp/resp.ts";
import { open } from "../../../../src/tidemark.ts";
import { documented, readDocument } from "./document.ts";
import { FULL, PEER } from "./full-status.ts";

const REDIS: RedisFigures = {
  clients: 1,
  maxClients: 10,
  connections: 2,
  refusedConnections: 3,
  commands: 4,
  errors: 5,
  wrongPasswords: 6,
  protocolErrors: 7,
  slowReaders: 8,
  idle: 9,
  throttled: 10,
  bytesIn: 11,
  bytesOut: 12,
  hits: 13,
  misses: 14,
};
const HTTP: HttpFigures = {
  connections: 1,
  maxConnections: 256,
  refusedConnections: 2,
  badRequests: 3,
  unauthorized: 4,
  throttled: 8,
  streams: 5,
  maxStreams: 32,
  refusedStreams: 6,
  slowReaders: 7,
  answers: [{ path: "/status", code: 200, count: 4 }],
};
const figures: Figures = { status: FULL, redis: REDIS, http: HTTP, process: processFigures() };

/** Says of everything that is read through it by which path it was. */
function watched<T extends object>(target: T, seen: Set<string>, path = ""): T {
  return new Proxy(target, {
    get(from, name) {
      const value: unknown = Reflect.get(from, name);
      if (typeof name === "symbol" || typeof value === "function") return value;
      const place = Array.isArray(from) ? path : `${path}.${name}`;
      seen.add(place);
      return typeof value === "object" && value !== null ? watched(value, seen, place) : value;
    },
  });
}

/** Paths of all numbers and truths, members of lists as one. */
function leaves(value: unknown, path = ""): string[] {
  if (typeof value === "number" || typeof value === "boolean") return [path];
  if (Array.isArray(value)) return value.flatMap((each) => leaves(each, path));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => leaves(each, `${path}.${name}`));
}

/** The lines of an exposition that are samples. */
function samples(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

describe("the table", () => {
  it("tells every count and gauge of the status and of the doors", () => {
    const seen = new Set<string>();
    for (const metric of METRICS) samplesOf(metric, watched(figures, seen));
    // Rows of the vectors are told as numbers of rows, and of the hosts that are there.
    const left = leaves(figures).filter((path) => !seen.has(path) && !/highWaterMarks\./.test(path));
    expect(left).toEqual([]);
  });

  it("names metrics as Prometheus would have them, each once", () => {
    const names = METRICS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, kind, help, labels } of METRICS) {
      expect(name).toMatch(/^(tidemark|process|nodejs)(_[a-z]+)+$/);
      expect(name.endsWith("_total"), name).toBe(kind === "counter");
      expect(name, "base units").not.toMatch(/_(ms|milliseconds|kb|mb|count)(_|$)/);
      expect(help, name).toMatch(/^[A-Z1].*\.$/);
      expect([...labels, ""].every((label) => label !== "namespace" && label !== "node")).toBe(true);
    }
  });

  it("is docs/METRICS.md; else: npm run docs:metrics", () => {
    expect(readDocument()).toBe(documented(readDocument()));
  });
});

describe("an exposition", () => {
  it("has each metric with the labels of the host", async () => {
    const { type, text } = await expose(figures);
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const { name, kind } of METRICS) expect(text).toContain(`# TYPE ${name} ${kind}\n`);
    for (const line of samples(text)) {
      expect(line).toMatch(/^[a-z_]+\{.*namespace="shop".*\} -?[0-9.e+-]+$/);
      expect(line).toContain('node="a"');
    }
    expect(text).toContain('tidemark_keys{namespace="shop",node="a"} 9\n');
    expect(text).toContain('tidemark_state{state="ready",namespace="shop",node="a"} 1\n');
    expect(text).toContain('tidemark_peer_behind_seconds{peer="b",namespace="shop",node="a"} 1.5\n');
    expect(text).toContain('tidemark_peer_applied_here{peer="b",namespace="shop",node="a"} 44\n');
    expect(text).toContain('tidemark_peer_applied_there{peer="b",namespace="shop",node="a"} 30\n');
    expect(text).toContain('tidemark_loader_load_seconds_total{namespace="shop",node="a"} 2.5\n');
  });

  it("sees two hosts with the same events and other data", async () => {
    const differing = 'tidemark_peer_digest_differs{peer="b",namespace="shop",node="a"} ';
    expect((await expose(figures)).text).toContain(`${differing}1\n`);
    const partial = { ...FULL, hosts: [{ ...PEER, partial: true }] };
    expect((await expose({ ...figures, status: partial })).text).toContain(`${differing}0\n`);
  });

  it("tells of a name once, by the start that was heard of last", async () => {
    const older = { ...PEER, incarnation: "01AA", heartbeatAgeMs: 90_000, live: false, keys: 1 };
    const { text } = await expose({ ...figures, status: { ...FULL, hosts: [older, PEER, older] } });
    expect(text.match(/^tidemark_peer_keys.*$/gm)).toEqual([
      'tidemark_peer_keys{peer="b",namespace="shop",node="a"} 7',
    ]);
    expect(text).toContain('tidemark_hosts{state="silent",namespace="shop",node="a"} 2\n');
  });

  it("leaves out what there is not", async () => {
    const alone = {
      ...FULL,
      hosts: [],
      quarantine: [],
      loader: undefined,
      checkpoint: undefined,
      bounds: undefined,
      lastRepair: undefined,
    };
    const { text } = await expose({ ...figures, status: alone, redis: undefined });
    expect(text).not.toMatch(/tidemark_(loader|checkpoint|redis|peer|evicted|last_repair|quarantine)/);
  });

  it("names the package where it is missing", async () => {
    const missing = () => Promise.reject(new Error("Cannot find package 'prom-client'"));
    await expect(expose(figures, missing)).rejects.toMatchObject({
      code: "MISSING_PACKAGE",
      message: "metrics need the package prom-client: npm install prom-client@15",
    });
  });
});

describe("/metrics", () => {
  async function scrape(door: HttpDoor): Promise<string> {
    const answer = await fetch(`${door.address.url}/metrics`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
    return answer.text();
  }

  it("is of the moment of the scrape, with both doors", async () => {
    const kv = await open({ node: "solo", namespace: "shop" });
    opened.push(kv);
    const resp = await serveResp({ kv, port: 0 });
    opened.push(resp);
    const door = await serveHttp({ kv, port: 0, redis: () => resp.status() });
    opened.push(door);
    expect(await scrape(door)).toContain('tidemark_keys{namespace="shop",node="solo"} 0\n');
    kv.set("a", "1");
    await fetch(`${door.address.url}/nowhere`);
    const text = await scrape(door);
    expect(text).toContain('tidemark_keys{namespace="shop",node="solo"} 1\n');
    expect(text).toContain('tidemark_redis_clients_limit{namespace="shop",node="solo"} 10000\n');
    expect(text).toContain('_requests_total{path="other",code="404",namespace="shop",node="solo"} 1\n');
    expect(text).toContain('_requests_total{path="/metrics",code="200",namespace="shop",node="solo"} 1\n');
    expect(text).toMatch(/tidemark_http_connections\{[^}]*\} [1-9]/);
  });
});
