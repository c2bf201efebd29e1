/** The Cassandra driver against a Cassandra. */
import driver from "cassandra-driver";
import { afterAll, describe, expect, it } from "vitest";
import { cassandra } from "../../src/upstream/cassandra.ts";
import { upstreamConformance } from "../conformance/upstream.ts";
import { startCassandra } from "../support/cassandra.ts";
import { missing } from "./missing.ts";

const server = await startCassandra();
if (typeof server === "string") missing(`Cassandra cannot run here: ${server}`);
else afterAll(() => server[Symbol.asyncDispose]());
const { signal } = new AbortController();
const connection = {
  contactPoints: [`127.0.0.1:${typeof server === "string" ? 0 : server.port}`],
  localDataCenter: "datacenter1",
};

async function keyspace(name: string): Promise<void> {
  const client = new driver.Client(connection);
  await client.execute(
    `CREATE KEYSPACE IF NOT EXISTS ${name} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
  );
  await client.shutdown();
}

describe.skipIf(typeof server === "string")("with a server", () => {
  upstreamConformance("cassandra", async () => {
    await keyspace("plain");
    return {
      create: () => cassandra({ connection, keyspace: "plain", codec: null }),
      reportsSuperseded: false,
      expiryGrainMs: 1_000,
      emptyKey: false,
    };
  });
  upstreamConformance("cassandra with its codec", async () => {
    await keyspace("objects");
    return {
      create: () => cassandra({ connection, keyspace: "objects", consistency: "one" }),
      reportsSuperseded: false,
      expiryGrainMs: 1_000,
      emptyKey: false,
    };
  });

  it("calls a server that is away retryable", async () => {
    const away = cassandra({
      connection: { contactPoints: ["127.0.0.1:1"], localDataCenter: "datacenter1" },
      keyspace: "plain",
    });
    const error = await Promise.resolve(away.load("k", { signal })).catch((thrown: unknown) => thrown);
    expect(away.retryable!(error)).toBe(true);
    await away.close?.();
  });
});
