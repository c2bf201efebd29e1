/**
 * A Cassandra of a test's own: its jars from Maven Central (kept for the next time), a JVM, a small
 * configuration on loopback.
 */
import { execFile } from "node:child_process";
import { access, mkdir, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findExecutable, searchFolders } from "../../src/nats-server/executable.ts";
import { freePort } from "../../src/nats-server/ready.ts";
import { surroundings } from "../../src/nats-server/surroundings.ts";
import { guardedFolder, startServer, type TestServer } from "./process.ts";
import { accepts } from "./redis.ts";

const VERSION = "5.0.5";
const run = promisify(execFile);

/** What Cassandra's own start script opens to it on a JVM of 17 (its `jvm17-server.options`). */
const EXPORTS = [
  "java.base/jdk.internal.misc",
  "java.base/jdk.internal.ref",
  "java.base/sun.nio.ch",
  "java.management.rmi/com.sun.jmx.remote.internal.rmi",
  "java.rmi/sun.rmi.registry",
  "java.rmi/sun.rmi.server",
  "java.sql/java.sql",
  "java.base/java.lang.ref",
  "jdk.unsupported/sun.misc",
];
const OPENS = [
  "java.base/java.lang",
  "java.base/java.lang.module",
  "java.base/java.lang.reflect",
  "java.base/java.io",
  "java.base/java.net",
  "java.base/java.nio",
  "java.base/java.math",
  "java.base/java.util",
  "java.base/java.util.concurrent",
  "java.base/java.util.concurrent.atomic",
  "java.base/jdk.internal.loader",
  "java.base/jdk.internal.math",
  "java.base/jdk.internal.module",
  "java.base/jdk.internal.ref",
  "java.base/jdk.internal.reflect",
  "java.base/jdk.internal.util.jar",
  "java.base/sun.nio.ch",
  "jdk.management/com.sun.management.internal",
];

/** Starts one; otherwise a sentence that says what is missing here. */
export async function startCassandra(): Promise<TestServer | string> {
  const folders = searchFolders(surroundings());
  const java = await findExecutable("java", folders);
  if (java === undefined) return "there is no java on the PATH (Cassandra needs a JVM of 11 or 17)";
  const jars = await fetchJars(await findExecutable("mvn", folders));
  if (jars === undefined)
    return "its jars could not be had: Maven (mvn) is missing, or Maven Central cannot be reached";
  const { directory, guard } = await guardedFolder("cassandra");
  const port = await freePort();
  await writeFile(join(directory, "cassandra.yaml"), configuration(directory, port, await freePort()));
  await writeFile(join(directory, "logback.xml"), LOGGING);
  return startServer({
    command: java,
    args: [
      ...EXPORTS.map((each) => `--add-exports=${each}=ALL-UNNAMED`),
      ...OPENS.map((each) => `--add-opens=${each}=ALL-UNNAMED`),
      "-Xms512m",
      "-Xmx512m",
      // It lives for seconds: a quick start is worth more than quick code.
      "-XX:TieredStopAtLevel=1",
      "-XX:+UseSerialGC",
      `-Dcassandra.config=file://${directory}/cassandra.yaml`,
      `-Dlogback.configurationFile=${directory}/logback.xml`,
      `-Dcassandra.storagedir=${directory}`,
      "-Dcassandra.jmx.local.port=0",
      "-Dcassandra.ring_delay_ms=1",
      "-Dcassandra.skip_wait_for_gossip_to_settle=0",
      "-Dcassandra-foreground=yes",
      "-cp",
      `${directory}:${jars}/*`,
      "org.apache.cassandra.service.CassandraDaemon",
    ],
    port,
    directory,
    guard,
    limitMs: 90_000,
    answers: () => accepts(port),
  });
}

/** The folder with the jars, fetched if they are not there yet. */
async function fetchJars(mvn: string | undefined): Promise<string | undefined> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "tidemark");
  const jars = join(cache, `cassandra-${VERSION}`);
  if (await exists(jars)) return jars;
  if (mvn === undefined) return undefined;
  const { directory, guard } = await guardedFolder("maven");
  try {
    await writeFile(join(directory, "pom.xml"), PROJECT);
    // Beside its place and then moved there, so that what was broken off is never taken for all of them.
    const fetched = join(cache, `cassandra-${VERSION}.${process.pid}`);
    await mkdir(cache, { recursive: true });
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies";
    await run(mvn, ["-q", "-B", goal, `-DoutputDirectory=${fetched}`, "-DincludeScope=runtime"], {
      cwd: directory,
    });
    await rename(fetched, jars);
    return jars;
  } catch (error) {
    console.warn(`Cassandra's jars: ${(error as Error).message.slice(0, 500)}`);
    return undefined;
  } finally {
    guard.dismiss();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

const PROJECT = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemark</groupId><artifactId>cassandra-for-tests</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>${VERSION}</version>
  </dependency></dependencies>
</project>
`;

const LOGGING = `<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="STDOUT"/></root>
</configuration>
`;

function configuration(directory: string, port: number, storagePort: number): string {
  return `cluster_name: tidemark
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{ seeds: "127.0.0.1:${storagePort}" }]
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: ${storagePort}
native_transport_port: ${port}
commitlog_sync: periodic
commitlog_sync_period: 10s
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
data_file_directories: [${directory}/data]
commitlog_directory: ${directory}/commitlog
saved_caches_directory: ${directory}/saved_caches
hints_directory: ${directory}/hints
cdc_raw_directory: ${directory}/cdc
`;
}
