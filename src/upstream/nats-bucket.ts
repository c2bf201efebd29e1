/** The connection and the bucket that the KV driver and the mirror are given. */
import { type ConnectionOptions, connect, type NatsConnection } from "nats";
import { TidemarkError } from "../errors.ts";
import type { NatsConnectionOption } from "./nats-connection.ts";

/** A bucket's name as NATS takes it. Throws `INVALID_ARGUMENT`. */
export function checkedBucket(bucket: unknown): string {
  if (typeof bucket === "string" && /^[A-Za-z0-9_-]+$/.test(bucket)) return bucket;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `bucket takes a name of the characters A-Z a-z 0-9 _ -, not ${JSON.stringify(bucket)}`,
  );
}

/** The connection that options mean; one that was given stays its owner's. */
export async function connectionOf(given: NatsConnectionOption): Promise<NatsConnection> {
  if (isConnection(given)) return given;
  const options: ConnectionOptions = typeof given === "string" ? { servers: given } : given;
  // The client's own default gives up for good after ten attempts.
  return connect({ maxReconnectAttempts: -1, ...options });
}

export function isConnection(given: NatsConnectionOption): given is NatsConnection {
  return typeof given === "object" && "jetstream" in given;
}
