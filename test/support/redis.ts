/** A Redis of a test's own, without persistence. */
import { connect } from "node:net";
import { findExecutable, searchFolders } from "../../src/nats-server/executable.ts";
import { freePort } from "../../src/nats-server/ready.ts";
import { surroundings } from "../../src/nats-server/surroundings.ts";
import { guardedFolder, startServer, type TestServer } from "./process.ts";

export interface Redis extends TestServer {
  readonly url: string;
}

/** Starts one; `undefined` where it is not installed. */
export async function startRedis(): Promise<Redis | undefined> {
  const command = await findExecutable("redis-server", searchFolders(surroundings()));
  if (command === undefined) return undefined;
  const { directory, guard } = await guardedFolder("redis");
  const port = await freePort();
  const server = await startServer({
    command,
    args: ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    port,
    directory,
    guard,
    limitMs: 10_000,
    answers: () => accepts(port),
  });
  return { ...server, url: `redis://127.0.0.1:${port}` };
}

/** Whether somebody listens at a port of this machine. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const answer = (there: boolean) => () => {
      socket.destroy();
      resolve(there);
    };
    socket.on("connect", answer(true));
    socket.on("error", answer(false));
  });
}
