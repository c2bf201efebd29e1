/**
 * A client of a running host, over the Redis protocol. It never becomes a member of the namespace. It does not
 * reconnect: a command that was cut off says so and ends, since only its caller knows whether to run it again.
 */
import { readFile } from "node:fs/promises";
import type { RedisOptions } from "ioredis";
import { TidemarkError } from "../../errors.ts";
import { failureOfConnection, failureOfReply } from "./host-failure.ts";
import type { RespTarget } from "./resp-target.ts";

/** An answer of RESP2. */
export type Reply = Buffer | number | null | readonly Reply[];
export type Argument = string | Buffer | number;

export interface HostClient extends AsyncDisposable {
  readonly target: RespTarget;
  /**
   * Sends a command; those sent in one turn go together. Rejects with a `TidemarkError`: `NOT_ALLOWED`, `REFUSED`,
   * `WRONG_TYPE`, `NOT_READY` and others that the host answered, `CONNECT_FAILED` where the connection is gone,
   * `TIMEOUT`.
   */
  call(name: string, ...args: readonly Argument[]): Promise<Reply>;
}

/** Connects and logs in. Rejects `CONNECT_FAILED`, `NOT_ALLOWED`, `TIMEOUT`, `INVALID_ARGUMENT` (a file of TLS). */
export async function connectHost(target: RespTarget): Promise<HostClient> {
  const options = await optionsOf(target);
  const { Redis } = await import("ioredis");
  const connection = new Redis(options);
  let fault: Error | undefined;
  connection.on("error", (error: Error) => {
    fault ??= error;
  });
  const call: HostClient["call"] = async (name, ...args) => {
    try {
      return (await connection.callBuffer(name, ...args)) as Reply;
    } catch (error) {
      // The error of the connection says why, the one of the command only that it is gone.
      throw isReply(error)
        ? failureOfReply(error.message, target)
        : failureOfConnection(fault ?? error, target);
    }
  };
  const client = { target, call, [Symbol.asyncDispose]: async () => connection.disconnect() };
  try {
    await connection.connect().catch((error: unknown) => {
      throw failureOfConnection(fault ?? error, target);
    });
    await logIn(client);
    return client;
  } catch (error) {
    connection.disconnect();
    throw error;
  }
}

/** Text of an answer that is some. */
export function textOf(reply: Reply): string {
  if (typeof reply === "number") return String(reply);
  if (Buffer.isBuffer(reply)) return reply.toString("utf8");
  throw new TidemarkError(
    "REFUSED",
    "the host answered something else than was asked for; is it a Tidemark host?",
  );
}

/** A number as it may be answered: as one, or as text. */
export function numberOf(reply: Reply): number {
  return Number(textOf(reply));
}

/** Elements of an answer that is a list. */
export function listOf(reply: Reply): readonly Reply[] {
  if (Array.isArray(reply)) return reply as readonly Reply[];
  throw new TidemarkError("REFUSED", "the host answered something else than a list; is it a Tidemark host?");
}

/** Bytes of an answer that is some. */
export function bytesOf(reply: Reply): Buffer {
  if (Buffer.isBuffer(reply)) return reply;
  throw new TidemarkError("REFUSED", "the host answered something else than bytes; is it a Tidemark host?");
}

async function logIn({ target, call }: Pick<HostClient, "target" | "call">): Promise<void> {
  const { user, password } = target;
  if (password !== undefined) await call("AUTH", ...(user === undefined ? [] : [user]), password);
  // What answers may be anything; better to know before the command proper.
  await call("PING");
}

async function optionsOf(target: RespTarget): Promise<RedisOptions & { replyMapping?: "legacy" }> {
  const { host, port, tls, timeoutMs } = target;
  return {
    host,
    port,
    lazyConnect: true,
    // Answers as plain bytes and lists, whatever the type.
    protocol: 2,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    disableClientInfo: true,
    connectionName: "tidemark-cli",
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    ...(tls ? { tls: await tlsOf(target) } : {}),
  };
}

async function tlsOf({ ca, cert, key }: RespTarget): Promise<Record<string, Buffer>> {
  const files = { ca, cert, key };
  const given: Record<string, Buffer> = {};
  for (const [name, file] of Object.entries(files)) {
    if (file !== undefined) given[name] = await read(file, `--resp-${name}`);
  }
  return given;
}

async function read(file: string, flag: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new TidemarkError("INVALID_ARGUMENT", `${flag}: ${(cause as Error).message}`, { cause });
  }
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}
